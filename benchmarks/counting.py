"""The tests' own server as a process of its own that counts what it sold: when, to whom again, and how many tokens.

Prints its base URL, answers until its input is closed, and then prints what it counted, as JSON. Its CPU is not the
client's.
"""

import argparse
import hashlib
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from benchmarks.lab import ROOT, prose
from openai_faults import KINDS, MODEL_FAULTS, Fault, Latency, chance
from openai_server import OpenAIServer

#: Seconds of a window over tokens.
MINUTE = 60.0
_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Weather(Fault):
    """A fault that meets every attempt alike by chance; what the model writes still depends on the request alone."""

    def meets(self, body: bytes, attempt: int) -> bool:
        """Whether this attempt (from 1) at this body goes wrong."""
        salt = self.kind if self.kind in MODEL_FAULTS else f"{self.kind}:{attempt}"
        return chance(body, salt) < self.share


@dataclass(frozen=True, slots=True)
class Served:
    """One request: when it came and ended (the machine's monotonic seconds), its status and the tokens it was told."""

    #: A hash of its body.
    body: bytes
    came: float
    ended: float
    status: int
    tokens: int


class CountingServer(OpenAIServer):
    """The tests' server; with `words`, its answers are instructions of so many words, which cost it little.

    The words are made of syllables, or, with `english`, drawn from those of our documentation: a check of the language
    lets them pass.
    """

    def __init__(self, *, words: int = 0, english: bool = False, keep: bool = False, **options: Any) -> None:
        super().__init__(keep_bodies=False, **options)
        self.served: list[Served] = []
        self.kept: list[bytes] = []
        self._words = words
        self._vocabulary = _documented() if english else []
        self._keep = keep
        self._cpu = time.process_time()

    def summary(self) -> dict[str, Any]:
        """Everything that was counted."""
        first = min((s.came for s in self.served), default=0.0)
        last = max((s.ended for s in self.served), default=0.0)
        return {
            **self.counts(),
            "seconds": last - first,
            "cpu": time.process_time() - self._cpu,
            "answered": _by_second(self.served, first, 200),
            "refused": _by_second(self.served, first, 429),
            "repeats": _repeats(self.served),
            "paid_twice": _paid_twice(self.served),
            "tokens": sum(s.tokens for s in self.served),
            "most_by_arrival": _most([(s.came, s.tokens) for s in self.served]),
            "most_by_answer": _most([(s.ended, s.tokens) for s in self.served]),
            "mean_minute": _mean([(s.ended, s.tokens) for s in self.served]),
        }

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        came, status, tokens, body = time.monotonic(), 0, 0, b""
        try:
            body = await request.read()
            response = await super()._complete(request)
            status = response.status
            if isinstance(response, web.Response) and status == 200:
                tokens = _tokens(response.body)
            if self._keep:
                self.kept.append(body)
            return response
        finally:
            self.served.append(
                Served(hashlib.blake2b(body, digest_size=16).digest(), came, time.monotonic(), status, tokens)
            )

    async def _text(self, asked: dict[str, Any]) -> str:
        if not self._words:
            return await super()._text(asked)
        rng = random.Random(asked["seed"])
        if self._vocabulary:
            # Every third word is drawn; with the others in between, no check takes it for another language.
            text = "Tell me of the " + " and the ".join(rng.choices(self._vocabulary, k=self._words // 3))
            return orjson.dumps({"kind": "instruction", "text": text}).decode()
        return orjson.dumps({"kind": "instruction", "text": prose(rng, self._words)}).decode()


def _documented() -> list[str]:
    pages = (page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    return sorted({word for page in pages for word in re.findall(r"\b[a-z]{3,}\b", _CODE.sub("", page))})


def _tokens(body: object) -> int:
    # A page or a cut body holds no usage, and nobody was told any.
    try:
        return int(orjson.loads(bytes(body))["usage"]["total_tokens"])  # type: ignore[call-overload]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return 0


def _repeats(served: Sequence[Served]) -> list[tuple[float, float, float]]:
    """Of every request that came again: when the one before it came and ended, and when it came again."""
    last: dict[bytes, tuple[float, float]] = {}
    found = []
    for one in sorted(served, key=lambda s: s.came):
        if one.body in last:
            found.append((*last[one.body], one.came))
        last[one.body] = one.came, one.ended
    return found


def _paid_twice(served: Sequence[Served]) -> int:
    """Answers beyond the first to one request, of those that told what they cost."""
    answers = Counter(one.body for one in served if one.tokens)
    return sum(answers.values()) - len(answers)


def _by_second(served: Sequence[Served], first: float, status: int) -> list[int]:
    found = Counter(int(s.ended - first) for s in served if s.status == status)
    return [found[second] for second in range(max(found, default=-1) + 1)]


def _minutes(events: Sequence[tuple[float, int]]) -> Iterator[tuple[float, int]]:
    """Each event's time, and the tokens of the minute that ends with it."""
    ordered, start, within = sorted(events), 0, 0
    for when, tokens in ordered:
        within += tokens
        while ordered[start][0] <= when - MINUTE:
            within -= ordered[start][1]
            start += 1
        yield when, within


def _most(events: Sequence[tuple[float, int]]) -> int:
    return max((within for _, within in _minutes(events)), default=0)


def _mean(events: Sequence[tuple[float, int]]) -> float | None:
    """Tokens of a minute, on average over the minutes that end at each full second of the run, the first one over."""
    if not events:
        return None
    first, last = min(events)[0], max(events)[0]
    ends = [first + MINUTE + second for second in range(int(last - first - MINUTE) + 1)]
    sums = [sum(tokens for when, tokens in events if end - MINUTE < when <= end) for end in ends]
    return sum(sums) / len(sums) if sums else None


def _weather(text: str) -> Weather:
    kind, share, *wait = text.split(":")
    if kind not in KINDS:
        raise argparse.ArgumentTypeError(f"{kind} is none of {', '.join(sorted(KINDS))}")
    return Weather(kind, float(share), retry_after=float(wait[0]) if wait else 0.0)  # type: ignore[arg-type]


def main() -> None:
    """Serve until the input ends."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--latency", type=float, default=0.0, help="median, in seconds")
    options.add_argument("--sigma", type=float, default=0.0, help="of the lognormal; 0 is fixed")
    options.add_argument("--weather", type=_weather, action="append", default=[], metavar="KIND:SHARE[:RETRY_AFTER]")
    options.add_argument("--refuse-first", type=float, help="share of requests refused once, with Retry-After: 1")
    options.add_argument("--allow", type=int, help="answer 429 above so many at once")
    options.add_argument("--words", type=int, default=0, help="answer instructions of so many words")
    options.add_argument("--english", action="store_true", help="draw them from the words of our documentation")
    options.add_argument("--filler", action="store_true", help="filler text, not the procedural model's")
    options.add_argument("--keep", type=Path, help="where to write the requests that came, one a line")
    given = options.parse_args()
    server = CountingServer(
        words=given.words,
        english=given.english,
        keep=given.keep is not None,
        latency=Latency(given.latency, given.sigma),
        procedural=not (given.filler or given.words),
        allow=given.allow,
    )
    server.faults.extend(given.weather)
    if given.refuse_first:
        server.fault("rate_limit", given.refuse_first, retry_after=1)
    with server:
        print(server.base_url, flush=True)
        sys.stdin.read()
    if given.keep is not None:
        given.keep.write_bytes(b"".join(body + b"\n" for body in server.kept))
    print(orjson.dumps(server.summary()).decode(), flush=True)


if __name__ == "__main__":
    main()

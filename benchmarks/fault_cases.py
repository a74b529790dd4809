"""What growth survives over HTTP: an endpoint that fails at random, answers that are no answers, and a kill."""

import json
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.grown import Grown, differing
from benchmarks.growth_cases import FAN_OUT, HOPS, SEEDS
from benchmarks.lab import Bar, Finding, Lab, Result, Server, output, watched
from benchmarks.sizes import Size

LATENCY, IN_FLIGHT = 0.05, 64

#: Replies that are no completion; whoever asks again gets the answer that was meant.
WIRE = ("rate_limit:0.05", "cut_body:0.01", "html:0.01", "no_choices:0.01", "drop:0.01")
#: The same with answers that are cut or empty: those are asked for in other words, and so are other answers.
WRITTEN = ("rate_limit:0.05", "cut_json:0.01", "html:0.01", "empty:0.01", "drop:0.01")

_PEOPLE = "SELECT coalesce(sum(born), 0)::BIGINT FROM growth_chunks"
_ASKED = "SELECT coalesce(sum(asked), 0)::BIGINT FROM growth_chunks"
#: Questions about a passage or person, by whether they have an answer, or a row that says why there is none.
_ANSWERED = "SELECT count(DISTINCT (number, owner)) FROM calls WHERE phase = 'growth' AND outcome = 'ok'"
_FAILED = "SELECT count(*) FROM failures WHERE phase = 'growth' AND reason <> ''"
_DURABLE = "SELECT count(DISTINCT (phase, number, owner, request_hash)) FROM calls WHERE raw IS NOT NULL"
_ENDS = "SELECT outcome, count(*) FROM calls GROUP BY outcome ORDER BY outcome"

#: Seconds until growth that asks for nothing is given up.
_PATIENCE = 300.0


def faults(lab: Lab, size: Size) -> Iterator[Finding]:
    """Growth by `populace grow` over HTTP: without faults, with faults, with useless answers, and killed with -9."""
    texts = lab.new(".jsonl")
    output("benchmarks.growing", "texts", texts, SEEDS)
    with watched() as others:
        clear, counted = _grown(lab, texts, size, ())
    yield from _whole("without faults", clear, counted, others())
    with watched() as others:
        stormy, counted = _grown(lab, texts, size, WIRE)
    yield from _whole("with refusals, cut replies, pages, empty and dropped ones", stormy, counted, others())
    yield from _same("without faults", clear, stormy)
    with watched() as others:
        useless, counted = _grown(lab, texts, size, WRITTEN)
    yield from _whole("with answers that are cut or empty", useless, counted, others())
    yield from _killed(lab, texts, size, useless, int(counted["distinct"]))


def _grown(lab: Lab, texts: Path, size: Size, weather: tuple[str, ...]) -> tuple[Grown, Result]:
    """A hub that is grown at once, and what the server counted."""
    with _server(lab, weather) as server:
        grown = _begun(lab, texts, size, server)
        took = grown.grow()
    return grown, server.counted | took


def _killed(lab: Lab, texts: Path, size: Size, whole: Grown, requests: int) -> Iterator[Finding]:
    """The same weather, killed when half of the requests have come, and gone on with."""
    with watched() as others, _server(lab, WRITTEN) as server:
        grown = _begun(lab, texts, size, server)
        sent = _kill(grown, server, requests // 2)
        durable = int(grown.value(_DURABLE)) if grown.hub.exists() else 0
        people = int(grown.value(_PEOPLE)) if grown.hub.exists() else 0
        took = grown.grow()
    name = f"killed with -9 at {people:,} people and gone on with"
    yield from _whole(name, grown, server.counted | took, others(), undurable=max(0, sent - durable))
    yield from _same("with these faults that nobody killed", whole, grown)


def _server(lab: Lab, weather: tuple[str, ...]) -> AbstractContextManager[Server]:
    return lab.server("--latency", LATENCY, *(option for fault in weather for option in ("--weather", fault)))


def _begun(lab: Lab, texts: Path, size: Size, server: Server) -> Grown:
    sizes = ("--hops", HOPS, "--fan-out", FAN_OUT, "--limit", size.asked, "--max-in-flight", IN_FLIGHT)
    return Grown(lab, texts, *sizes, "--model", "openai:test", "--base-url", server.base_url)


def _kill(grown: Grown, server: Server, moment: int) -> int:
    """Kill growth once so many distinct requests have come; how many had come when it was dead."""
    process, deadline = grown.begin(), time.monotonic() + _PATIENCE
    while _distinct(server) < moment and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.003)
    process.send_signal(signal.SIGKILL)
    if (status := process.wait()) != -signal.SIGKILL:
        raise SystemExit(f"Growth was to be killed at request {moment}, but ended before with status {status}.")
    return _distinct(server)


def _distinct(server: Server) -> int:
    with urllib.request.urlopen(server.base_url.removesuffix("/v1") + "/counts") as reply:
        return int(json.load(reply)["distinct"])


def _whole(name: str, grown: Grown, counted: Result, others: str, *, undurable: int = 0) -> Iterator[Finding]:
    """What must hold of any growth: everybody asked about is accounted for, and no answer was paid for twice.

    Of requests that were killed with the process, `undurable`, some are sent again: their answers were in no file.
    """
    asked, answered, failed = (int(grown.value(sql)) for sql in (_ASKED, _ANSWERED, _FAILED))
    ends = ", ".join(f"{number:,} {outcome}" for outcome, number in grown.rows(_ENDS))
    beside = f"{grown.value(_PEOPLE):,} people in {counted['wall']:.0f} s; attempts: {ends}; {others}"
    yield Finding(
        f"{name}: questions without an answer or a reason", asked - answered - failed, Bar("exactly", 0), beside
    )
    yield Finding("questions left without an answer", failed, Bar("exactly", 0), f"of {asked:,}")
    again = f"{counted['calls']:,} calls for {counted['distinct']:,} requests"
    if undurable:
        again += f"; {counted['paid_twice']} of {undurable} that were under way or not durable were paid again"
    twice = max(0, int(counted["paid_twice"]) - undurable)
    yield Finding("answers paid twice", twice, Bar("exactly", 0), again)


def _same(than: str, one: Grown, other: Grown) -> Iterator[Finding]:
    hashes = {grown.value("SELECT event_hash FROM runs") for grown in (one, other)}
    yield Finding(f"event hash as in growth {than}", int(len(hashes) == 1), Bar("exactly", 1))
    differ = differing(one, other)
    named = ", ".join(differ) or "people, relations, verdicts and all else are the same, row by row"
    yield Finding("tables that differ from it in any row", len(differ), Bar("exactly", 0), named)

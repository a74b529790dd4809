"""A small fixed panel of tasks for one model, and what its texts are like."""

import asyncio
import math
import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

import populace
from populace.agents import ModelHandle
from populace.agents.embedding.models import open_embedder
from populace.agents.text_faults import find_assistant_voice, find_echo, find_refusal
from populace.analysis.diversity.similarity import vendi_score
from populace.analysis.stats import wilson_interval
from populace.core.errors import EndpointError, PausedError, RunError, SetupError, StorageError
from populace.core.query import QueryResult
from populace.core.text import word_list
from populace.personas.dedup.vectors import units
from populace.personas.rules.languages import detect_languages, is_in_language, known_languages
from populace.personas.rules.quality import find_cut, find_loop, find_noun_list, has_content
from populace.sim import open_run
from populace.sim.grading.grading import SIZE, draw_lineup

PEOPLE = Path(__file__).with_name("people.jsonl")
#: The most calls of a panel, and the calls of one person in it: a text, a request and three lines, some of them twice.
MOST_CALLS, _CALLS_EACH, _STEPS = 200, 8, 3
#: Lines of which the answered one is to be found.
_LINES = 2
_OPENER = 3
#: A player speaks to everybody in each step, and everybody answers.
_VILLAGE = {"visited": 1.0, "acts": ("dialogue",), "flood_at": 0}

_ANSWERS = """
SELECT outcome, finish_reason, output_tokens / nullif(epoch(ended_at - started_at), 0),
       row_number() OVER (PARTITION BY phase, number, owner, purpose ORDER BY started_at, attempt) = 1
FROM calls WHERE raw IS NOT NULL OR outcome = 'cut_json'  -- some servers send an error instead of unreadable text
"""
_TEXTS = """
SELECT e.text, e.kind, a.text, a.language, h.text
FROM emissions AS e JOIN personas AS a ON a.id = e.agent
LEFT JOIN messages AS m ON m.emission = e.emission LEFT JOIN messages AS h ON h.message = m.reply_to
UNION ALL SELECT text, 'persona', NULL, NULL, NULL FROM personas WHERE origin = 'text' ORDER BY ALL
"""
_REPAIRS = """
SELECT coalesce(o.revised AND o.status = 'accepted', false)
FROM (SELECT DISTINCT number, owner FROM calls WHERE purpose = 'revise') AS r
LEFT JOIN outputs AS o ON o.agent = r.owner AND o.step = r.number
"""


class PanelText(NamedTuple):
    """A text that the model wrote, with its writer and the line that it answers, where it has them."""

    text: str
    kind: str
    persona: str | None
    language: str | None
    heard: str | None


#: What each share of faulty texts counts; each returns the offending words, or "".
FAULTS: Mapping[str, Callable[[PanelText], object]] = {
    "loops": lambda one: find_loop(one.text),
    "noun lists": lambda one: find_noun_list(one.text),
    "broken off": lambda one: find_cut(one.text, is_chat=True),
    "without content": lambda one: not has_content(one.text),
    "refusals": lambda one: find_refusal(one.text),
    "assistant's voice": lambda one: find_assistant_voice(one.text),
    "echo": lambda one: find_echo(one.text, filter(None, (one.persona, one.heard))),
    "other language": lambda one: one.language and is_in_language(one.text, one.language) is False,
}


def run_panel(
    model: ModelHandle, folder: Path, *, calls: int, seed: int = 0, limits: Mapping[str, Any]
) -> tuple[Path, ...]:
    """Run the panel with at most this many calls, and return its run files: personas, requests, lines.

    A panel that stopped goes on in its folder, and no answer is paid for twice.

    Raises `SetupError` and `EndpointError` as a run does, and `RunError` when no call was answered.
    """
    people = min(len(_read_people()), max(2, calls // _CALLS_EACH))
    same: dict[str, Any] = {"model": model, "seed": seed}
    hub: dict[str, Any] = {"hub": PEOPLE, "draw": "random", "agents": people, "resume": True, **same}
    jobs: dict[str, Callable[..., object]] = {
        "personas": partial(populace.grow, agents=max(1, people // 2), hops=0, **same),
        "requests": partial(populace.make, "instruction", people, settings={"response": "off"}, **hub),
        "lines": partial(populace.run, "village", settings=_VILLAGE, steps=_STEPS, **hub),
    }
    # A model whose answers never fit is what the panel is for.
    limits = {"max_error_rate": 1.0, "max_rejected": 1.0, "min_yield": 0.0, **limits}
    paths, left = [], calls
    for name, job in jobs.items():
        path = folder / f"{name}.duckdb"
        most = left if name == "lines" else max(1, left // 2)
        try:
            job(**{"hub" if name == "personas" else "out": path}, limits={**limits, "max_calls": most})
        except RunError as error:
            # A spent budget ends the panel, and people or texts that a model fails to make are a result.
            is_halted = isinstance(error, PausedError) and _count_calls(path) < most
            if is_halted or isinstance(error, EndpointError | StorageError):
                raise
        paths.append(path)
        left -= _count_calls(path)
        if left < 1:
            break
    return tuple(paths)


@cache
def _read_people() -> Mapping[str, str]:
    """Return the language of each persona of the panel."""
    texts = [orjson.loads(line)["persona"] for line in PEOPLE.read_text(encoding="utf-8").splitlines()]
    return dict(zip(texts, detect_languages(texts), strict=True))


def _count_calls(path: Path) -> int:
    return int(_read_rows(path, "SELECT count(*) FROM calls")[0][0])


def _read_rows(path: Path, sql: str) -> Sequence[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


def measure_panel(paths: Sequence[Path], *, seed: int = 0) -> QueryResult:
    """Measure run files of a panel: one row for each measure, shares in percent with a 95 % interval.

    Raises `RunError` when no call was answered.
    """
    answers, texts, repairs = (
        [row for path in paths for row in _read_rows(path, sql)] for sql in (_ANSWERS, _TEXTS, _REPAIRS)
    )
    if not answers:
        raise RunError("No call was answered, so there is nothing to measure; try `populace check endpoint`.")
    columns = ("measure", "value", "low", "high", "unit", "of", "chance")
    types = ("VARCHAR", "DOUBLE", "DOUBLE", "DOUBLE", "VARCHAR", "BIGINT", "DOUBLE")
    return QueryResult(
        columns, types, [*_measure_answers(answers, repairs), *measure_texts([PanelText(*t) for t in texts], seed)]
    )


def describe_panel(model: ModelHandle, measured: QueryResult) -> str:
    """Say in two sentences what to expect of the model."""
    values = {row[0]: "no known share" if row[1] is None else f"{row[1]:.0f} %" for row in measured.rows}
    who = "This model" if model.is_language_model else "The built-in generator, which is not a language model,"
    return (
        f"{who} answers in the right form at the first attempt in {values['fit']} of cases, and {values['no fault']} "
        "of its texts have none of the faults above. This describes how it writes and is no finding about people."
    )


def _share_row(name: str, hits: Sequence[object], chance: float | None = None) -> tuple[Any, ...]:
    number, of = sum(map(bool, hits)), len(hits)
    if not of:
        return (name, None, None, None, "%", 0, chance)
    return (name, *(round(100 * share, 1) for share in (number / of, *wilson_interval(number, of))), "%", of, chance)


def _measure_answers(
    answers: Sequence[tuple[Any, ...]], repairs: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[Any, ...]]:
    yield _share_row("fit", [outcome == "ok" for outcome, _, _, is_first in answers if is_first])
    yield _share_row("cut", [reason == "length" for _, reason, _, _ in answers])
    yield _share_row("refused calls", [outcome == "refusal" for outcome, *_ in answers])
    yield _share_row("repairs", [hit for (hit,) in repairs])
    speeds = [speed for _, _, speed, _ in answers if speed is not None]
    yield ("speed", round(statistics.median(speeds), 1) if speeds else None, None, None, "tokens/s", len(speeds), None)


def measure_texts(texts: Sequence[PanelText], seed: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows on texts alone: faults, variety, and whether they suit their writer and the line they answer."""
    found = {name: [find(one) for one in texts] for name, find in FAULTS.items()}
    yield _share_row("no fault", [not any(faults) for faults in zip(*found.values(), strict=True)])
    for name, hits in found.items():
        yield _share_row(name, [hit for hit in hits if hit is not None])
    spoken = [one for one in texts if one.persona is not None]
    openers = {tuple(word_list(one.text)[:_OPENER]) for one in spoken}
    yield (
        "distinct openers",
        _as_percent(len(openers) / len(spoken)) if spoken else None,
        None,
        None,
        "%",
        len(spoken),
        None,
    )
    yield from _measure_meaning(spoken, random.Random(seed))  # noqa: S311 - a fixed sample, no secret


def _measure_meaning(spoken: Sequence[PanelText], rng: random.Random) -> Iterator[tuple[Any, ...]]:
    lines = list(dict.fromkeys(one.heard for one in spoken if one.heard))
    embedded, by = _embed_texts(
        [*(text for one in spoken for text in (one.text, one.persona or "")), *_read_people(), *lines]
    )

    def is_nearest(text: str, own: str, drawn: Sequence[str]) -> bool:
        """True if `own` is the nearest of what is drawn; ties are drawn."""
        return max(drawn, key=lambda other: (float(embedded[text] @ embedded[other]), rng.random())) == own

    requests = np.array([embedded[one.text] for one in spoken if one.kind == "instruction"])
    entropy = math.log(vendi_score(requests) or 1) / math.log(len(requests)) if len(requests) > 1 else None
    yield (f"topic entropy, by {by}", _as_percent(entropy), None, None, "%", len(requests), None)
    found = [
        is_nearest(one.text, one.persona, lineup)
        for one in spoken
        if one.persona
        and (lineup := draw_lineup(one.persona, [t for t, tag in _read_people().items() if tag == one.language], rng))
    ]
    yield _share_row(f"identifiability, by {by}", found, 100 / SIZE)
    coherent = [
        is_nearest(one.text, one.heard, [one.heard, *rng.sample(others, _LINES - 1)])
        for one in spoken
        if one.heard and len(others := [line for line in lines if line != one.heard]) >= _LINES - 1
    ]
    yield _share_row(f"coherence, by {by}", coherent, 100 / _LINES)


def _as_percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _embed_texts(texts: Sequence[str]) -> tuple[Mapping[str, NDArray[np.float32]], str]:
    """Return unit vectors by text, and what they are of: wordllama's if it is installed, else sets of content words."""
    try:
        reply = asyncio.run(open_embedder("wordllama").served.vectors(texts))
    except SetupError:
        common = frozenset().union(*(one.common for one in known_languages().values()))
        words = [set(word_list(text)) - common for text in texts]
        places = {word: at for at, word in enumerate(sorted(set().union(*words)))}
        matrix = np.zeros((len(texts), len(places) or 1), dtype=np.float32)
        for row, found in enumerate(words):
            matrix[row, [places[word] for word in found]] = 1
        return dict(zip(texts, units(matrix), strict=True)), "words"
    size = next((vector.size for vector in reply.vectors if vector is not None), 1)
    matrix = np.array([np.zeros(size) if vector is None else vector for vector in reply.vectors], dtype=np.float32)
    return dict(zip(texts, units(matrix.reshape(-1, size)), strict=True)), "wordllama"

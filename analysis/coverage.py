"""Which topics the outputs of a run reached, and whom to grow for those they did not (the paper's section 5.3).

A text holds a topic from a cosine of their vectors on that 1 % of texts of shuffled words reach.
A topic counts as reached only if more texts hold it than chance explains (`topic_hits`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson

from ..core.arrow import Matrix
from ..core.errors import SetupError, parameter
from ..core.files import whole_file
from ..personas.dedup.vectors import units
from ..personas.persona import content_id
from .diversity.similarity import OutputSample, read_sample, vectors_of
from .page import short_label
from .table import Queryable, Section
from .topics import Topic, TopicHits, hits_by_cosine, read_topics, shuffle_words

__all__ = ["Coverage", "Topic", "cover_by_meaning", "read_topics"]

#: Without a cosine: the share of texts of shuffled words that reach the one that is taken for a topic.
_BY_CHANCE = 0.01
#: People named for each topic that was not reached.
_NEAREST = 3
#: Topics not reached that are listed.
_MOST_GAPS = 20

_IS_HUB = "SELECT NOT EXISTS (FROM information_schema.tables WHERE table_name = 'runs')"
_IS_GROWN = "SELECT NOT EXISTS (FROM runs WHERE scenario <> 'growth')"
_DRAWN = """
SELECT * FROM (SELECT ordinal, id, text FROM personas ORDER BY md5(concat(ordinal, ':0')), ordinal LIMIT $n)
ORDER BY ordinal
"""
_HELD = "SELECT count(*) FROM personas"
_SPENT = """
SELECT sum(cost), count(*) FILTER (raw IS NOT NULL AND cost IS NULL) FROM calls WHERE source IN ('endpoint', 'batch')
"""


@dataclass(frozen=True, slots=True)
class Reached:
    """A topic with the outputs that hold it."""

    topic: Topic
    #: The least cosine of an output that holds it.
    cosine: float
    #: Outputs that hold it, and as many as would by chance.
    outputs: int
    expected: float
    #: Whether more do than chance explains.
    is_reached: bool
    #: The emission that holds it first, or is nearest to it; None where none does.
    example: int | None
    #: For a topic that was not reached the people who are nearest to it, by id, with their descriptions.
    people: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class ComparedCoverage:
    """The coverage of one file, at a number of outputs that all compared files have."""

    file: str
    #: Outputs that were looked at, and of how many the topics are counted.
    outputs: int
    of: int
    #: Topics reached, with the 95 % interval.
    reached: float
    low: float
    high: float
    #: Share of what outputs are about that lies in topics not seen, at most.
    unseen: float | None
    #: How many more topics than the first file, with the 95 % interval; None for the first.
    more: tuple[float, float, float] | None
    #: Topics that this file reached and the first one did not, and dollars that were paid for the file (None: unknown).
    closed: int
    dollars: float | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which topics of a taxonomy the accepted outputs of a run, or the people of a hub, reached."""

    #: Texts that were looked at, of how many, and those that hold any topic that was reached.
    outputs: int
    accepted: int
    placed: int
    topics: Sequence[Reached]
    #: Topics reached, with the 95 % interval.
    reached: tuple[float, float, float]
    model: str
    #: The least cosine of a text and a topic that it holds, if it was given; else each topic has its own.
    threshold: float | None
    #: This file and others, compared at one number of outputs; empty without others.
    compared: Sequence[ComparedCoverage] = ()

    @property
    def gaps(self) -> list[Reached]:
        """The topics that were not reached."""
        return [one for one in self.topics if not one.is_reached]


@dataclass(frozen=True, slots=True)
class Covered:
    """A file's sample, with the topics that its texts hold."""

    file: str
    run: Queryable
    sample: OutputSample
    hits: TopicHits
    #: Cosines of each text and topic, and of each person of `people` and topic; None without vectors of people.
    alike: Matrix
    near: Matrix | None
    people: Sequence[tuple[str, str]]
    #: By topic the least cosine of a text that holds it.
    cosine: Matrix


def read_covered(file: Queryable, *, n: int, kind: str | None = None) -> OutputSample:
    """Read at most `n` accepted outputs of a run, or people of a hub, with texts. Raises `SetupError` if none."""
    if file.query(_IS_HUB).rows[0][0] or file.query(_IS_GROWN).rows[0][0]:
        if kind is not None:
            raise SetupError(f"A hub holds people, not outputs of the kind {kind!r}; leave {parameter('kind')} out.")
        rows = file.query(_DRAWN, {"n": n}).rows
        if not rows:
            raise SetupError("The hub holds nobody; grow people first.")
        ((held,),) = file.query(_HELD).rows
        ordinals, ids, texts = zip(*rows, strict=True)
        return OutputSample(ordinals, ids, texts, texts, held, held, 0, None)
    return read_sample(file, n=n, kind=kind)


def texts_to_embed(topics: Sequence[Topic], sample: OutputSample) -> list[str]:
    """Return the texts whose vectors `cover_by_meaning` needs."""
    return [*(topic.text for topic in topics), *shuffle_words(sample.texts), *sample.embeddable]


def cover_by_meaning(
    run: Queryable,
    topics: Sequence[Topic],
    sample: OutputSample,
    model: str,
    *,
    threshold: float | None = None,
    beside: Mapping[str, tuple[Queryable, OutputSample]] | None = None,
) -> Coverage:
    """Find the topics that texts of a sample reached by their vectors; other samples in `beside` are compared.

    The cosine of a topic is the one that 1 % of texts of shuffled words reach, unless `threshold` is given. The samples
    in `beside` are compared by the same cosine. Raises `SetupError` if a file lacks vectors.
    """
    given = None if threshold is None else np.full(len(topics), threshold, dtype=np.float32)
    first = _covered_by_meaning("", run, topics, sample, model, given)
    others = [
        _covered_by_meaning(name, file, topics, some, model, first.cosine)
        for name, (file, some) in (beside or {}).items()
    ]
    return _coverage(first, topics, others, model, threshold)


def _covered_by_meaning(
    name: str, run: Queryable, topics: Sequence[Topic], sample: OutputSample, model: str, cosine: Matrix | None
) -> Covered:
    keys = [content_id(text) for text in sample.texts]
    wanted = [content_id(topic.text) for topic in topics]
    shuffled = list(map(content_id, shuffle_words(sample.texts)))
    vectors = vectors_of(run, {*keys, *sample.agents, *wanted, *shuffled}, model)
    there = [place for place, key in enumerate(keys) if key in vectors]
    if not there or not all(key in vectors for key in (*wanted, *shuffled)):
        raise SetupError(
            f"{name or 'The run'} lacks vectors of its outputs or of the topics by model {model!r}; fetch them first."
        )

    def stacked(some: Iterable[str]) -> Matrix:
        return units(np.array([vectors[key] for key in some], dtype=np.float32)).astype(np.float32)

    about = stacked(wanted).T
    own, chance = stacked(keys[place] for place in there) @ about, stacked(shuffled) @ about
    if cosine is None:
        cosine = np.quantile(chance, 1 - _BY_CHANCE, axis=0).astype(np.float32)
    kept = replace(
        sample,
        emissions=[sample.emissions[place] for place in there],
        agents=[sample.agents[place] for place in there],
    )
    people = list(dict.fromkeys((a, t) for a, t in zip(sample.agents, sample.personas, strict=True) if a in vectors))
    near = stacked(agent for agent, _ in people) @ about if people else None
    hits = hits_by_cosine(own, chance, kept.agents, cosine=cosine)
    return Covered(name, run, kept, hits, own, near, people, cosine)


def _coverage(
    first: Covered, topics: Sequence[Topic], others: Sequence[Covered], model: str, threshold: float | None
) -> Coverage:
    hits, found = first.hits, first.hits.reached
    gaps = np.flatnonzero(~found).tolist()
    people = _nearest(first, gaps)
    example = np.where(hits.held, first.alike, -np.inf).argmax(axis=0)
    counts, expected = hits.counts.tolist(), hits.expected.tolist()
    return Coverage(
        len(hits),
        first.sample.accepted,
        int(hits.held[:, found].any(axis=1).sum()),
        [
            Reached(
                topic,
                round(float(first.cosine[n]), 3),
                counts[n],
                round(expected[n], 2),
                bool(found[n]),
                first.sample.emissions[int(example[n])] if counts[n] else None,
                people.get(n, ()),
            )
            for n, topic in enumerate(topics)
        ],
        hits.reached_of(len(hits)),
        model,
        threshold,
        _compared([first, *others]) if others else (),
    )


def _compared(files: Sequence[Covered]) -> list[ComparedCoverage]:
    """Compare the files at the number of outputs of the smallest; differences are of independent samples."""
    size = min(len(one.hits) for one in files)
    base, start = files[0].hits.reached, files[0].hits.reached_of(size)
    found = []
    for place, one in enumerate(files):
        reached, low, high = start if not place else one.hits.reached_of(size)
        spread = float(np.hypot(high - low, start[2] - start[1])) / 2
        more = None if not place else (reached - start[0], reached - start[0] - spread, reached - start[0] + spread)
        closed = int((one.hits.reached & ~base).sum())
        unseen, paid = one.hits.unseen, _paid(one.run)
        found.append(ComparedCoverage(one.file, len(one.hits), size, reached, low, high, unseen, more, closed, paid))
    return found


def _paid(run: Queryable) -> float | None:
    """Return the dollars paid for all calls of a file; None if unknown."""
    if run.query(_IS_HUB).rows[0][0]:
        return None
    ((dollars, unknown),) = run.query(_SPENT).rows
    return None if unknown else dollars


def _nearest(first: Covered, gaps: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    if first.near is None:
        return {}
    return {gap: [first.people[int(p)] for p in np.argsort(-first.near[:, gap])[:_NEAREST]] for gap in gaps}


def write_seeds(gaps: Iterable[Reached], path: Path) -> int:
    """Write a text for each topic as JSONL that `populace grow` reads, and return how many. Raises `SetupError`."""
    rows = [{"title": gap.topic.title, "text": gap.topic.passage} for gap in gaps]
    try:
        with whole_file(path) as part:
            part.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    except FileExistsError as error:
        raise SetupError(f"{str(path)!r} exists and is not written over; name another file.") from error
    except OSError as error:
        raise SetupError(
            f"The texts cannot be written to {str(path)!r} ({error.strerror}); name another file."
        ) from error
    return len(rows)


def describe_coverage(found: Coverage) -> Iterator[Section]:
    """Describe fields by topics reached, topics that were not reached, and the comparison with other files."""
    fields: dict[str, list[Reached]] = defaultdict(list)
    for one in found.topics:
        fields[one.topic.path[0]].append(one)
    rows = [
        (field, len(some), sum(one.is_reached for one in some), sum(one.outputs for one in some), _most(some))
        for field, some in fields.items()
    ]
    headings = ("field", "topics", "reached", "outputs", "most on")
    kinds = ("VARCHAR", "BIGINT", "BIGINT", "BIGINT", "VARCHAR")
    reached, low, high = found.reached
    title = (
        f"{reached:.0f} of {len(found.topics)} topics (95 % interval {low:.1f} to {high:.1f}) were reached beyond "
        f"chance by {found.placed:,} of {found.outputs:,} texts"
    )
    yield Section(title, headings, kinds, rows)
    if found.gaps:
        gaps = [
            (one.topic.title, one.outputs, one.expected, "; ".join(short_label(t) for _, t in one.people) or "nobody")
            for one in found.gaps
        ]
        told = f"The first {_MOST_GAPS} of {len(gaps)} topics" if len(gaps) > _MOST_GAPS else "Topics"
        nearest = ("topic", "texts", "by chance", "people nearest")
        types = ("VARCHAR", "BIGINT", "DOUBLE", "VARCHAR")
        yield Section(f"{told} that were not reached beyond chance", nearest, types, gaps[:_MOST_GAPS])
    if found.compared:
        yield _comparison(found.compared)


def _comparison(files: Sequence[ComparedCoverage]) -> Section:
    headings = ("file", "texts", "topics reached", "more than the first", "share unseen", "gaps closed", "for a dollar")
    rows = [
        (
            one.file or "this file",
            one.outputs,
            _with_interval((one.reached, one.low, one.high)),
            "" if one.more is None else _with_interval(one.more),
            None if one.unseen is None else round(one.unseen, 3),
            None if one.more is None else one.closed,
            None if one.more is None or not one.dollars else round(one.closed / one.dollars, 2),
        )
        for one in files
    ]
    kinds = ("VARCHAR", "BIGINT", "VARCHAR", "VARCHAR", "DOUBLE", "BIGINT", "DOUBLE")
    return Section(f"Compared at {files[0].of:,} texts each, with 95 % intervals", headings, kinds, rows)


def _with_interval(numbers: tuple[float, float, float]) -> str:
    return "{:.1f} ({:.1f} to {:.1f})".format(*numbers)


def notes_on_coverage(found: Coverage) -> Iterator[str]:
    """Yield sentences on what a reader has to know of the numbers."""
    cosine = f"of {found.threshold:g}" if found.threshold is not None else "that 1 % of texts of shuffled words reach"
    yield (
        f"By {found.model}: a text holds a topic from a cosine {cosine}; chance is how many texts of the same words in "
        "random order have it. At most 5 % of the reached topics are there by chance."
    )
    if found.compared:
        yield (
            "The share unseen (Good-Turing) is that of topics not seen among what texts are about, at most, as chance "
            "adds topics seen once."
        )


def _most(some: Sequence[Reached]) -> str:
    best = max(some, key=lambda one: one.outputs)
    return f"{' / '.join(best.topic.path[1:]) or best.topic.title} ({best.outputs:,})" if best.outputs else ""

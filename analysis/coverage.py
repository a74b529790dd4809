"""Which topics the outputs of a run reached, and whom to grow for those they did not (the paper's section 5.3).

A text holds a topic from a cosine of their vectors on that 1 % of texts of shuffled words reach.
A topic counts as reached only if more texts hold it than chance explains (`topic_hits`).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import orjson

from ..core.arrow import Matrix
from ..core.errors import SetupError, parameter
from ..core.files import whole_file
from ..core.result import Note, Result, make_result
from ..personas.dedup.vectors import units
from ..personas.persona import content_id
from .diversity.similarity import OutputSample, read_sample, vectors_of
from .page import short_label
from .table import Queryable
from .topics import Topic, hits_by_cosine, read_topics, shuffle_words

__all__ = ["Topic", "cover_by_meaning", "read_topics"]

#: Without a cosine: the share of texts of shuffled words that reach the one that is taken for a topic.
_BY_CHANCE = 0.01
#: People named for each topic that was not reached.
_NEAREST = 3

_IS_HUB = "SELECT NOT EXISTS (FROM information_schema.tables WHERE table_name = 'runs')"
_IS_GROWN = "SELECT NOT EXISTS (FROM runs WHERE scenario <> 'growth')"
_DRAWN = """
SELECT * FROM (SELECT ordinal, id, text FROM personas ORDER BY md5(concat(ordinal, ':0')), ordinal LIMIT $n)
ORDER BY ordinal
"""
_HELD = "SELECT count(*) FROM personas"


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
        return OutputSample(ordinals, ids, texts, texts, held, held)
    return read_sample(file, n=n, kind=kind)


def texts_to_embed(topics: Sequence[Topic], sample: OutputSample) -> list[str]:
    """Return the texts whose vectors `cover_by_meaning` needs."""
    return [*(topic.text for topic in topics), *shuffle_words(sample.texts), *sample.embeddable]


def cover_by_meaning(
    run: Queryable, topics: Sequence[Topic], sample: OutputSample, model: str, *, threshold: float | None = None
) -> Result:
    """Find the topics that texts of a sample reached by their vectors: a row for each topic, then one for each field.

    The cosine of a topic is the one that 1 % of texts of shuffled words reach, unless `threshold` is given. Raises
    `SetupError` if the file lacks vectors.
    """
    keys = [content_id(text) for text in sample.texts]
    wanted = [content_id(topic.text) for topic in topics]
    shuffled = list(map(content_id, shuffle_words(sample.texts)))
    vectors = vectors_of(run, {*keys, *sample.agents, *wanted, *shuffled}, model)
    there = [place for place, key in enumerate(keys) if key in vectors]
    if not there or not all(key in vectors for key in (*wanted, *shuffled)):
        raise SetupError(f"The file lacks vectors of its texts or of the topics by model {model!r}; fetch them first.")

    def stacked(some: Iterable[str]) -> Matrix:
        return units(np.array([vectors[key] for key in some], dtype=np.float32)).astype(np.float32)

    about = stacked(wanted).T
    alike, chance = stacked(keys[place] for place in there) @ about, stacked(shuffled) @ about
    if threshold is None:
        cosine = np.quantile(chance, 1 - _BY_CHANCE, axis=0).astype(np.float32)
    else:
        cosine = np.full(len(topics), threshold, dtype=np.float32)
    people = {a: t for a, t in zip(sample.agents, sample.personas, strict=True) if a in vectors}
    near = stacked(people) @ about if people else None
    hits = hits_by_cosine(alike, chance, cosine=cosine)
    reached, expected = hits.reached, hits.expected.tolist()
    names = [short_label(text) for text in people.values()]
    rows = [
        (
            *(topic.path[0], topic.title, int(hits.counts[n]), round(expected[n], 2), bool(reached[n])),
            *(round(float(cosine[n]), 3), "" if reached[n] or near is None else _name_nearest(near[:, n], names)),
        )
        for n, topic in enumerate(topics)
    ]
    placed = int(hits.held[:, reached].any(axis=1).sum())
    shown = f"of {threshold:g}" if threshold is not None else "that 1 % of texts of shuffled words reach"
    return make_result(
        f"{int(reached.sum())} of {len(topics)} topics were reached beyond chance by {placed:,} of {len(hits):,} texts",
        ("field", "topic", "texts", "by_chance", "is_reached", "cosine", "people_nearest"),
        sorted(rows, key=lambda row: (row[4], row[1])),
        notes=[
            Note(
                "method",
                f"By {model}: a text holds a topic from a cosine {shown}; chance is how many texts of the same words "
                "in random order have it. At most 5 % of the reached topics are there by chance.",
            )
        ],
        parts=[make_result("Fields", ("field", "topics", "reached", "texts"), _count_fields(rows))],
    )


def _name_nearest(near: Matrix, names: Sequence[str]) -> str:
    return "; ".join(names[place] for place in np.argsort(-near)[:_NEAREST].tolist())


def _count_fields(rows: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    fields: dict[object, list[int]] = {}
    for field, _, texts, _, is_reached, *_ in rows:
        counts = fields.setdefault(field, [0, 0, 0])
        counts[:] = counts[0] + 1, counts[1] + bool(is_reached), counts[2] + int(str(texts))
    return [(field, *counts) for field, counts in fields.items()]


def find_gaps(found: Result, topics: Sequence[Topic]) -> list[Topic]:
    """Return the topics that were not reached."""
    missed = {row["topic"] for row in found if not row["is_reached"]}
    return [topic for topic in topics if topic.title in missed]


def write_seeds(topics: Iterable[Topic], path: Path) -> int:
    """Write a text for each topic as JSONL that `populace grow` reads, and return how many. Raises `SetupError`."""
    rows = [{"title": topic.title, "text": topic.passage} for topic in topics]
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

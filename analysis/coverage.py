"""Which topics the outputs of a run reached, and whom to grow for those they did not (the paper's section 5.3).

A text holds a topic from a cosine of their vectors on that 1 % of texts of shuffled words reach.
A topic counts as reached only if more texts hold it than chance explains (`topic_hits`).
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from ..core.arrow import Flags, Ints, Matrix
from ..core.errors import SetupError, SourceError, parameter
from ..core.files import whole_file
from ..core.inputs import read_utf8, shown
from ..core.result import Note, Result, make_result
from ..core.text import word_list
from ..personas.dedup.vectors import units
from ..personas.persona import content_id
from .diversity.similarity import OutputSample, read_sample, vectors_of
from .page import short_label
from .table import Queryable


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of a taxonomy, without topics below it."""

    #: From the field to the topic itself.
    path: tuple[str, ...]
    #: What a text about it holds, its name first.
    terms: tuple[str, ...]

    @property
    def title(self) -> str:
        """The path in words."""
        return " / ".join(self.path)

    @property
    def text(self) -> str:
        """What stands for the topic before an embedding model."""
        return f"{', '.join(reversed(self.path))}: {', '.join(self.terms)}"

    @property
    def passage(self) -> str:
        """A text from which Text-to-Persona can infer people who have to do with the topic."""
        name, *above = (part.lower() for part in reversed(self.path))
        within = f", which is a part of {' and of '.join(above)}" if above else ""
        terms = [term for term in self.terms[1:] if term.lower() != name]
        about = f" It deals with {', '.join(terms)}." if terms else ""
        return (
            f"This text is about {name}{within}.{about} It is written for people who know this from their own work or "
            "their own days, and asks what only they could tell of it."
        )


def read_topics(path: Path | None = None) -> list[Topic]:
    """The topics of a taxonomy: nested JSON or TOML, or one path per line; without a file, the one that ships.

    In a nested file the keys of an object are topics. What stands under one is an object of topics below it, a list of
    them, or a text with terms, separated by commas. A line is `Field / Topic`, or `Field / Topic: term, term`. Raises
    `SourceError` for a file that holds no topics, or the same one twice.
    """
    if path is None:
        shipped = files(__package__).joinpath("topics.toml").read_text("utf-8")
        return list(_iter_nested((), tomllib.loads(shipped), "topics.toml"))
    text = read_utf8(path)
    suffix = path.suffix.lower()
    topics = list(
        _iter_nested((), _parse_file(path, text, suffix), str(path))
        if suffix in (".json", ".toml")
        else _iter_lines(path, text)
    )
    if not topics:
        raise SourceError(
            f"{path} holds no topics; write one a line, as `Food / Baking`, or nest them in JSON or TOML."
        )
    if twice := next((title for title, n in Counter(topic.title for topic in topics).items() if n > 1), None):
        raise SourceError(f"{path} holds the topic {twice!r} twice; leave one out.")
    return topics


def _parse_file(path: Path, text: str, suffix: str) -> object:
    try:
        return orjson.loads(text) if suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise SourceError(f"{path} is not {suffix[1:].upper()} ({error}); mend it.") from error


def _iter_nested(above: tuple[str, ...], value: object, where: str) -> Iterator[Topic]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _iter_nested((*above, str(name)), below, where)
    elif isinstance(value, list):
        for below in value:
            is_name = isinstance(below, str)
            yield from _iter_nested((*above, below) if is_name else above, None if is_name else below, where)
    elif above and (value is None or isinstance(value, str)):
        yield _make_topic(above, value or "")
    else:
        raise SourceError(f"{where}: {shown(value)} is no topic; write names, lists of names, or terms as one text.")


def _iter_lines(path: Path, text: str) -> Iterator[Topic]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            place, _, terms = line.partition(":")
            parts = tuple(part.strip() for part in place.replace(">", "/").split("/"))
            if not all(parts):
                raise SourceError(f"{path}, line {number}: {shown(line)} has an empty part; write `Field / Topic`.")
            yield _make_topic(parts, terms)


def _make_topic(path: tuple[str, ...], terms: str) -> Topic:
    listed = [term.strip() for term in terms.split(",") if term.strip()]
    return Topic(path, tuple(dict.fromkeys([path[-1], *listed])))


#: Texts of shuffled words that chance is measured on.
_SHUFFLED = 2_000
#: The share of reached topics that may be there by chance.
_FALSE = 0.05
_SEED = 20_240_628


@dataclass(frozen=True, slots=True)
class TopicHits:
    """Which texts hold which topics, and the counts that chance gives."""

    #: One row a text, one column a topic.
    held: Flags
    #: By topic the texts that hold it in `trials` texts of chance.
    chance: Ints
    trials: int

    def __len__(self) -> int:
        return len(self.held)

    @property
    def counts(self) -> Ints:
        """By topic the texts that hold it."""
        return self.held.sum(axis=0, dtype=np.int64)

    @property
    def expected(self) -> NDArray[np.float64]:
        """By topic the texts that hold it by chance, of as many as there are."""
        return self.chance.astype(np.float64) * (len(self) / self.trials)

    @property
    def reached(self) -> Flags:
        """The topics that more texts hold than chance explains (Benjamini and Hochberg)."""
        from scipy.stats import binom, false_discovery_control

        counts, size = self.counts, len(self)
        p = binom.sf(counts - 1, counts + self.chance, size / (size + self.trials))
        found: Flags = (false_discovery_control(p) <= _FALSE) & (counts > 0)
        return found


def hits_by_cosine(alike: Matrix, shuffled: Matrix, *, cosine: Matrix | float) -> TopicHits:
    """Find the texts whose `cosine` with a topic is large enough; chance is that of texts of `shuffled` words."""
    chance = (shuffled >= cosine).sum(axis=0, dtype=np.int64)
    return TopicHits(alike >= cosine, chance, len(shuffled))


def shuffle_words(texts: Sequence[str]) -> list[str]:
    """Make texts of the words of these ones in random order, each as long as one of them; always the same."""
    rng = np.random.default_rng(_SEED)
    words = [words for text in texts if (words := word_list(text))]
    pool = [word for some in words for word in some]
    made: list[str] = []
    while pool and len(made) < _SHUFFLED:
        drawn = iter(rng.permutation(len(pool)).tolist())
        made += [" ".join(pool[n] for n in islice(drawn, len(some))) for some in words]
    return made[:_SHUFFLED]


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

    def stack_vectors(some: Iterable[str]) -> Matrix:
        return units(np.array([vectors[key] for key in some], dtype=np.float32)).astype(np.float32)

    about = stack_vectors(wanted).T
    alike, chance = stack_vectors(keys[place] for place in there) @ about, stack_vectors(shuffled) @ about
    if threshold is None:
        cosine = np.quantile(chance, 1 - _BY_CHANCE, axis=0).astype(np.float32)
    else:
        cosine = np.full(len(topics), threshold, dtype=np.float32)
    people = {a: t for a, t in zip(sample.agents, sample.personas, strict=True) if a in vectors}
    near = stack_vectors(people) @ about if people else None
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

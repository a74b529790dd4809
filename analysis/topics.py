"""Taxonomies of topics: read from files of several forms, or the small one that ships."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from ..core.arrow import Flags, Ints, Matrix
from ..core.errors import SourceError
from ..core.inputs import read_utf8, shown
from ..core.text import word_list


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
        from scipy.stats import binom

        counts, size = self.counts, len(self)
        p = binom.sf(counts - 1, counts + self.chance, size / (size + self.trials))
        order = np.argsort(p)
        passed = np.flatnonzero(p[order] <= _FALSE * np.arange(1, len(p) + 1) / max(1, len(p)))
        found: Flags = np.zeros(len(p), dtype=np.bool_)
        found[order[: passed.max(initial=-1) + 1]] = True
        return found & (counts > 0)


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

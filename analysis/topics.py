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
from ..core.inputs import read_utf8, resolve_file, shown
from ..core.result import Estimate
from ..core.text import word_list

_LONGEST_TAXONOMY = 5_000
#: Bytes of its file, and characters of a topic or a term.
_LARGEST_TAXONOMY, _LONGEST_TERM = 4_000_000, 200


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
    """The topics of a taxonomy: nested JSON, TOML or YAML, or one path per line; without a file, the one that ships.

    In a nested file the keys of an object are topics. What stands under one is an object of topics below it, a list of
    them, or a text with terms, separated by commas. A line is `Field / Topic`, or `Field / Topic: term, term`. Raises
    `SourceError` for a file that holds no topics, or the same one twice.
    """
    if path is None:
        shipped = files(__package__).joinpath("topics.toml").read_text("utf-8")
        return list(_nested((), tomllib.loads(shipped), "topics.toml"))
    if (size := resolve_file(path).stat().st_size) > _LARGEST_TAXONOMY:
        raise SourceError(f"{path} has {size:,} bytes, more than a taxonomy needs; give {_LARGEST_TAXONOMY:,} at most.")
    text = read_utf8(path)
    suffix = path.suffix.lower()
    topics = list(
        _nested((), _parsed(path, text, suffix), str(path))
        if suffix in (".json", ".toml", ".yaml", ".yml")
        else _lines(path, text)
    )
    if not topics:
        raise SourceError(
            f"{path} holds no topics; write one a line, as `Food / Baking`, or nest them in JSON, TOML or YAML."
        )
    if len(topics) > _LONGEST_TAXONOMY:
        raise SourceError(f"{path} holds {len(topics):,} topics; give {_LONGEST_TAXONOMY:,} at most.")
    if long := next((one for t in topics for one in (*t.path, *t.terms) if len(one) > _LONGEST_TERM), None):
        raise SourceError(
            f"{path} holds a topic or term of {len(long):,} characters, {shown(long)}; give {_LONGEST_TERM} at most."
        )
    if twice := next((title for title, n in Counter(topic.title for topic in topics).items() if n > 1), None):
        raise SourceError(f"{path} holds the topic {twice!r} twice; leave one out.")
    return topics


def _parsed(path: Path, text: str, suffix: str) -> object:
    try:
        if suffix == ".json":
            return orjson.loads(text)
        if suffix == ".toml":
            return tomllib.loads(text)
    except ValueError as error:
        raise SourceError(f"{path} is not {suffix[1:].upper()} ({error}); mend it.") from error
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SourceError(f"{path} is not YAML ({' '.join(str(error).split())}); mend it.") from error


def _nested(above: tuple[str, ...], value: object, where: str) -> Iterator[Topic]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _nested((*above, str(name)), below, where)
    elif isinstance(value, list):
        for below in value:
            is_name = isinstance(below, str)
            yield from _nested((*above, below) if is_name else above, None if is_name else below, where)
    elif above and (value is None or isinstance(value, str)):
        yield _topic(above, value or "")
    else:
        raise SourceError(f"{where}: {shown(value)} is no topic; write names, lists of names, or terms as one text.")


def _lines(path: Path, text: str) -> Iterator[Topic]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            place, _, terms = line.partition(":")
            parts = tuple(part.strip() for part in place.replace(">", "/").split("/"))
            if not all(parts):
                raise SourceError(f"{path}, line {number}: {shown(line)} has an empty part; write `Field / Topic`.")
            yield _topic(parts, terms)


def _topic(path: tuple[str, ...], terms: str) -> Topic:
    listed = [term.strip() for term in terms.split(",") if term.strip()]
    return Topic(path, tuple(dict.fromkeys([path[-1], *listed])))


#: Texts of shuffled words that chance is measured on.
_SHUFFLED = 2_000
#: The share of reached topics that may be there by chance.
_FALSE = 0.05
#: Samples of people from which an interval is taken, and half its width in standard deviations.
_RESAMPLES, _WIDTH = 200, 1.96
_SEED = 20_240_628


@dataclass(frozen=True, slots=True)
class TopicHits:
    """Which texts hold which topics, and the counts that chance gives."""

    #: One row a text, one column a topic.
    held: Flags
    #: Whose text each is, by number: texts of one person are drawn together for intervals.
    people: Ints
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
        """The topics that more texts hold than chance explains."""
        found: Flags = self.are_reached(self.counts[None], np.array([len(self)]))[0]
        return found

    def are_reached(self, counts: Ints, sizes: Ints) -> Flags:
        """The same of samples of these texts, by their counts (a row each) and sizes."""
        from scipy.stats import binom

        p = binom.sf(counts - 1, counts + self.chance, (sizes / (sizes + self.trials))[:, None])
        order = np.argsort(p, axis=1)
        limits = _FALSE * np.arange(1, p.shape[1] + 1) / max(1, p.shape[1])
        passed = np.take_along_axis(p, order, axis=1) <= limits
        # All up to the last that passes.
        upto = passed[:, ::-1].cumsum(axis=1)[:, ::-1] > 0
        found: Flags = np.empty_like(upto)
        np.put_along_axis(found, order, upto, axis=1)
        found &= counts > 0
        return found

    def count_reached(self) -> Estimate:
        """Count the topics reached; the 95 % interval is from the spread over samples of people."""
        rng = np.random.default_rng(_SEED)
        texts = self.held.astype(np.float32)
        resampled = np.stack([self._people(rng) for _ in range(_RESAMPLES)])
        counts = np.rint(resampled @ texts).astype(np.int64)
        numbers = self.are_reached(counts, resampled.sum(axis=1).astype(np.int64)).sum(axis=1)
        found, spread = int(self.reached.sum()), _WIDTH * float(numbers.std())
        return Estimate(found, max(0.0, found - spread), min(float(self.held.shape[1]), found + spread))

    def _people(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return how often each text is in a sample of whole people, of about as many texts."""
        number = int(self.people.max()) + 1
        times = np.bincount(rng.integers(number, size=number), minlength=number)
        return times[self.people].astype(np.float32)


def hits_by_cosine(alike: Matrix, shuffled: Matrix, people: Sequence[str], *, cosine: Matrix | float) -> TopicHits:
    """Find the texts whose `cosine` with a topic is large enough; chance is that of texts of `shuffled` words."""
    chance = (shuffled >= cosine).sum(axis=0, dtype=np.int64)
    return TopicHits(alike >= cosine, _numbered(people), chance, len(shuffled))


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


def _numbered(people: Sequence[str]) -> Ints:
    numbers = {person: number for number, person in enumerate(Counter(people))}
    return np.array([numbers[person] for person in people], dtype=np.int64)

"""Which topics the outputs of a run reached, and whom to grow for those they did not (the paper's section 5.3).

A topic is reached by words when an output holds at least `least` of its terms: its name, and those that the taxonomy
lists. A term is there when all of its words are, in any order; an English plural in -s counts as its singular. With an
embedding model a topic is reached by meaning, when the cosine of its vector and that of an output is large enough.
"""

import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import orjson

from ..personas.dedup.vectors import units
from ..personas.errors import SetupError, SourceError, parameter
from ..personas.files import whole_file
from ..personas.inputs import read_utf8, resolve_file, shown
from ..personas.persona import content_id, word_list
from .diversity.sample import OutputSample, count_outputs, vectors_of
from .page import short_label
from .table import Queryable, Section

#: Cosine from which an output is about a topic. Topics are a few words, so it lies far below that of equal texts.
COSINE = 0.4
#: People named for each topic that no output reached.
_NEAREST = 3
#: Topics without an output that are listed.
_MOST_GAPS = 20
#: What the terms of the other topics of a field count, beside those of the topic itself.
_SIBLING = 0.1
_LONGEST_TAXONOMY = 5_000
#: Bytes of its file, and characters of a topic or a term.
_LARGEST_TAXONOMY, _LONGEST_TERM = 4_000_000, 200

_OUTPUTS = """
SELECT emission, text FROM outputs
WHERE emission > $last AND status = 'accepted' AND ($kind IS NULL OR kind = $kind) ORDER BY emission LIMIT 50000
"""
_PEOPLE = "SELECT ordinal, id, text FROM personas WHERE ordinal > $last ORDER BY ordinal LIMIT 5000"


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


@dataclass(frozen=True, slots=True)
class Reached:
    """A topic with the outputs that reached it."""

    topic: Topic
    outputs: int
    #: The emission that reached it first, or is nearest to it; None where none did.
    example: int | None
    #: For a topic without outputs the people who are nearest to it, by id, with their descriptions.
    people: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which topics of a taxonomy the accepted outputs of a run reached."""

    #: Outputs that were looked at, and those that reached any topic.
    outputs: int
    placed: int
    topics: Sequence[Reached]
    #: The embedding model; None where words decided.
    model: str | None
    #: Terms that an output has to hold, or the least cosine.
    threshold: float

    @property
    def gaps(self) -> list[Reached]:
        """The topics that no output reached."""
        return [one for one in self.topics if not one.outputs]


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


def _stems(text: str) -> set[str]:
    """The words of a text, English plurals in -s as their singular."""
    return {
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in word_list(text)
    }


class _Terms:
    """Finds the topics whose terms a text holds."""

    def __init__(self, topics: Sequence[Topic]) -> None:
        self._sizes: list[int] = []
        self._topics: list[int] = []
        self._by_word: dict[str, list[int]] = defaultdict(list)
        for number, topic in enumerate(topics):
            for words in {frozenset(_stems(term)) for term in topic.terms}:
                for word in words:
                    self._by_word[word].append(len(self._sizes))
                self._sizes.append(len(words))
                self._topics.append(number)

    def held(self, text: str) -> Counter[int]:
        """By topic the number of its terms that the text holds."""
        there = Counter(term for word in _stems(text) for term in self._by_word.get(word, ()))
        return Counter(self._topics[term] for term, words in there.items() if words == self._sizes[term])


def cover_by_words(run: Queryable, topics: Sequence[Topic], *, least: int = 1, kind: str | None = None) -> Coverage:
    """The topics that the accepted outputs of a run reached by at least so many terms; all outputs are read once.

    Raises `SetupError` as `count_outputs` does.
    """
    if least < 1:
        raise SetupError(f"{parameter('least', least)} would count every output for every topic; give 1 or more.")
    count_outputs(run, kind)
    terms = _Terms(topics)
    numbers, first, outputs, placed = Counter[int](), dict[int, int](), 0, 0
    for emission, text in _rows(run, _OUTPUTS, {"kind": kind}):
        outputs += 1
        reached = [topic for topic, held in terms.held(text).items() if held >= least]
        placed += bool(reached)
        for topic in reached:
            numbers[topic] += 1
            first.setdefault(topic, emission)
    gaps = [number for number in range(len(topics)) if not numbers[number]]
    people = _nearest_by_words(run, topics, gaps, terms)
    return Coverage(
        outputs,
        placed,
        [Reached(topic, numbers[n], first.get(n), people.get(n, ())) for n, topic in enumerate(topics)],
        None,
        least,
    )


def _rows(run: Queryable, sql: str, given: Mapping[str, object]) -> Iterator[tuple[int, str]]:
    last = 0
    while rows := run.query(sql, {"last": last, **given}).rows:
        yield from ((row[0], row[-1]) for row in rows)
        last = rows[-1][0]


def _nearest_by_words(
    run: Queryable, topics: Sequence[Topic], gaps: Sequence[int], terms: _Terms
) -> dict[int, list[tuple[str, str]]]:
    """For each gap the people whose descriptions hold most of its terms, and then of those of its field."""
    if not gaps:
        return {}
    fields: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number in gaps:
        fields[topics[number].path[:-1]].append(number)
    best: dict[int, list[tuple[float, str]]] = {number: [] for number in gaps}
    for _, text in _rows(run, _PEOPLE, {}):
        held = terms.held(text)
        scores: defaultdict[int, float] = defaultdict(float)
        for topic, count in held.items():
            for gap in fields.get(topics[topic].path[:-1], ()):
                scores[gap] += count * (1 if topic == gap else _SIBLING)
        for gap, score in scores.items():
            # The first of equals stays: the order is that of their arrival.
            best[gap] = sorted([*best[gap], (score, text)], key=lambda one: -one[0])[:_NEAREST]
    return {gap: [(content_id(text), text) for _, text in found] for gap, found in best.items()}


def cover_by_meaning(
    run: Queryable, topics: Sequence[Topic], sample: OutputSample, model: str, *, threshold: float = COSINE
) -> Coverage:
    """The topics that outputs of a sample reached by their vectors. Raises `SetupError` where the run has none."""
    keys = [content_id(text) for text in sample.texts]
    vectors = vectors_of(run, {*keys, *sample.agents, *(content_id(topic.text) for topic in topics)}, model)
    there = [place for place, key in enumerate(keys) if key in vectors]
    if not there or not all(content_id(topic.text) in vectors for topic in topics):
        raise SetupError(f"The run lacks vectors of its outputs or of the topics by model {model!r}; fetch them first.")
    wanted = units(np.array([vectors[content_id(topic.text)] for topic in topics], dtype=np.float32))
    alike = units(np.array([vectors[keys[place]] for place in there], dtype=np.float32)) @ wanted.T
    numbers, nearest = (alike >= threshold).sum(axis=0), alike.argmax(axis=0)
    people = list(dict.fromkeys((a, t) for a, t in zip(sample.agents, sample.personas, strict=True) if a in vectors))
    near = units(np.array([vectors[agent] for agent, _ in people], dtype=np.float32)) @ wanted.T if people else None
    return Coverage(
        len(there),
        int((alike >= threshold).any(axis=1).sum()),
        [
            Reached(
                topic,
                int(numbers[n]),
                sample.emissions[there[int(nearest[n])]] if numbers[n] else None,
                () if numbers[n] or near is None else [people[int(p)] for p in np.argsort(-near[:, n])[:_NEAREST]],
            )
            for n, topic in enumerate(topics)
        ],
        model,
        threshold,
    )


def write_seeds(gaps: Iterable[Reached], path: Path) -> int:
    """Write a text for each topic as JSONL that `populace grow` reads; gives how many. Raises `SetupError`."""
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
    """Fields by how many of their topics were reached, and topics that were not, with the people nearest to them."""
    fields: dict[str, list[Reached]] = defaultdict(list)
    for one in found.topics:
        fields[one.topic.path[0]].append(one)
    rows = [
        (field, len(some), sum(bool(one.outputs) for one in some), sum(one.outputs for one in some), _most(some))
        for field, some in fields.items()
    ]
    headings = ("field", "topics", "reached", "outputs", "most on")
    kinds = ("VARCHAR", "BIGINT", "BIGINT", "BIGINT", "VARCHAR")
    reached = len(found.topics) - len(found.gaps)
    terms = "1 term" if found.threshold == 1 else f"{found.threshold:g} terms"
    by = terms if found.model is None else f"a cosine of {found.threshold:g} by {found.model}"
    title = f"{reached} of {len(found.topics)} topics were reached by {found.placed:,} of {found.outputs:,} outputs"
    yield Section(f"{title}, with at least {by}", headings, kinds, rows)
    if found.gaps:
        gaps = [(one.topic.title, "; ".join(short_label(t) for _, t in one.people) or "nobody") for one in found.gaps]
        told = f"The first {_MOST_GAPS} of {len(gaps)} topics" if len(gaps) > _MOST_GAPS else "Topics"
        nearest = ("topic", "people nearest")
        yield Section(f"{told} that no output reached", nearest, ("VARCHAR", "VARCHAR"), gaps[:_MOST_GAPS])


def _most(some: Sequence[Reached]) -> str:
    best = max(some, key=lambda one: one.outputs)
    return f"{' / '.join(best.topic.path[1:]) or best.topic.title} ({best.outputs:,})" if best.outputs else ""

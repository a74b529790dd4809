"""Taxonomies of topics: read from files of several forms, or the small one that ships."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import orjson

from ..personas.errors import SourceError
from ..personas.inputs import read_utf8, resolve_file, shown

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

"""The names and words of a world: what a sheet's names are resolved against, and the forms of words that are ruled out.

Names come from what the world file declares, from its text, and from the sheets that are kept.
"""

import random
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from populace.agents.checks import CheckContext, CheckResult, failed, is_within, passed, undecided, warned
from populace.core.errors import SetupError, SourceError
from populace.core.inputs import nearest
from populace.core.model import AnswerSchema, FrozenModel, strict_schema
from populace.core.prompt import fence, read_prompt
from populace.core.text import words
from populace.personas.rules.languages import sure_language

if TYPE_CHECKING:
    from populace.agents.actions import Action

_FOLDER = Path(__file__).with_name("worlds")
_FRONT = re.compile(r"\ufeff?\+\+\+[ \t]*\r?\n(.*?)\r?\n\+\+\+[ \t]*(?:\r?\n|$)", re.DOTALL)

type NameKind = Literal["person", "place", "people", "faction", "thing"]

#: Kinds of names that a sheet may make up where names must be of the world, if it does not say.
_NEW: tuple[NameKind, ...] = ("person", "thing")
_KINDS: tuple[NameKind, ...] = (*_NEW, "place", "people", "faction")

type _WorldPhrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class Canon(BaseModel):
    """What a world file declares; what it leaves out is open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    peoples: tuple[_WorldPhrase, ...] = ()
    places: tuple[_WorldPhrase, ...] = ()
    #: The roles that characters can have.
    classes: tuple[_WorldPhrase, ...] = ()
    persons: tuple[_WorldPhrase, ...] = ()
    factions: tuple[_WorldPhrase, ...] = ()
    #: Words for what there is not, in any of their forms; and words that are probably out of place.
    never: tuple[_WorldPhrase, ...] = ()
    doubtful: tuple[_WorldPhrase, ...] = ()
    #: Whether the names in a sheet must be of this world, apart from `new` ones.
    names: bool = False
    new: tuple[NameKind, ...] = ()
    #: As a BCP 47 tag; empty where it is told from the text.
    language: str = ""

    @model_validator(mode="after")
    def _default_new(self) -> Self:
        if "new" not in self.model_fields_set:
            object.__setattr__(self, "new", _NEW if self.names else _KINDS)
        return self


@dataclass(frozen=True, slots=True)
class WorldFile:
    """A world: its whole text as it stands in the file, and what it declares."""

    text: str
    canon: Canon

    @property
    def body(self) -> str:
        """The text without its front matter."""
        front = _FRONT.match(self.text)
        return self.text[front.end() :] if front else self.text


def shipped_worlds() -> dict[str, Path]:
    """The worlds that ship with Populace, by name."""
    return {path.stem.replace("_", "-"): path for path in sorted(_FOLDER.glob("*.md"))}


def find_world(name: str) -> Path:
    """The file of a world that ships, or the one at the path `name`. Raises `SetupError` when there is neither."""
    worlds = shipped_worlds()
    if name in worlds:
        return worlds[name]
    path = Path(name)
    if path.is_file():
        return path
    is_path = "/" in name or "\\" in name or path.suffix
    said = f"There is no world file {name!r}" if is_path else f"There is no world {name!r}{nearest(name, worlds)}"
    raise SetupError(f"{said}; give {' or '.join(worlds)}, or the path of a text file, as ./my_world.md.")


def read_world(path: Path) -> WorldFile:
    """The world in a text file. Raises `SourceError` for one without text, or whose front matter is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"The world file {str(path)!r} cannot be read as UTF-8 text ({error}).") from error
    front = _FRONT.match(text)
    opening, *others = (line.rstrip() for line in text.split("\n"))
    if opening == "+++" and "+++" not in others:
        raise SourceError(f"The front matter of {str(path)!r} has no end; close it with a line that is +++.")
    if not text[front.end() if front else 0 :].strip():
        raise SourceError(f"The world file {str(path)!r} holds no text; describe the world in it.")
    try:
        canon = Canon.model_validate(tomllib.loads(front[1]) if front else {})
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"The front matter of {str(path)!r} is not TOML ({error}).") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SourceError(
            f"The front matter of {str(path)!r} has {where!r} wrong ({first['msg'].lower()}); it may have "
            f"{', '.join(Canon.model_fields)}."
        ) from error
    return WorldFile(text, canon)


_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
#: Words that are part of names, and name nothing.
_ARTICLES = words(
    "the a an of and der die das des dem den ein eine von vom und le la les l de du des et el los las del y il lo gli "
    "i di da e o os as do dos das het een van en"
)


class Registry:
    """The names that a world knows."""

    def __init__(self, world: WorldFile, characters: Mapping[str, str] = MappingProxyType({})) -> None:
        """`characters` are those who have a sheet already: their names by persona."""
        canon = world.canon
        self._characters = {plain_name(name): persona for persona, name in characters.items()}
        self.language = canon.language or sure_language(world.body) or ""
        self._body = even_text(world.body)
        self._is_unspaced = len(_UNSPACED.findall(self._body)) * 2 > sum(map(str.isalpha, self._body))
        self._tokens = [(word, self._word_stem(word)) for word in _split_words(self._body)]
        self._lower = frozenset(stem for word, stem in self._tokens if not word[0].isupper())
        declared = (*canon.peoples, *canon.places, *canon.persons, *canon.factions, *canon.classes, canon.title)
        self._declared = {self._name_key(name) for name in (*declared, *characters.values()) if name}
        self._persons = {plain_name(name) for name in canon.persons}

    def knows(self, name: str) -> bool:
        """Whether the world has this name: as it stands, in another grammatical form, or as "the Ropers' guild"."""
        if self._is_unspaced:
            return even_text(name) in self._body or any(even_text(name) == "".join(key) for key in self._declared)
        key = self._name_key(name)
        return bool(key) and (self._is_declared(key) or self._stands_in_text(name) or self._is_variant(even_text(name)))

    def is_taken(self, name: str, persona: str) -> bool:
        """Whether somebody has this name whom the world mentions, or who has a sheet and is another persona."""
        if plain_name(name) in self._characters:
            return self._characters[plain_name(name)] != persona
        return plain_name(name) in self._persons or (
            len(_split_words(even_text(name))) != 1 and len(name) > 1 and self.knows(name)
        )

    def _name_key(self, name: str) -> tuple[str, ...]:
        if self._is_unspaced:
            return (even_text(name),)
        return tuple(
            self._word_stem(word) for word in _split_words(even_text(name)) if word.casefold() not in _ARTICLES
        )

    def _word_stem(self, word: str) -> str:
        word = word.casefold().strip("'").removesuffix("'s")
        if self.language not in ("", "en"):
            return word
        for ending, instead in (("ies", "y"), ("ves", "f"), ("men", "man"), ("sses", "ss"), ("s", "")):
            if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith(("ss", "us")):
                return word.removesuffix(ending) + instead
        return word

    def _is_same(self, one: str, other: str) -> bool:
        """Whether two words are forms of one: up to two letters at the end may differ where endings show the case."""
        if one == other or self.language in ("", "en"):
            return one == other
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
        return shared >= 3 and max(len(one), len(other)) - shared <= 2

    def _is_declared(self, key: tuple[str, ...]) -> bool:
        return any(len(key) == len(unit) and all(map(self._is_same, key, unit)) for unit in self._declared)

    def _stands_in_text(self, name: str) -> bool:
        """Whether the words stand in the text in a row, capitalised as in the name."""
        wanted = _split_words(even_text(name))
        while wanted and wanted[0].casefold() in _ARTICLES:
            wanted = wanted[1:]
        stems = [self._word_stem(word) for word in wanted]
        for at in range(len(self._tokens) - len(wanted) + 1):
            some = self._tokens[at : at + len(wanted)]
            if all(self._is_same(stem, there) for stem, (_, there) in zip(stems, some, strict=True)) and all(
                word[0].isupper() or not given[0].isupper() for given, (word, _) in zip(wanted, some, strict=True)
            ):
                return True
        return False

    def _is_variant(self, name: str) -> bool:
        """Whether it is a declared name and common nouns: "the Ropers' guild", "the guild of Ropers"."""
        if not re.search(r"'|\bof\b", name):
            return False
        key = set(self._name_key(name))
        return any(set(unit) <= key and key - set(unit) <= self._lower for unit in self._declared)


def even_text(text: str) -> str:
    """The text in one form: compatible characters, straight apostrophes, single spaces, hyphens as spaces."""
    text = unicodedata.normalize("NFKC", text).replace("’", "'").replace("ʼ", "'").replace("\u00ad", "")
    return " ".join(re.sub(r"[-\u2010-\u2015]", " ", text).split())


def plain_name(text: str) -> str:
    """The text in small letters without an article at its beginning, to compare names by."""
    parts = even_text(text).casefold().split(" ")
    return " ".join(parts[1:] if len(parts) > 1 and parts[0] in _ARTICLES else parts)


def _split_words(text: str) -> list[str]:
    return _WORD.findall(text)


#: Endings that a noun takes in its plural and its cases, in languages that have few of them.
_ENDINGS = "e|en|n|er|ern|s|es|ns|'s?|x|et|erne|ene|erna|ar|arna|or|orna"
#: In these the last letters of a word change with its case.
_DECLINED = frozenset(("ru", "uk", "pl", "cs", "bg", "sr", "hr", "sk", "it"))
#: Endings that make another word of an English one, which may be meant or not: telephoned, engineer.
_DERIVED = r"(?:d|r|rs|ed|er|ers|ing|ic|ical|ically|ist|ists|ry|ish|like|less)"


@cache
def word_forms(listed: tuple[str, ...], language: str) -> re.Pattern[str] | None:
    """A pattern for words and phrases in their plural and cases, as whole words; None for no words."""
    return _compile_forms([_word_forms_pattern(even_text(word), language) for word in listed])


@cache
def derived_words(listed: tuple[str, ...], language: str) -> re.Pattern[str] | None:
    """A pattern for words that begin with one of these and may be something else."""
    ending = _DERIVED if language in ("", "en") else r"[^\W\d_]{1,3}"
    return _compile_forms(
        [re.escape(even_text(word)) + ending for word in listed if len(word) > 4 and not _UNSPACED.search(word)]
    )


def _compile_forms(forms: Sequence[str]) -> re.Pattern[str] | None:
    longest = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(f"(?:{form})" for form in longest), re.IGNORECASE) if forms else None


def _word_forms_pattern(word: str, language: str) -> str:
    if _UNSPACED.search(word):
        return re.escape(word)
    *first, last = word.split(" ")
    before = "".join(f"{re.escape(one)} " for one in first)
    return rf"(?<!\w){before}{_inflected_pattern(last, language)}(?!\w)"


def _inflected_pattern(word: str, language: str) -> str:
    if language in _DECLINED and len(word) > 3:
        return re.escape(re.sub(r"[aeiouyаеиоуыэюяьйії]$", "", word)) + r"[^\W\d_]{0,3}"
    if language not in ("", "en"):
        umlaut = {"a": "[aä]", "o": "[oö]", "u": "[uü]"}
        return f"{''.join(umlaut.get(one, re.escape(one)) for one in word)}(?:{_ENDINGS})?"
    owned = "(?:'s?)?"
    for ending, forms in (("man", "m[ae]n"), ("fe", "(?:fe|fes|ves)"), ("f", "(?:f|fs|ves)")):
        if word.endswith(ending):
            return re.escape(word.removesuffix(ending)) + forms + owned
    if re.search(r"[^aeiou]y$", word):
        return re.escape(word[:-1]) + "(?:y|ies)" + owned
    return re.escape(word) + ("(?:es)?" if re.search(r"(?:s|x|z|ch|sh|o)$", word) else "s?") + owned


_PROMPT = read_prompt(Path(__file__).with_name("canon.v2.toml"))


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a sheet that does not fit its world, or may not."""

    field: str
    reason: str
    is_certain: bool = True


class KeepsToCanon:
    """Fails a sheet with a people, a place, a name or a word that its world rules out; warns where a rule is not sure.

    What is certain: values outside what the world declares, words that it rules out in any of their forms, and names
    of places, peoples and factions that the sheet declares and the world does not know.
    """

    name = "canon"
    version = 2
    revises = True

    def __init__(self, world: "WorldFile", registry: Registry | None = None) -> None:
        self._canon = world.canon
        self._registry = registry or Registry(world)
        language = self._registry.language
        self._never = word_forms(world.canon.never, language)
        self._doubtful = word_forms(world.canon.doubtful, language)
        self._derived = derived_words(world.canon.never, language)

    async def judge(self, action: "Action", context: CheckContext) -> CheckResult:
        """The result, with everything that is wrong, or else with everything that may be."""
        return self.review(action, context.observation.agent)

    def review(self, action: "Action", persona: str) -> CheckResult:
        """The result for the sheet of a persona."""
        found = list(self._iter_faults(action, persona))
        certain = [fault for fault in found if fault.is_certain]
        said = "; ".join(f"in {fault.field}: {fault.reason}" for fault in certain or found)
        if certain:
            return replace(failed(f"It does not fit the world: {said}."), field=certain[0].field)
        return replace(warned(f"It may not fit the world: {said}."), field=found[0].field) if found else passed()

    def _iter_faults(self, action: "Action", persona: str) -> Iterator[Fault]:
        sheet: Mapping[str, Any] = action.payload
        canon = self._canon
        for field, known in (("people", canon.peoples), ("place", canon.places), ("role", canon.classes)):
            if known and plain_name(sheet[field]) not in map(plain_name, known):
                yield Fault(field, f"{sheet[field]!r} is none of {', '.join(known)}")
        for field, text in action.texts:
            if not is_within(field, ("names",)):
                yield from self._word_faults(field, even_text(text))
        if self._registry.is_taken(sheet["name"], persona):
            yield Fault("name", f"{sheet['name']!r} is somebody who is there already")
        if canon.names:
            yield from self._name_faults(sheet)

    def _word_faults(self, field: str, text: str) -> Iterator[Fault]:
        if self._never is not None and (found := self._never.search(text)):
            yield Fault(field, f"there is no {found[0]!r} in this world")
            return
        for pattern in (self._doubtful, self._derived):
            if pattern is not None and (found := pattern.search(text)):
                yield Fault(field, f"{found[0]!r} may be out of place", is_certain=False)

    def _name_faults(self, sheet: Mapping[str, Any]) -> Iterator[Fault]:
        own = plain_name(sheet["name"]).split()
        for place, one in enumerate(sheet.get("names", ())):
            name, kind = one["name"], one["kind"]
            if set(plain_name(name).split()) <= set(own) or self._registry.knows(name):
                continue
            field = f"names[{place}]"
            if kind not in self._canon.new:
                yield Fault(field, f"the world has no {kind} {name!r}, and new ones cannot be made up")
            elif not one["is_new"]:
                yield Fault(field, f"the world does not mention the {kind} {name!r}", is_certain=False)


class CanonFinding(FrozenModel):
    """What a model finds of a sheet."""

    contradicts: Annotated[bool, Field(description="True when something in the sheet cannot be so in this world.")]
    field: Annotated[str, Field(max_length=80, description="The field in which it stands; empty where nothing is.")]
    reason: Annotated[str, Field(max_length=400, description="What it is, in one sentence; empty where nothing is.")]


class GradedCanon:
    """Asks the grader whether a sheet, in any of its fields, contradicts its world."""

    name = "canon_graded"
    version = 2
    revises = True

    async def judge(self, action: "Action", context: CheckContext) -> CheckResult:
        """The grader's result; undecided where it gives none."""
        told = "\n".join(f"{field}: {text}" for field, text in action.texts if not is_within(field, ("names",)))
        prompt = _PROMPT.render(world=fence("world", context.world), sheet=fence("sheet", told))
        schema = AnswerSchema(
            _PROMPT.name,
            strict_schema(CanonFinding.model_json_schema()),
            CanonFinding.model_validate,
            {_PROMPT.name: _find_nothing},
        )
        answer = await context.ask(prompt, schema)
        if answer.value is None:
            return undecided(f"The grader gave no answer ({answer.outcome}).")
        found = answer.value
        return failed(found.reason or "It contradicts the world.", field=found.field) if found.contradicts else passed()


def _find_nothing(rng: random.Random, situation: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The stand-in's judgement: it cannot read, and finds nothing."""
    return {"contradicts": False, "field": "", "reason": ""}

"""Text-to-Persona and Persona-to-Persona: who is likely to read a text, who is close to a persona? (section 2)."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from ..core.errors import SetupError
from ..core.model import (
    LONGEST,
    Answer,
    AnswerSchema,
    Description,
    FrozenModel,
    PersonaModel,
    RequestContext,
    parse_description,
    strict_schema,
)
from ..core.prompt import Prompt, fence, language_phrase, load_prompt
from ..core.text import canonical_text, words
from .persona import Persona, Relation, RelationKind

if TYPE_CHECKING:
    from .persona import Passage


#: The form of a description: prose, or named parts (paper, section 2.1).
type Form = Literal["plain", "structured"]

#: Selects all verbs of the paper.
_ANY = "any"
_ALL_VERBS = "read, write, like or dislike"
_LONGEST_VERB = 60
_LONGEST_PART = LONGEST // 6


class _Person(FrozenModel):
    persona: Description

    @property
    def text(self) -> str:
        return self.persona


class _People(FrozenModel):
    personas: list[_Person]


def _describe_part(what: str) -> Any:
    return Field(description=what, max_length=_LONGEST_PART)


_Part = Annotated[str, AfterValidator(parse_description)]


class _Sheet(FrozenModel):
    role: _Part = _describe_part("What the person is, with the field.")
    age: _Part = _describe_part("The person's age or stage of life, in words.")
    circumstances: _Part = _describe_part("Where and how the person lives or works.")
    knowledge: _Part = _describe_part("What the person knows or can do.")
    concern: _Part = _describe_part("What ties the person to the passage.")

    @property
    def text(self) -> str:
        return "; ".join(f"{name}: {str(value).rstrip(' .;')}" for name, value in self)


class _Sheets(FrozenModel):
    personas: list[_Sheet]


_FORMS: dict[Form, type[_People] | type[_Sheets]] = {"plain": _People, "structured": _Sheets}


async def text_to_persona(
    model: PersonaModel,
    passage: "Passage",
    *,
    verb: str = "read",
    granularity: str = "specific",
    count: int = 1,
    language: str = "en",
    form: Form = "plain",
    context: RequestContext,
) -> Answer[tuple[Persona, ...]]:
    """Ask for `count` people who are likely to `verb` the passage, described in `language` (a BCP 47 tag).

    Any verb is allowed; `any` means all of those in the paper. `granularity` is `broad`, `general`, `specific`,
    `very specific` or `detailed`. A `structured` description has named parts. Raises `SetupError` for an unknown
    granularity, an empty verb or a count below 1.
    """
    check_text_to_persona(verb=verb, granularity=granularity, count=count)
    prompt = load_prompt(__package__, "text_to_persona")
    request = prompt.render(
        verb=_ALL_VERBS if verb.strip() == _ANY else verb,
        granularity=prompt.find_phrase("granularity", granularity),
        form=prompt.find_phrase("form", form),
        count=str(count),
        language=language_phrase(prompt, language),
        angle=prompt.drawn("angle", context.seed),
        lead="" if form == "structured" else prompt.drawn("lead", context.seed),
        passage=fence("passage", passage.text),
    )
    schema = _persona_schema(passage, count, form, language=language, model=model.name, prompt=prompt)
    return await model.ask(request, schema, context)


def check_text_to_persona(*, verb: str, granularity: str, count: int) -> None:
    """Raise `SetupError` for an invalid verb, granularity or count."""
    if not verb.strip() or len(verb) > _LONGEST_VERB or not verb.isprintable():
        raise SetupError(f"The verb of Text-to-Persona is {verb!r}; give a word such as read, write, like or dislike.")
    if count < 1:
        raise SetupError(f"The number of people per passage must be 1 or more, but {count} was given.")
    load_prompt(__package__, "text_to_persona").find_phrase("granularity", granularity)


def _persona_schema(
    passage: "Passage", count: int, form: Form, *, language: str, model: str, prompt: Prompt
) -> AnswerSchema[tuple[Persona, ...]]:
    shared = Persona(
        "",
        origin="text",
        language=language,
        source=passage.source or passage.id,
        licence=passage.licence,
        model=model,
        prompt=f"{prompt.name}@{prompt.version}",
    )

    def check_people(answer: object) -> tuple[Persona, ...]:
        texts = [canonical_text(p.text) for p in _FORMS[form].model_validate(answer).personas]
        if len(texts) != count:
            raise ValueError(f"personas: give exactly {count}, not {len(texts)}")
        if len(set(texts)) < count:
            raise ValueError("personas: two descriptions are the same; describe different people")
        return tuple(replace(shared, text=text) for text in texts)

    return AnswerSchema("text_to_persona", _json_schema(count, form), check_people)


@cache
def _json_schema(count: int, form: Form) -> dict[str, Any]:
    schema = strict_schema(_FORMS[form].model_json_schema())
    schema["properties"]["personas"] |= {"minItems": count, "maxItems": count}
    return schema


_WORDS = "relation_words.toml"
_APART = re.compile(r"[^\w-]+|_")
#: Endings that are ignored when words are compared, the longest first.
_ENDINGS = ("ships", "ship", "hood", "ing", "ers", "ies", "er", "or", "al", "es", "s", "e", "y")
_SHORTEST = 3


def kind_of(word: str) -> RelationKind | None:
    """Return the kind that a word means, for example teaching for `mentoring`; None for an unknown word."""
    known = _known_kinds()
    return next((known[form] for form in _iter_forms(canonical_text(word).casefold()) if form in known), None)


def nearest_kind(word: str, label: str) -> RelationKind:
    """Return the kind that a model meant by `word`, else the kind of its `label`, else `other`.

    If several words match, the last one wins: a daughter's teacher is a teacher.
    """
    for said in (word, label):
        whole = kind_of(said)
        if whole is not None:
            return whole
        parts = reversed(_APART.split(said.removesuffix("'s")))
        found = next((kind for part in parts if (kind := kind_of(part)) is not None), None)
        if found is not None:
            return found
    return RelationKind.OTHER


def _iter_forms(word: str) -> Iterator[str]:
    """Yield the word, and its stems without one or two endings."""
    yield word
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _SHORTEST:
            yield from (stem, f"{stem}e", f"{stem}y")
            yield from (shorter for last in _ENDINGS if len(shorter := stem.removesuffix(last)) >= _SHORTEST)


@cache
def _known_kinds() -> Mapping[str, RelationKind]:
    table = tomllib.loads(files(__package__).joinpath(_WORDS).read_text(encoding="utf-8"))
    return {str(kind): kind for kind in RelationKind} | {
        word: RelationKind(kind) for kind, words in table.items() for word in words.split()
    }


#: The value of `who` for a new person.
_NEW = "new"
_LONGEST_LABEL = 80


@dataclass(frozen=True, slots=True)
class Relative:
    """A person in close relationship with a persona, and the relation."""

    relation: Relation
    persona: Persona
    #: Whether the persona is one of those offered.
    is_offered: bool = False
    #: Whether the kind of the relation was asked for.
    is_wanted: bool = True


def _parse_label(label: str) -> str:
    label = canonical_text(label)
    if not words(label) or len(label) > _LONGEST_LABEL or not label.isprintable():
        raise ValueError("a label is one to four words that say what the other is to the given person")
    return label


_RelationLabel = Annotated[
    str,
    AfterValidator(_parse_label),
    Field(description="What the other is to the given person, in 1 to 4 words.", max_length=_LONGEST_LABEL),
]


def _normalise_kind(tie: object) -> object:
    """Replace the answer's word for a kind by that kind; the label is unchanged."""
    if isinstance(tie, dict) and isinstance(word := tie.get("kind"), str) and isinstance(tie.get("label"), str):
        return tie | {"kind": nearest_kind(word, tie["label"])}
    return tie


class _Tie(FrozenModel):
    label: _RelationLabel
    kind: RelationKind
    persona: Description

    _kind = model_validator(mode="before")(_normalise_kind)

    @property
    def who(self) -> str:
        return _NEW


class _OfferedTie(FrozenModel):
    label: _RelationLabel
    kind: RelationKind
    who: Annotated[str, Field(description="The key of a known person, or new.")]
    #: None for a known person: what they are is known.
    persona: Description | None

    _kind = model_validator(mode="before")(_normalise_kind)


class _RelationsAnswer(FrozenModel):
    relations: list[_Tie]


class _OfferedRelationsAnswer(FrozenModel):
    relations: list[_OfferedTie]


async def persona_to_persona(
    model: PersonaModel,
    persona: Persona,
    *,
    count: int = 3,
    known: Sequence[Persona] = (),
    language: str = "en",
    kinds: Sequence[RelationKind] = (),
    low_visibility: bool = True,
    context: RequestContext,
) -> Answer[tuple[Relative, ...]]:
    """Ask for `count` people in close relationship with `persona`, described in `language` (a BCP 47 tag).

    People in `known` are offered, and an answer may name them instead of describing a new person. This closes circles.
    `kinds` restricts the kinds of relations. With `low_visibility` the prompt reminds the model of people about whom
    little is written, whom this step is for (paper, section 2.2). An unknown kind is replaced by the nearest known one.
    A relation of an unwanted kind is marked. An answer with no other relation, or one that describes `persona` itself,
    is a schema mismatch. Raises `SetupError` for a count below 1.
    """
    if count < 1:
        raise SetupError(f"The number of relations per persona must be 1 or more, but {count} was given.")
    prompt = load_prompt(__package__, "persona_to_persona")
    offered = {f"k{n}": other for n, other in enumerate((k for k in known if k.id != persona.id), start=1)}
    request = prompt.render(
        count=str(count),
        language=language_phrase(prompt, language),
        angle=prompt.drawn("angle", context.seed),
        persona=fence("persona", persona.text),
        known=fence("known", "\n".join(f"{key}: {canonical_text(other.text)}" for key, other in offered.items())),
        known_rule=prompt.find_phrase("known_rule", "offered" if offered else "none"),
        visibility=prompt.find_phrase("visibility", "low" if low_visibility else "any"),
        kinds=Template(prompt.find_phrase("kinds", "steered" if kinds else "free")).substitute(kinds=", ".join(kinds)),
    )
    parser = _AnswerParser(persona, model.name, prompt, language, context.number, tuple(kinds))
    return await model.ask(request, parser.schema(count, offered), context)


@dataclass(frozen=True, slots=True)
class _AnswerParser:
    """Parses an answer about `parent` into people and relations."""

    parent: Persona
    model: str
    prompt: Prompt
    language: str
    hop: int
    kinds: tuple[RelationKind, ...] = ()

    def schema(self, count: int, offered: Mapping[str, Persona]) -> AnswerSchema[tuple[Relative, ...]]:
        def check_relatives(answer: object) -> tuple[Relative, ...]:
            ties = _parse_relations(answer, with_keys=bool(offered))
            if len(ties) != count:
                raise ValueError(f"relations: give exactly {count}, not {len(ties)}")
            self._check_kinds(ties)
            return tuple(self._make_relative(tie, offered, f"relations.{n}") for n, tie in enumerate(ties))

        return AnswerSchema("persona_to_persona", _relations_schema(count, tuple(offered), self.kinds), check_relatives)

    def _make_relative(self, tie: _Tie | _OfferedTie, offered: Mapping[str, Persona], place: str) -> Relative:
        if tie.who != _NEW and tie.who not in offered:
            raise ValueError(f"{place}.who: {tie.who!r} is nobody's key; use one of {', '.join(offered)} or new")
        if tie.persona is None and tie.who == _NEW:
            raise ValueError(f"{place}.persona: describe the person, or set who to a key")
        other = offered.get(tie.who) or self._make_newcomer(tie.persona or "")
        if other.id == self.parent.id:
            raise ValueError(f"{place}.persona: this describes the given person; describe somebody else")
        relation = Relation(self.parent.id, other.id, tie.kind, tie.label, self.hop)
        return Relative(relation, other, tie.who in offered, is_wanted=not self.kinds or tie.kind in self.kinds)

    def _check_kinds(self, ties: Sequence[_Tie | _OfferedTie]) -> None:
        given = dict.fromkeys(tie.kind for tie in ties)
        if self.kinds and not set(given) & set(self.kinds):
            raise ValueError(
                f"relations: {', '.join(given)} are not asked for; give kinds out of {', '.join(self.kinds)}"
            )

    def _make_newcomer(self, text: str) -> Persona:
        return replace(
            self.parent,
            text=canonical_text(text),
            origin="persona",
            hop=self.parent.hop + 1,
            parent=self.parent.id,
            language=self.language,
            model=self.model,
            prompt=f"{self.prompt.name}@{self.prompt.version}",
        )


def _parse_relations(answer: object, *, with_keys: bool) -> Sequence[_Tie | _OfferedTie]:
    if with_keys:
        return _OfferedRelationsAnswer.model_validate(answer).relations
    return _RelationsAnswer.model_validate(answer).relations


@lru_cache(maxsize=256)
def _relations_schema(count: int, keys: tuple[str, ...], kinds: tuple[RelationKind, ...]) -> dict[str, Any]:
    schema = strict_schema((_OfferedRelationsAnswer if keys else _RelationsAnswer).model_json_schema())
    schema["properties"]["relations"] |= {"minItems": count, "maxItems": count}
    if keys:
        schema["$defs"]["_OfferedTie"]["properties"]["who"]["enum"] = [_NEW, *keys]
    if kinds:
        schema["$defs"]["RelationKind"]["enum"] = [str(kind) for kind in kinds]
    return schema

"""Persona-to-Persona: who is in close relationship with a persona? (paper, section 2.2)."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from string import Template
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from ..core.errors import SetupError
from ..core.model import Answer, AnswerSchema, Description, FrozenModel, PersonaModel, RequestContext, strict_schema
from ..core.prompt import Prompt, fence, language_phrase, load_prompt
from ..core.text import canonical_text, words
from .persona import Persona, Relation, RelationKind

_WORDS = "relation_words.toml"
_APART = re.compile(r"[^\w-]+|_")
#: Endings that are ignored when words are compared, the longest first.
_ENDINGS = ("ships", "ship", "hood", "ing", "ers", "ies", "er", "or", "al", "es", "s", "e", "y")
_SHORTEST = 3


def kind_of(word: str) -> RelationKind | None:
    """Return the kind that a word means, for example teaching for `mentoring`; None for an unknown word."""
    known = _known()
    return next((known[form] for form in _forms(canonical_text(word).casefold()) if form in known), None)


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


def _forms(word: str) -> Iterator[str]:
    """Yield the word, and its stems without one or two endings."""
    yield word
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _SHORTEST:
            yield from (stem, f"{stem}e", f"{stem}y")
            yield from (shorter for last in _ENDINGS if len(shorter := stem.removesuffix(last)) >= _SHORTEST)


@cache
def _known() -> Mapping[str, RelationKind]:
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


def _normalised(tie: object) -> object:
    """Replace the answer's word for a kind by that kind; the label is unchanged."""
    if isinstance(tie, dict) and isinstance(word := tie.get("kind"), str) and isinstance(tie.get("label"), str):
        return tie | {"kind": nearest_kind(word, tie["label"])}
    return tie


class _Tie(FrozenModel):
    label: _RelationLabel
    kind: RelationKind
    persona: Description

    _kind = model_validator(mode="before")(_normalised)

    @property
    def who(self) -> str:
        return _NEW


class _OfferedTie(FrozenModel):
    label: _RelationLabel
    kind: RelationKind
    who: Annotated[str, Field(description="The key of a known person, or new.")]
    #: None for a known person: what they are is known.
    persona: Description | None

    _kind = model_validator(mode="before")(_normalised)


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
        known_rule=prompt.phrase("known_rule", "offered" if offered else "none"),
        visibility=prompt.phrase("visibility", "low" if low_visibility else "any"),
        kinds=Template(prompt.phrase("kinds", "steered" if kinds else "free")).substitute(kinds=", ".join(kinds)),
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
        def relatives(answer: object) -> tuple[Relative, ...]:
            ties = _parse(answer, with_keys=bool(offered))
            if len(ties) != count:
                raise ValueError(f"relations: give exactly {count}, not {len(ties)}")
            self._check_kinds(ties)
            return tuple(self._relative(tie, offered, f"relations.{n}") for n, tie in enumerate(ties))

        return AnswerSchema("persona_to_persona", _json_schema(count, tuple(offered), self.kinds), relatives)

    def _relative(self, tie: _Tie | _OfferedTie, offered: Mapping[str, Persona], place: str) -> Relative:
        if tie.who != _NEW and tie.who not in offered:
            raise ValueError(f"{place}.who: {tie.who!r} is nobody's key; use one of {', '.join(offered)} or new")
        if tie.persona is None and tie.who == _NEW:
            raise ValueError(f"{place}.persona: describe the person, or set who to a key")
        other = offered.get(tie.who) or self._newcomer(tie.persona or "")
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

    def _newcomer(self, text: str) -> Persona:
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


def _parse(answer: object, *, with_keys: bool) -> Sequence[_Tie | _OfferedTie]:
    if with_keys:
        return _OfferedRelationsAnswer.model_validate(answer).relations
    return _RelationsAnswer.model_validate(answer).relations


@lru_cache(maxsize=256)
def _json_schema(count: int, keys: tuple[str, ...], kinds: tuple[RelationKind, ...]) -> dict[str, Any]:
    schema = strict_schema((_OfferedRelationsAnswer if keys else _RelationsAnswer).model_json_schema())
    schema["properties"]["relations"] |= {"minItems": count, "maxItems": count}
    if keys:
        schema["$defs"]["_OfferedTie"]["properties"]["who"]["enum"] = [_NEW, *keys]
    if kinds:
        schema["$defs"]["RelationKind"]["enum"] = [str(kind) for kind in kinds]
    return schema

"""Profiles: the fine-grained attributes of a person, inferred from the description, each with its evidence."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ..persona import Persona, canonical_text
from ..strict import strict_schema
from ..words import words as words_of
from .attributes import ATTRIBUTES, AnsweredProfile, Evidence, Known

__all__ = ["Attribute", "Profile", "parse_profile", "profile_schema"]

_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})


@dataclass(frozen=True, slots=True)
class Attribute:
    """What is known of one attribute, and what that rests on."""

    #: None when it is unknown.
    value: Any
    evidence: Evidence
    #: The words of the description it follows from; empty unless it is stated or implied.
    words: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one persona."""

    persona: str
    #: Every attribute by name.
    attributes: Mapping[str, Attribute]
    #: Who inferred it: the model, and the prompt as `name@version`.
    model: str
    prompt: str
    #: Whether assumptions were made unknown.
    only_evident: bool = False

    def value(self, name: str) -> Any:
        """The value of an attribute, or None when it is unknown. Raises `KeyError` for what is no attribute."""
        return self.attributes[name].value

    def evident(self) -> "Profile":
        """The same profile without assumptions: what was only assumed is unknown."""
        kept = {
            name: Attribute(None, Evidence.UNKNOWN) if a.evidence is Evidence.ASSUMED else a
            for name, a in self.attributes.items()
        }
        return replace(self, attributes=kept, only_evident=True)


def parse_profile(answer: object, persona: Persona, *, model: str, prompt: str) -> Profile:
    """The profile in a model's answer.

    Raises `ValueError`, one line a mistake, when the answer has another form, or when words that it calls evidence
    are not in the description.
    """
    answered = AnsweredProfile.model_validate(answer)
    if mistakes := "\n".join(_misquotations(answered, persona.text)):
        raise ValueError(mistakes)
    return Profile(persona.id, {name: _attribute(getattr(answered, name)) for name in ATTRIBUTES}, model, prompt)


@cache
def profile_schema() -> dict[str, Any]:
    """The strict JSON Schema of a profile."""
    return strict_schema(AnsweredProfile.model_json_schema())


def _attribute(known: Known[Any]) -> Attribute:
    # What stands behind nothing is no quotation, whatever was written there.
    return Attribute(known.value, known.evidence, canonical_text(known.words) if known.evidence.is_quoted else "")


def _misquotations(answered: AnsweredProfile, description: str) -> Iterator[str]:
    text = _folded(description)
    for name in ATTRIBUTES:
        known: Known[Any] = getattr(answered, name)
        if known.evidence.is_quoted and not (_says_something(known.words) and _folded(known.words) in text):
            yield (
                f"{name}.words: {known.words!r} is not in the description; copy the words exactly as they stand there, "
                f"or call the evidence assumed or unknown"
            )
    occupation = answered.occupation
    if occupation.evidence is Evidence.STATED and _folded(str(occupation.value)) not in text:
        yield f"occupation.value: {occupation.value!r} is called stated, but the description does not say it so"


def _says_something(quotation: str) -> bool:
    # One Latin letter is in every description; one Chinese character may be a word.
    return any(len(word) > 1 or not word.isascii() or word.isdigit() for word in words_of(quotation))


def _folded(text: str) -> str:
    return re.sub(r"[.,;:!?\s]+$", "", canonical_text(text).translate(_QUOTES).casefold())

"""The description of a person as a model may write it."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from .persona import canonical_text
from .words import words

__all__ = ["LONGEST", "Description", "parse_description"]

#: Most characters of a description: five times the longest that the paper shows.
LONGEST = 1_200

_UNWRITABLE = ("Cc", "Cs")


def parse_description(text: str) -> str:
    """The canonical text of a description. Raises `ValueError` for one that describes nobody."""
    text = canonical_text(text)
    if not words(text):
        raise ValueError("a description needs words; say in a sentence or two who the person is")
    if len(text) > LONGEST:
        raise ValueError(f"a description of {len(text)} characters is too long; use a sentence or two")
    if any(unicodedata.category(character) in _UNWRITABLE for character in text):
        raise ValueError("a description holds control characters or halves of characters; write plain text")
    return text


Description = Annotated[
    str,
    AfterValidator(parse_description),
    Field(description="One person, in the third person, starting with what that person is.", max_length=LONGEST),
]

"""What is written of a person in a picture."""

import re

from ..wording import markup, short_label

__all__ = ["name_of", "said"]

#: In a label of few words the age would push out what the person is.
_AGED = re.compile(r"^(?:an?|the)\s+(?:[\w-]+[- ]years?[- ]old|middle-aged)\s+(?=\w)", re.IGNORECASE)
#: Words that promise more, before an ellipsis.
_OPEN = re.compile(r"(?:\s+(?:an?|the|on|of|for|to|and|or|from|by|as|into|few|some|his|her|their))+\u2026$")
_LONGEST = 28


def name_of(text: str) -> str:
    """What a person is, in a few words of the description and without the age.

    >>> name_of("A thirty-one-year-old hotel porter who sleeps badly.")
    'hotel porter'
    """
    return _OPEN.sub("\u2026", short_label(_AGED.sub("", text), _LONGEST))


def said(text: str) -> str:
    """The text for markup, with something visible for what no XML file may hold, whatever a model wrote."""
    return markup(text)

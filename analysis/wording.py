"""Text as tables, charts and pages show it: shortened, and safe where it stands in markup."""

import re
from html import escape

from ..personas.text import legible

__all__ = ["clip", "markup", "short_label"]

_ARTICLE = re.compile(r"^(an?|the)\s+", re.IGNORECASE)
# Where a description turns from what the person is to what the person does.
_TURN = re.compile(
    r"\s+(?:who|whose|whom|that|which|in|with|at|just|close)\s|\s*[,;:.(\u2013\u2014]\s|[\u3001\u3002\uff0c\uff1b]"
)


def clip(text: str, length: int) -> str:
    """The text, or its first `length` characters and an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "\u2026"


def short_label(text: str, length: int = 42) -> str:
    """What a person is, in a few words of the description.

    >>> short_label("A night-shift baker who feeds the early trains.")
    'night-shift baker'
    """
    text = " ".join(text.split())
    label = _TURN.split(_ARTICLE.sub("", text), maxsplit=1)[0].strip(" .,;")
    return _clip_words(label or text, length)


def _clip_words(text: str, length: int) -> str:
    words, space, _ = text[:length].rpartition(" ")
    return words.rstrip() + "\u2026" if space and len(text) > length else clip(text, length)


def markup(text: str) -> str:
    """The text for HTML or SVG: escaped, and legible where it holds what these forbid."""
    return escape(legible(text))

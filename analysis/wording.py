"""Text as tables and charts show it: shortened, and safe where a chart would read markup."""

import re
import textwrap
import unicodedata
from html import escape

__all__ = ["chart_text", "clip", "hover_block", "short_label"]

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


def chart_text(text: str) -> str:
    """The text with what plotly would read as markup escaped: its labels take a part of HTML."""
    return escape(text, quote=False).replace("\n", " ")


def hover_block(text: str, width: int = 44) -> str:
    """The text for a hover label, in lines of about `width` columns (a Chinese character takes two)."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    lines = textwrap.wrap(text, width // 2 if wide > len(text) // 3 else width)
    return "<br>".join(chart_text(line) for line in lines)

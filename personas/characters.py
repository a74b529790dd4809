"""Characters that no page and no XML file may hold, and what is shown in their place."""

import re

__all__ = ["legible"]

# Control characters but for tab, line feed and carriage return; lone surrogates; and what Unicode calls noncharacters.
_ILLEGAL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)


def legible(text: str) -> str:
    r"""The text with a visible character for each one that HTML or XML forbids: a control picture, or U+FFFD.

    >>> legible("a NUL\x00, an escape\x1b, half a pair\ud800")
    'a NUL␀, an escape␛, half a pair�'
    """
    return _ILLEGAL.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    code = ord(found.group())
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"

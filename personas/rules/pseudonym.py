"""Invented names: the same for the same name in every text and every run, and another one for another name."""

import re
from functools import cache
from hashlib import blake2b
from string import ascii_uppercase

from .word_lists import read_words

__all__ = ["is_invented", "pseudonym"]

_INITIALS = tuple(ascii_uppercase)


def pseudonym(name: str) -> str:
    """An invented name, in Latin letters, for a name in any script; of one word for one of one word.

    There are some 3 * 10 ** 9, and 80,000 of one word: that any two of 10,000 names get the same has a chance of one
    in sixty.
    """
    folded = " ".join(name.casefold().split())
    number = int.from_bytes(blake2b(folded.encode(), digest_size=16).digest())
    picked = []
    for part in (*map(_parts, ("onsets", "middles", "lasts", "onsets", "firsts")), _INITIALS):
        number, place = divmod(number, len(part))
        picked.append(part[place])
    last = "".join(picked[:3])
    return f"{picked[3]}{picked[4]} {picked[5]}. {last}" if " " in folded or not folded.isascii() else last


def is_invented(name: str) -> bool:
    """Whether an invented name is among these words, so that they are no name to be found."""
    return any(_invented().fullmatch(word) for word in name.split())


@cache
def _invented() -> re.Pattern[str]:
    onset, first, middle, last = map(_any, ("onsets", "firsts", "middles", "lasts"))
    return re.compile(rf"{onset}(?:{first}|{middle}{last})")


def _any(name: str) -> str:
    return f"(?:{'|'.join(_parts(name))})"


@cache
def _parts(name: str) -> tuple[str, ...]:
    return tuple(read_words("pseudonym")[name].split())

"""The word lists that rules use, loaded on first use, and invented names made from them."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from string import ascii_uppercase
from typing import Any

_BARRED = str.maketrans({"đ": "d", "ł": "l", "ø": "o", "ı": "i", "ß": "ss", "æ": "ae"})
_LAST_LATIN = 0x24F


@cache
def read_words(name: str) -> Mapping[str, Any]:
    """The contents of the TOML file of this name, for example `names` for `names.toml`."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


@cache
def name_words() -> Mapping[str, Any]:
    """The lists of `names.toml` and `common.toml` as sets without accents; those of a script under its name."""
    lists = {**read_words("common"), **read_words("names")}
    return {name: _set(said) if isinstance(said, str) else _inner(said) for name, said in lists.items()}


def folded(word: str) -> str:
    """The word in lower case and without accents."""
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word.lower().translate(_BARRED))
    return "".join(character for character in plain if not unicodedata.combining(character))


def _inner(said: Mapping[str, str]) -> dict[str, frozenset[str]]:
    # Surnames of one character are listed without spaces.
    letters = {name: frozenset("".join(words.split())) for name, words in said.items() if name == "surnames"}
    return {name: _set(words) for name, words in said.items()} | letters


def _set(said: str) -> frozenset[str]:
    return frozenset(word if ord(word[0]) > _LAST_LATIN else folded(word) for word in said.split())


_INITIALS = tuple(ascii_uppercase)


def pseudonym(name: str) -> str:
    """An invented name in Latin letters for a name in any script; one word for one word.

    There are about 3 * 10 ** 9 of them, and 80,000 of one word. The chance that any two of 10,000 names get the same
    one is one in sixty.
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
    """Whether an invented name is among these words, which is then not personal data."""
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

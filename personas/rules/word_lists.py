"""The word lists that rules use, loaded on first use, and invented names by their parts."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
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


def is_invented(name: str) -> bool:
    """Whether an invented name is among these words, which is then not personal data."""
    return any(_invented().fullmatch(word) for word in name.split())


@cache
def _invented() -> re.Pattern[str]:
    onset, first, middle, last = map(_any, ("onsets", "firsts", "middles", "lasts"))
    return re.compile(rf"{onset}(?:{first}|{middle}{last})")


def _any(name: str) -> str:
    return f"(?:{'|'.join(invented_parts(name))})"


@cache
def invented_parts(name: str) -> tuple[str, ...]:
    """The parts of this kind that invented names are made of."""
    return tuple(read_words("pseudonym")[name].split())

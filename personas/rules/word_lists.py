"""The word lists that rules use, loaded on first use, and invented names by their parts."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_BARRED = str.maketrans({"đ": "d", "ł": "l", "ø": "o", "ı": "i", "ß": "ss", "æ": "ae"})
#: Combining marks for a character class: accents, and the vowel signs of Indic scripts and Thai.
MARKS = "".join(c for c in map(chr, range(0x300, 0x3100)) if unicodedata.category(c)[0] == "M")


@cache
def read_words(name: str) -> Mapping[str, Any]:
    """The contents of the TOML file of this name, for example `names` for `names.toml`."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


@cache
def name_words() -> Mapping[str, Any]:
    """Read the lists of `names.toml` and `common.toml` as sets without accents."""
    lists = {**read_words("common"), **read_words("names")}
    return {name: frozenset(map(folded, words.split())) for name, words in lists.items()}


def folded(word: str) -> str:
    """The word in lower case and without accents."""
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word.lower().translate(_BARRED))
    return "".join(character for character in plain if not unicodedata.combining(character))


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

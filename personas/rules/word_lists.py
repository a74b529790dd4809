"""The words that rules go by, as they stand in the files beside them."""

import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["folded", "name_words", "read_words"]

_BARRED = str.maketrans({"đ": "d", "ł": "l", "ø": "o", "ı": "i", "ß": "ss", "æ": "ae"})
_LAST_LATIN = 0x24F


@cache
def read_words(name: str) -> Mapping[str, Any]:
    """What stands in the file of this name, `names` for `names.toml`."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


@cache
def name_words() -> Mapping[str, Any]:
    """The lists of `names.toml` and `common.toml` as sets without accents, those of one script under its name."""
    lists = {**read_words("common"), **read_words("names")}
    return {name: _set(said) if isinstance(said, str) else _inner(said) for name, said in lists.items()}


def folded(word: str) -> str:
    """The word in lower case and without accents, as one who has no such keys would write it."""
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word.lower().translate(_BARRED))
    return "".join(character for character in plain if not unicodedata.combining(character))


def _inner(said: Mapping[str, str]) -> dict[str, frozenset[str]]:
    # Surnames of one letter stand without spaces between them.
    letters = {name: frozenset("".join(words.split())) for name, words in said.items() if name == "surnames"}
    return {name: _set(words) for name, words in said.items()} | letters


def _set(said: str) -> frozenset[str]:
    return frozenset(word if ord(word[0]) > _LAST_LATIN else folded(word) for word in said.split())

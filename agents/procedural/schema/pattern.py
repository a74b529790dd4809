"""Strings that match a regular expression.

Walks what Python's own parser makes of the expression. The generators on the package index (rstr, exrex)
know no limits of length, which JSON Schema puts beside patterns, and rstr walks the same tree.
"""

import random
import re
from functools import lru_cache
from importlib import import_module
from typing import Any

__all__ = ["matches", "string_like"]

# Private, but what the standard library compiles every expression with; typeshed does not list it.
_parser: Any = import_module("re._parser")

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_CATEGORIES = {
    "CATEGORY_DIGIT": _DIGITS,
    "CATEGORY_NOT_DIGIT": _LETTERS,
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_SPACE": _LETTERS + _DIGITS,
    "CATEGORY_WORD": _LETTERS + _DIGITS + "_",
    "CATEGORY_NOT_WORD": "-. ",
}
_PRINTABLE = [chr(c) for c in range(32, 127)]


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@lru_cache(maxsize=512)
def _tree(pattern: str) -> Any:
    return _parser.parse(pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is found anywhere in `text`, as JSON Schema means it."""
    return _compiled(pattern).search(text) is not None


def string_like(
    rng: random.Random, pattern: str, shortest: int, longest: int | None, *, tries: int = 200
) -> str | None:
    """A string of the asked-for length in which `pattern` is found, or None when `tries` draws met none.

    Raises `re.error` for an expression that Python cannot read.
    """
    tree = _tree(pattern)
    for attempt in range(tries):
        # Short repetitions; later none at all or long ones, where the lengths asked for leave nothing else.
        late = 0 if attempt % 2 else max(shortest, 4)
        reach = rng.randint(1, 4) if attempt < tries // 2 else late
        text = _Walk(rng, reach).sequence(tree)
        if len(text) < shortest:
            text += "".join(rng.choice(_LETTERS) for _ in range(shortest - len(text)))
        if (longest is None or len(text) <= longest) and matches(pattern, text):
            return text
    return None


class _Walk:
    """One way through an expression's tree."""

    def __init__(self, rng: random.Random, reach: int) -> None:
        self.rng = rng
        self.reach = reach
        self.groups: dict[int, str] = {}

    def sequence(self, nodes: Any) -> str:
        return "".join(self.node(str(op), argument) for op, argument in nodes)

    def node(self, op: str, argument: Any) -> str:
        match op:
            case "BRANCH":
                return self.sequence(self.rng.choice(argument[1]))
            case "SUBPATTERN":
                text = self.sequence(argument[3])
                if argument[0] is not None:
                    self.groups[argument[0]] = text
                return text
            case "GROUPREF":
                return self.groups.get(argument, "")
            case "GROUPREF_EXISTS":
                chosen = argument[1] if argument[0] in self.groups else argument[2]
                return self.sequence(chosen) if chosen else ""
            case "ATOMIC_GROUP":
                return self.sequence(argument)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self.repeated(*argument)
        return self.character(op, argument)

    def character(self, op: str, argument: Any) -> str:
        match op:
            case "LITERAL":
                return chr(argument)
            case "NOT_LITERAL":
                return self.rng.choice([c for c in _LETTERS if ord(c) != argument])
            case "ANY":
                return self.rng.choice(_LETTERS)
            case "IN":
                return self.rng.choice(_members(argument))
        # Anchors and assertions write nothing: whether they hold is checked at the end.
        return ""

    def repeated(self, least: int, most: Any, nodes: Any) -> str:
        ceiling = least + self.reach if not isinstance(most, int) else min(int(most), least + self.reach)
        return "".join(self.sequence(nodes) for _ in range(self.rng.randint(least, max(least, ceiling))))


def _members(argument: Any) -> list[str]:
    inside: list[str] = []
    negated = False
    for op, value in argument:
        match str(op):
            case "NEGATE":
                negated = True
            case "LITERAL":
                inside.append(chr(value))
            case "RANGE":
                inside.extend(map(chr, range(value[0], min(value[1], value[0] + 200) + 1)))
            case "CATEGORY":
                inside.extend(_CATEGORIES[str(value)])
    if not negated:
        return inside
    forbidden = set(inside)
    return [c for c in _PRINTABLE if c not in forbidden] or ["é"]

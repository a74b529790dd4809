"""Problems with known answers: worked examples with parameters, read from a data file.

A file of examples has texts with slots (`$name`), the values from which each parameter is drawn, and the answer as a
text with expressions (`${a + b}`). A text is recognised by the example that it comes from: the slots are read back, and
the answer is computed again. Expressions are exact arithmetic, see `evaluate`. Words of a problem (place, things,
names) are drawn from the person's field of work.
"""

import ast
import math
import random
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..actions import KnownSolution
from .lexicon import article, capitalise_sentences, data, split
from .situation import Portrait, portrait_of

type Values = Mapping[str, Any]

_SLOT = re.compile(r"\$(?:(\w+)|\{([^}]+)\})")
_NUMBER = r"-?\d{1,12}"
#: A word slot is a phrase without the end of a sentence.
_PHRASE = r"[^.?!;:。？！；：]{1,60}?"
_MOST_DRAWS = 10_000
_PRONOUN = re.compile(r"\b(?:she|hers?|he|his|him)\b")


def _format_decimal(value: Fraction | int) -> str:
    """Return an amount with as many decimals as it needs."""
    places = next((n for n in range(12) if 10**n % Fraction(value).denominator == 0), None)
    if places is None:
        raise ValueError(f"{value} has no finite decimal expansion; give it as a fraction.")
    return f"{float(value):.{places}f}"


def _join_words(words: Sequence[str]) -> str:
    """Return words as one phrase: "Ann, Bo and Cy"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs, "all": all, "any": any, "max": max, "min": min, "range": range, "sorted": sorted, "sum": sum,
    "comb": math.comb, "factorial": math.factorial, "gcd": math.gcd, "isqrt": math.isqrt, "lcm": math.lcm,
    "decimal": _format_decimal, "listed": _join_words,
    "index": lambda table, value: table.index(value),
    "distinct": lambda *values: len(set(values)) == len(values),
    "pad": lambda value: f"{value:02d}",
    "sign": lambda value: (value > 0) - (value < 0),
    "divide": Fraction,
}  # fmt: skip


class _ExactDivision(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Replace `a / b` by a fraction."""
        self.generic_visit(node)
        if not isinstance(node.op, ast.Div):
            return node
        return ast.Call(ast.Name("divide", ast.Load()), [node.left, node.right], [])


@lru_cache(maxsize=4096)
def _compile_expression(expression: str) -> CodeType:
    tree = ast.parse(expression.strip(), mode="eval")
    return compile(ast.fix_missing_locations(_ExactDivision().visit(tree)), "expression", "eval")


def evaluate(expression: str, values: Values) -> Any:
    """Compute an expression of a file of examples exactly."""
    return eval(_compile_expression(expression), {"__builtins__": {}, **_FUNCTIONS, **values})  # noqa: S307 - as much code as ours


def fill(text: str, values: Values) -> str:
    """Replace slots by values, and `${...}` by the result of its expression."""
    return _SLOT.sub(lambda slot: str(values[slot[1]] if slot[1] else evaluate(slot[2], values)), text)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem, with what its author thinks and its answer."""

    focus: str
    topic: str
    plan: str
    text: str
    steps: str
    answer: str

    def worked(self) -> Mapping[str, str]:
        """Return the fields of a problem whose author plans and checks it."""
        check = f"{self.steps}\nThis gives {self.answer}."
        return {"plan": self.plan, "text": self.text, "check": check, "answer": self.answer}


class Example(BaseModel):
    """One worked example: texts with slots, values of its parameters, and the answer that follows from them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    focus: str
    topic: str = ""
    #: Those it suits; empty for any.
    difficulty: tuple[str, ...] = ()
    language: str = "en"
    #: Which sentences may stand before it.
    lead: str = "story"
    text: tuple[str, ...]
    #: The values from which each parameter is drawn.
    draw: Mapping[str, tuple[int | str, ...]] = {}
    #: Numbers of the text that are computed from drawn ones.
    show: Mapping[str, str] = {}
    #: Values that are computed from those of the text.
    let: Mapping[str, str] = {}
    #: What values must satisfy; others are drawn again.
    where: str = "1"
    answer: str
    check: str

    def derive_values(self, known: Values) -> Values:
        """Add the values that follow from those of the text."""
        values = dict(known)
        for name, expression in self.let.items():
            values[name] = evaluate(expression, values)
        return values

    def draw_values(self, rng: random.Random, known: Values) -> Values:
        """Draw parameters that satisfy `where`, in addition to what is known. Raises `ValueError` if none are found."""
        for _ in range(_MOST_DRAWS):
            drawn = {**known, **{name: rng.choice(values) for name, values in self.draw.items()}}
            values = self.derive_values(
                {**drawn, **{name: evaluate(shown, drawn) for name, shown in self.show.items()}}
            )
            if evaluate(self.where, values):
                return values
        raise ValueError(f"The example {self.text[0]!r:.60} has no values that satisfy {self.where!r}; widen 'draw'.")

    def read(self, text: str) -> Values | None:
        """Read the slots of a text that ends with this example. Return None for other texts."""
        for anchor, pattern in self._text_patterns:
            if anchor in text and (found := pattern.search(text)):
                values = {name: self._slot_value(name, word) for name, word in found.groupdict().items()}
                # Numbers that nobody drew are of somebody else's text, and may take for ever to compute with.
                if all(value in self.draw.get(name, (value,)) for name, value in values.items()):
                    return values
        return None

    def _slot_value(self, name: str, word: str) -> int | str:
        if re.fullmatch(_NUMBER, word):
            return int(word)
        return next((one for one in self.draw.get(name, ()) if str(one).lower() == word.lower()), word)

    @cached_property
    def _text_patterns(self) -> Sequence[tuple[str, re.Pattern[str]]]:
        """For each text: its longest literal, and its pattern."""
        return [self._text_pattern(text) for text in self.text]

    def _text_pattern(self, text: str) -> tuple[str, re.Pattern[str]]:
        parts = _SLOT.split(text)
        pattern = re.escape(parts[0])
        names = set[str]()
        for bare, braced, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            name = bare or braced
            pattern += f"(?P={name})" if name in names else f"(?P<{name}>{self._slot_pattern(name)})"
            pattern += re.escape(literal)
            names.add(name)
        # The first letter of a sentence may have become a capital.
        anchor = max((one for part in parts[::3] for one in re.split(r"[.?!:] \w?", part[1:])), key=len)
        return anchor, re.compile(rf"(?<![^\s。：]){pattern}\Z", re.IGNORECASE)

    def _slot_pattern(self, name: str) -> str:
        values = self.draw.get(name, ())
        if name in self.show or (values and all(isinstance(value, int) for value in values)):
            return _NUMBER
        return "|".join(re.escape(str(value)) for value in sorted(values, key=str, reverse=True)) or _PHRASE


class ProblemLibrary:
    """The worked examples of one file, which makes problems of them and knows their answers."""

    def __init__(self, path: Path) -> None:
        """Take the file at `path`, which is read on first use."""
        self._path = path

    @cached_property
    def _read_content(self) -> Mapping[str, Any]:
        """The file's `[leads]`, `plan`, `[tables]`, `[words.LANGUAGE]` and `[[examples]]`."""
        return {"plan": "", "tables": {}, "words": {}, **tomllib.loads(self._path.read_text(encoding="utf-8"))}

    @property
    def tables(self) -> Values:
        """The values that every expression of the file may name."""
        found: Values = self._read_content["tables"]
        return found

    @cached_property
    def examples(self) -> Sequence[Example]:
        """The examples; names in `draw` may stand together, and values may be an expression."""
        found = []
        for one in self._read_content["examples"]:
            draw = {
                name: tuple(evaluate(values, self.tables) if isinstance(values, str) else values)
                for names, values in one.get("draw", {}).items()
                for name in names.split()
            }
            found.append(Example.model_validate({**one, "draw": draw}))
        return found

    def make(
        self,
        rng: random.Random,
        persona: str,
        *,
        focus: str = "",
        difficulty: str = "any",
        language: str = "en",
        lead: str | None = None,
    ) -> Problem:
        """Make a problem for a persona. Ignore a focus or difficulty that no example has."""
        among = [one for one in self.examples if one.language == language]
        among = [one for one in among if one.focus == focus.strip().lower()] or among
        among = [one for one in among if not one.difficulty or difficulty in one.difficulty] or among
        branch = rng.choice(sorted({one.focus for one in among}))
        example = rng.choice([one for one in among if one.focus == branch])
        scene = draw_scene(rng, portrait_of(persona or "A person."), self._read_content["words"].get(language))
        values = example.draw_values(rng, {**self.tables, **scene})
        # A lead may need words that the scene of a person without a trade does not have.
        wanted, usual = (
            [one for one in self._read_content["leads"][kind] if _find_slots(one) <= scene.keys()]
            for kind in (lead or example.lead, example.lead)
        )
        before = fill(rng.choice(wanted or usual), scene)
        # Chinese has no blank behind the end of a sentence.
        space = " " if before.isascii() or before[-1].isascii() else ""
        text = capitalise_sentences(f"{before}{space}{fill(rng.choice(example.text), values)}".strip())
        steps, answer = fill(example.check, values), fill(example.answer, values)
        plan = fill(self._read_content["plan"], {**values, "topic": example.topic, "answer": answer})
        return Problem(example.focus, example.topic, plan, text, steps, answer)

    def solve(self, text: str) -> KnownSolution | None:
        """Return the solution of a problem of these examples, or None for any other text."""
        for example in self.examples:
            if (read := example.read(text)) is not None:
                values = example.derive_values({**self.tables, **read})
                return KnownSolution(fill(example.check, values), fill(example.answer, values))
        return None


def _find_slots(text: str) -> set[str]:
    return {slot[1] for slot in _SLOT.finditer(text)}


def draw_scene(rng: random.Random, portrait: Portrait, words: Mapping[str, Any] | None = None) -> Mapping[str, str]:
    """Draw the words of one problem: names, place and things.

    `words` are those of a language other than English.
    """
    if words is not None:
        who, other = rng.sample(split(words["names"]), 2)
        return {"who": who, "other": other, "place": rng.choice(split(words["places"][portrait.role.field]))}
    scenes = data("scenes")
    field = scenes["fields"][portrait.role.field]
    women, men = split(scenes["women"]), split(scenes["men"])
    who = rng.choice({"f": women, "m": men}.get(_find_gender(portrait), (*women, *men)))
    others = rng.sample([name for name in (*women, *men) if name != who], 5)
    box = rng.choice(split(field["boxes"]))
    scene = {
        "who": who,
        **dict(zip(("other", "third", "fourth", "fifth", "sixth"), others, strict=True)),
        "place": rng.choice(split(field["places"])),
        "items": rng.choice(split(field["items"])),
        "box": box,
        "boxes": f"{box}es" if box.endswith("x") else f"{box}s",
        "money": rng.choice(split(scenes["money"])),
        "day": rng.choice(split(scenes["days"])),
    }
    # Only of a person whose description names a trade.
    if portrait.noun.split()[-1] == portrait.role.name.split()[-1]:
        scene |= {"a_noun": article(portrait.noun), "thing": rng.choice(portrait.role.things)}
    return scene


def _find_gender(portrait: Portrait) -> str:
    """Return `f` or `m` by the role or by the pronouns of the description, or an empty text if neither tells."""
    if portrait.role.gender in ("f", "m"):
        return portrait.role.gender
    pronoun = _PRONOUN.search(portrait.text)
    return "" if pronoun is None else "f" if pronoun[0].startswith(("she", "her")) else "m"

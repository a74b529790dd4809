"""The stand-in as a solver: it knows the solutions of its own problems and is right at the rate that it is given."""

import random
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ...personas.model import AnswerGenerator
from ..actions import KnownSolution
from .situation import Situation

#: What it says of a problem that it did not make.
KNOWS_NONE = "This is the built-in generator, not a language model: it knows the solutions of its own problems only."

_OTHER_WORDS = {
    "yes": "no", "no": "yes", "true": "false", "false": "true", "odd": "even", "even": "odd", "left": "right",
    "right": "left", "north": "south", "south": "north", "east": "west", "west": "east",
    "是": "不是", "不是": "是", "不会": "会", "不能": "能", "不可以": "可以", "不行": "行", "不用": "要",
    "不应该": "应该",
}  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def solving(known: KnownSolution | None) -> AnswerGenerator:
    """Return the generator of solutions of one problem. Its solution is known, or None.

    The right answer comes with the probability `Situation.accuracy`, drawn from the request. Otherwise a wrong one
    comes.
    """

    def generate(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        is_program = "program" in schema.get("properties", {})
        if known is None:
            return {"program": f"# {KNOWS_NONE}\n"} if is_program else {"solution": KNOWS_NONE, "answer": ""}
        is_right = rng.random() < situation.accuracy
        answer = known.answer if is_right else wrong_answer(known.answer, rng)
        if is_program:
            printed = f"print({answer!r})\n"
            return {"program": known.program if is_right and known.program else printed}
        if _CHINESE.search(known.steps):
            steps = known.steps if is_right else "这是心算的，没有检查过。"
            return {"solution": f"{steps}所以答案是：{answer}。", "answer": answer}
        steps = known.steps.rstrip() if is_right else "This is worked out in the head, and not checked."
        return {"solution": f"{steps} So the answer is: {answer.rstrip('.')}.", "answer": answer}

    return generate


def wrong_answer(answer: str, rng: random.Random) -> str:
    """Return a wrong answer of the same kind."""
    text = answer.strip()
    if (other := _OTHER_WORDS.get(text.casefold())) is not None:
        return other.capitalize() if text[:1].isupper() else other
    if len(text) == 1 and text.upper() in "ABCDE":
        return rng.choice([letter for letter in "ABCDE" if letter != text.upper()])
    if text.capitalize() in _DAYS:
        return rng.choice([day for day in _DAYS if day != text.capitalize()])
    numbers = list(_NUMBER.finditer(text))
    if numbers:
        # Of a fraction it is the numerator: any other one makes another number.
        slip = numbers[0] if "/" in text or "\\frac" in text else rng.choice(numbers)
        return f"{text[: slip.start()]}{_slipped(slip[0], rng)}{text[slip.end() :]}"
    return "从题目里看不出来" if _CHINESE.search(text) else "It cannot be told from what is given"


def _slipped(number: str, rng: random.Random) -> str:
    """Return another number, as a slip would give it."""
    places = len(number.partition(".")[2])
    value = Fraction(number)
    step = Fraction(1, 10**places)
    slipped = rng.choice(
        [value + step, value - step, value + 10 * step, 2 * value + step if value > 0 else value + 3 * step]
    )
    return f"{float(slipped):.{places}f}" if places else str(slipped)

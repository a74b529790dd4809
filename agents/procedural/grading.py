"""The stand-in as a grader: labels by a simple rule, given at the rate that it is told.

The rule looks at a text alone: how many words it has (15 to 200 are best), how many to a sentence (6 to 24) and how
many different ones; each criterion takes off a share of its own, drawn from the text. So a text has one grade, however
often it is asked for, and the rule knows nothing of what the text says. With `procedural:accuracy=RATE` the label of
the rule comes at this rate, and any other label else: graders of known agreement.
"""

import random
import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from ...personas.model import AnswerGenerator
from ...personas.persona import word_list
from ..rubric import Criterion, Rubric
from .situation import Situation

_SENTENCES = re.compile(r"[.!?。！？]+(?:\s|$)")
#: The most that a criterion takes off what the text as a whole is worth.
_MOST_OFF = 0.8
#: The difference below which neither of two texts is better.
_TIE = 0.02


def text_quality(text: str) -> float:
    """What the rule makes of a text, 0 to 1."""
    words = word_list(text)
    if not words:
        return 0.0
    each = len(words) / max(1, len(_SENTENCES.findall(text.strip() + " ")))
    parts = (
        _within(len(words), 15, 200),
        _within(each, 6, 24),
        min(1.0, 1.25 * len(set(words)) / len(words) ** 0.9),
    )
    return sum(parts) / len(parts)


def _within(number: float, low: float, high: float) -> float:
    """1 within the bounds, and less the further away the number is."""
    return min(1.0, number / low, high / number)


def rule_label(text: str, criterion: Criterion) -> str:
    """The label that the rule gives a text by a criterion."""
    quality = text_quality(text) * (1 - _MOST_OFF * _drawn(f"{criterion.name}\n{text}"))
    return criterion.labels[min(int(quality * len(criterion.scale)), len(criterion.scale) - 1)]


def _drawn(text: str) -> float:
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest()) / 2**48


def grading(rubric: Rubric, text: str) -> AnswerGenerator:
    """The generator of the grades of one text."""

    def generate(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        found = {}
        for one in rubric.criteria:
            label = rule_label(text, one)
            if rng.random() >= situation.accuracy:
                label = rng.choice([other for other in one.labels if other != label])
            found[one.name] = {"reason": _reason(text), "label": label}
        return found

    return generate


def comparing(first: str, second: str) -> AnswerGenerator:
    """The generator of the comparison of two texts: by the rule at the rate of the situation, else the other one."""

    def generate(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        difference = text_quality(first) - text_quality(second)
        better = "tie" if abs(difference) < _TIE else "first" if difference > 0 else "second"
        if rng.random() >= situation.accuracy:
            better = rng.choice([other for other in ("first", "second", "tie") if other != better])
        return {"reason": _reason(first), "better": better}

    return generate


def _reason(text: str) -> str:
    words = len(word_list(text))
    return f"The stand-in, which is no language model, counts words and sentences: {words} words."

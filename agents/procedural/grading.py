"""The stand-in as a grader: labels drawn from the text, right at the rate that it is given.

A text has one quality, drawn from its words: over many texts it is spread evenly from 0 to 1, whatever they say and
however long they are. Each criterion has the label at this place of its scale, rounded up or down by a draw of its own,
so that the scores of evenly spaced labels are the quality on average: about half of all texts have a grade of 0.5 or
more, and a threshold T rejects a share of about T. A text without words has quality 0. The same text is graded alike
however often it is asked for. With `procedural:accuracy=RATE` the label so drawn comes at this rate, and any other one
else: graders of known agreement.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from ...personas.model import AnswerGenerator
from ...personas.persona import word_list
from ..rubric import Criterion, Rubric
from .situation import Situation

#: The difference below which neither of two texts is better.
_TIE = 0.02
#: Letters from which a word says what a text is about.
_LONG = 6


def text_quality(text: str) -> float:
    """Return the quality of a text, 0 to 1, drawn from its words. It is 0 if the text has none."""
    words = word_list(text)
    return _drawn(" ".join(words)) if words else 0.0


def rule_label(text: str, criterion: Criterion) -> str:
    """Return the label of a text by a criterion."""
    place = text_quality(text) * (len(criterion.scale) - 1)
    return criterion.labels[int(place + _drawn(f"{criterion.name}\n{text}"))]


def _drawn(text: str) -> float:
    """Return a number from 0 up to but excluding 1, drawn from the text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest()) / 2**48


def _at_rate[T](rng: random.Random, situation: Situation, right: T, options: Iterable[T]) -> T:
    """Return the right option at the rate of the situation, or else another one of the options."""
    return right if rng.random() < situation.accuracy else rng.choice([one for one in options if one != right])


def grading(rubric: Rubric, text: str) -> AnswerGenerator:
    """Return the generator of the grades of one text."""

    def generate(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        found = {}
        for one in rubric.criteria:
            label = _at_rate(rng, situation, rule_label(text, one), one.labels)
            found[one.name] = {"reason": _reason(text), "label": label}
        return found

    return generate


def identifying(personas: Sequence[str], text: str) -> AnswerGenerator:
    """Return the generator of a choice in a line-up: the persona that shares most long words with the text."""

    def generate(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        shared = [len(_long_words(one) & _long_words(text)) for one in personas]
        person = rng.choice([number for number, count in enumerate(shared, start=1) if count == max(shared)])
        person = _at_rate(rng, situation, person, range(1, len(personas) + 1))
        reason = f"The built-in generator, not a language model, counted {shared[person - 1]} words that both share."
        return {"reason": reason, "person": person}

    return generate


def _long_words(text: str) -> frozenset[str]:
    return frozenset(word for word in word_list(text) if len(word) >= _LONG)


def comparing(first: str, second: str) -> AnswerGenerator:
    """Return the generator of the comparison of two texts.

    It follows the rule at the rate of the situation, and else gives another answer.
    """

    def generate(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        difference = text_quality(first) - text_quality(second)
        better = "tie" if abs(difference) < _TIE else "first" if difference > 0 else "second"
        better = _at_rate(rng, situation, better, ("first", "second", "tie"))
        return {"reason": _reasons(first, second), "better": better}

    return generate


def _reason(text: str) -> str:
    return f"The built-in generator, not a language model, drew the quality {text_quality(text):.2f} for this text."


def _reasons(first: str, second: str) -> str:
    drawn = f"{text_quality(first):.2f} and {text_quality(second):.2f}"
    return f"The built-in generator, not a language model, drew the qualities {drawn} for these texts."

"""The stand-in as a solver: it knows the solutions of its own problems and is right at the rate that it is given."""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from math import fsum
from statistics import NormalDist
from typing import Any, Final

from ...core.model import AnswerGenerator
from ...core.text import word_list, words
from ..actions import KnownSolution
from ..rubric import Criterion, Rubric
from .lexicon import article
from .situation import Situation, portrait_of, stable_number
from .speech import Speaker

#: What it says of a problem that it did not make.
KNOWS_NONE = "This is the built-in generator, not a language model: it knows the solutions of its own problems only."

_OTHER_WORDS = {
    "yes": "no", "no": "yes", "true": "false", "false": "true", "是": "不是", "不是": "是", "不会": "会", "不能": "能",
}  # fmt: skip
_CHINESE = re.compile("[\u4e00-\u9fff]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def make_solutions(known: KnownSolution | None) -> AnswerGenerator:
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
        return other
    numbers = list(_NUMBER.finditer(text))
    if numbers:
        # Of a fraction it is the numerator: any other one makes another number.
        slip = numbers[0] if "/" in text or "\\frac" in text else rng.choice(numbers)
        return f"{text[: slip.start()]}{_slip_number(slip[0], rng)}{text[slip.end() :]}"
    return "从题目里看不出来" if _CHINESE.search(text) else "It cannot be told from what is given"


def _slip_number(number: str, rng: random.Random) -> str:
    """Return another number, as a slip would give it."""
    places = len(number.partition(".")[2])
    value = Fraction(number)
    step = Fraction(1, 10**places)
    slipped = rng.choice(
        [value + step, value - step, value + 10 * step, 2 * value + step if value > 0 else value + 3 * step]
    )
    return f"{float(slipped):.{places}f}" if places else str(slipped)


#: The difference below which neither of two texts is better.
_TIE = 0.02
#: Letters from which a word says what a text is about.
_LONG = 6


def text_quality(text: str) -> float:
    """Return the quality of a text, 0 to 1, drawn from its words. It is 0 if the text has none."""
    words = word_list(text)
    return _draw_number(" ".join(words)) if words else 0.0


def rule_label(text: str, criterion: Criterion) -> str:
    """Return the label of a text by a criterion."""
    place = text_quality(text) * (len(criterion.scale) - 1)
    return criterion.labels[int(place + _draw_number(f"{criterion.name}\n{text}"))]


def _draw_number(text: str) -> float:
    """Return a number from 0 up to but excluding 1, drawn from the text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest()) / 2**48


def _at_rate[T](rng: random.Random, situation: Situation, right: T, options: Iterable[T]) -> T:
    """Return the right option at the rate of the situation, or else another one of the options."""
    return right if rng.random() < situation.accuracy else rng.choice([one for one in options if one != right])


def make_grades(rubric: Rubric, text: str) -> AnswerGenerator:
    """Return the generator of the grades of one text."""

    def generate(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        found = {}
        for one in rubric.criteria:
            label = _at_rate(rng, situation, rule_label(text, one), one.labels)
            found[one.name] = {"reason": _grade_reason(text), "label": label}
        return found

    return generate


def make_choice(personas: Sequence[str], text: str) -> AnswerGenerator:
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


def make_comparison(first: str, second: str) -> AnswerGenerator:
    """Return the generator of the comparison of two texts.

    It follows the rule at the rate of the situation, and else gives another answer.
    """

    def generate(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        difference = text_quality(first) - text_quality(second)
        better = "tie" if abs(difference) < _TIE else "first" if difference > 0 else "second"
        better = _at_rate(rng, situation, better, ("first", "second", "tie"))
        return {"reason": _comparison_reason(first, second), "better": better}

    return generate


def _grade_reason(text: str) -> str:
    return f"The built-in generator, not a language model, drew the quality {text_quality(text):.2f} for this text."


def _comparison_reason(first: str, second: str) -> str:
    drawn = f"{text_quality(first):.2f} and {text_quality(second):.2f}"
    return f"The built-in generator, not a language model, drew the qualities {drawn} for these texts."


#: The answer of a respondent who does not know, to items that allow it.
DONT_KNOW: Final = "don't know"

_NORMAL = NormalDist()
_QUESTION = re.compile(r"^([A-Za-z][A-Za-z0-9_]{0,63}): (.*)$", re.MULTILINE)
#: Letters from which a word says what a text is about.
_CONTENT = 6
#: How much of an answer comes from the person, from person and question, from the question, and from the request.
_LEANING, _OWN, _POPULAR, _ANEW = 0.5, 0.7, 0.4, 0.2
#: How much more decided somebody is whom the question concerns, and how far news and memories move an answer.
_CONCERNED, _MOVED, _REMINDED = 1.5, 0.6, 0.4
#: Share of those who do not know, where that is allowed: of grown people, and of children.
_UNSURE, _UNSURE_CHILD = 0.06, 0.25
#: Below 1, answers lie nearer to the middle of a scale than to its ends.
_SPREAD = 0.8


def survey(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a value for each item of the survey. Free text is left to the built-in generator's default."""
    questions = dict(_QUESTION.findall(situation.sections.get("questions", "")))
    found = {
        name: _answer_item(rng, situation, questions.get(name, name), part)
        for name, part in schema.get("properties", {}).items()
    }
    return {name: value for name, value in found.items() if value is not None}


def interview(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer in the persona's own words, with the note that is nearest to the question."""
    speaker = Speaker(rng, situation)
    asked = _content_words(" ".join(situation.sections.get("question", "").split()))
    likeness = [len(_content_words(note) & asked) for note in situation.memory]
    nearest = [note for note, like in zip(situation.memory, likeness, strict=True) if like == max(likeness)]
    said = [f"I am {article(speaker.me.noun)}.", speaker.new("own", "any")]
    if nearest:
        said.append(f"What I remember is this: {rng.choice(nearest)}")
    return {"answer": " ".join(said)}


def _answer_item(rng: random.Random, situation: Situation, question: str, part: Mapping[str, Any]) -> Any:
    own = part.get("anyOf", [part])[0]
    if DONT_KNOW in own.get("enum", ()) or "anyOf" in part:
        share = _UNSURE_CHILD if portrait_of(situation.persona).stage == "child" else _UNSURE
        if _draw_uniform("unsure", situation.persona, question) < share:
            return DONT_KNOW
    match own.get("type"):
        case "array":
            ranked = _rank_options(rng, situation, question, own.get("items", {}).get("enum", ()))
            return ranked[: own.get("maxItems", len(ranked))]
        case "string":
            known = [one for one in own.get("enum", ()) if one != DONT_KNOW]
            return _rank_options(rng, situation, question, known)[0] if known else None
        case "integer" | "number":
            at = _NORMAL.cdf(_SPREAD * _draw_leaning(rng, situation, question))
            low, high = own.get("minimum", 0), own.get("maximum", 1)
            if own["type"] == "number":
                return round(low + at * (high - low), 2)
            return low + min(int(at * (high - low + 1)), high - low)
    return None


def _draw_leaning(rng: random.Random, situation: Situation, question: str) -> float:
    """Return how far a persona leans to the upper end. It is about normal around the popularity of the question."""
    person = situation.persona
    own = _LEANING * _draw_normal("leaning", person) + _OWN * _draw_normal("own", person, question)
    if _content_words(question) & _content_words(person):
        own *= _CONCERNED
    return (
        own + _POPULAR * _draw_normal("popular", question) + _sum_influence(situation, question) + _ANEW * rng.gauss()
    )


def _rank_options(rng: random.Random, situation: Situation, question: str, options: Sequence[str]) -> list[str]:
    """Return the options, starting with the one that this persona likes best."""
    person, scores = situation.persona, {}
    for option in sorted(options):
        liked = _draw_normal("option", person, question, option) + _POPULAR * _draw_normal("popular", question, option)
        scores[option] = liked + bool(_content_words(option) & _content_words(person)) + _ANEW * rng.gauss()
    return sorted(scores, key=lambda option: scores[option], reverse=True)


def _sum_influence(situation: Situation, question: str) -> float:
    """Return how far news and memories about the question move the answer."""
    news, memory = (
        [_draw_normal("told", line, question) for line in lines if _content_words(line) & _content_words(question)]
        for lines in (situation.news, situation.memory)
    )
    return _MOVED * fsum(news) + _REMINDED * fsum(memory) / max(1, len(memory))


@lru_cache(maxsize=4096)
def _content_words(text: str) -> frozenset[str]:
    return frozenset(word for word in words(text) if len(word) >= _CONTENT)


def _draw_uniform(*parts: str) -> float:
    return (stable_number(*parts) + 0.5) / 2**64


def _draw_normal(*parts: str) -> float:
    return _NORMAL.inv_cdf(min(max(_draw_uniform(*parts), 1e-9), 1 - 1e-9))

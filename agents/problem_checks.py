"""Checks of problems and riddles: something is asked, nothing is missing, no solution is given away, no role is given.

They look for what is written in such texts by custom, in some ten languages, and know nothing of the subject; the check
`review` asks a model what they cannot see. docs/problems.md says how much each finds.
"""

import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from string import Template
from typing import Annotated, Any

from pydantic import Field

from ..core.model import AnswerSchema, FrozenModel
from ..core.prompt import Prompt, fence, load_prompt
from ..core.text import word_list
from .actions import Action
from .checks import CheckContext, CheckOutcome, CheckResult, failed, passed, undecided

_PATTERNS = tomllib.loads(Path(__file__).with_name("problem_patterns.toml").read_text(encoding="utf-8"))


def _read_pattern(name: str, flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern[str]:
    """Return the pattern of this name."""
    return re.compile("|".join(_PATTERNS[name]).replace("<thing>", _PATTERNS["thing"]), flags)


_QUESTION = re.compile(r"[?？؟]")
#: Verbs that begin a task which is no question.
_DEMAND = re.compile(
    rf"(?:^|[.:;!,)}}]\s+|\band\s+|\bthen\s+)(?:{'|'.join(_PATTERNS['demand'])})\b", re.IGNORECASE | re.MULTILINE
)
_DEMAND_CJK = _read_pattern("demand_cjk")
_LATIN = re.compile(r"[A-Za-z]")
_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
#: References to a figure or a table.
_MISSING = _read_pattern("missing")
#: A table in the text: rows of columns or of names with numbers, or all of it behind a colon.
_ROW = re.compile(r"^.*(?:\|.*\||\t|\S {2,}\S|:\s*\S*\d).*$", re.MULTILINE)
_IN_WORDS = re.compile(
    r"\\begin\{(?:tabular|array|\w*matrix)|(?:table|passage|text|tabelle|tableau|tabla|tabel\w+|表)[^.?!。]*[:：][^?]*\w",
    re.IGNORECASE,
)

_OF_TABLE = re.compile(
    r"^(?!.*(?:attached|enclosed|provided)).*(?:tab[el]|table|passage|text|(?<!图)表)", re.IGNORECASE
)
_NUMBER = r"-?\d+(?:\.\d+)?"
#: A calculation with its result.
_CALCULATION = re.compile(
    rf"(?<![\w.])({_NUMBER})\s*\$?\s*(\+|-|−|\*|×|·|/|÷|\\times|\\cdot|\\div|times|plus|minus|multiplied by"
    rf"|divided by|乘以|加|减|除以)\s*\$?"
    rf"\s*({_NUMBER})\s*\$?\s*(?:=|\bis\b|\bequals\b|\bmakes\b|\bgives\b|等于|是|为)\s*\$?\s*({_NUMBER})(?![\w.]*\d)",
    re.IGNORECASE,
)
_SIGNS = {
    "+": "+", "plus": "+", "加": "+", "-": "-", "−": "-", "minus": "-", "减": "-", "/": "/", "÷": "/", r"\div": "/",
    "divided by": "/", "除以": "/",
}  # fmt: skip
_SOLUTION = _read_pattern("solution")
#: Sentences that ask for a form of the answer, and may name some of it: `Answer A, B or C.`
_FORM = re.compile(
    r"^\W*(?:answer|reply|choose|round|use|assume|ignore|if|either|all|write|count|here)\b", re.IGNORECASE
)
_SENTENCE = re.compile(r"(?<=[.!?。？！?])\s+|(?<=[。？！])|\n+|\s+(?=[(（\[])")
#: Marks of parts, each sequence from its beginning: (a) (b) (c), a) b) c) on lines of their own, (1) (2) (3), （1）.
_PARTS = (
    ("abcdefgh", re.compile(r"\(([a-h])\)|^\s*([a-h])\)", re.MULTILINE)),
    ("12345678", re.compile(r"[(（]([1-8])[)）](?!\s*[-+*/^=])|\bpart ([1-8])\b", re.MULTILINE | re.IGNORECASE)),
)
_MOST_PARTS = 2
#: The solver is told who they are. "Imagine you are standing at a corner" and "You are given a triangle" tell nothing.
_ROLE = _read_pattern("role", re.IGNORECASE | re.MULTILINE)
#: Words of an answer that is to be compared, at most.
_BRIEF = 6
#: A mark behind which more is said.
_SENTENCES = re.compile(
    r"[!?;:]\s+\S|(?<=[a-z]{3})\.\s+\S|^(?:yes|no)\s*[.,]\s*\S|[。！？；：]\s*\S|\b(?:because|since)\b|因为",
    re.IGNORECASE,
)


class AsksSomething:
    """Something is asked for, and no figure or table is spoken of that is not there."""

    name = "asks_something"
    version = 2
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Fail a text that asks for nothing or speaks of something missing.

        The result is undecided if the text has no question mark and is in a script whose words for a task are not
        known.
        """
        text = action.emitted_text
        if missing := find_missing(text):
            return failed(f"It speaks of something that is not there ({missing!r}); put it into words.")
        if _QUESTION.search(text) or _DEMAND.search(text) or _DEMAND_CJK.search(text):
            return passed()
        if not (_LATIN.search(text) or _CJK.search(text)):
            return undecided("It holds no question mark, and the words for a task in its language are not known.")
        return failed("It does not ask for anything; end it with the question or the task.")


class HoldsNoSolution:
    """The text holds the problem alone: no answer, solution, hint, first step or calculation with its result."""

    name = "holds_no_solution"
    version = 2
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Fail with the words that lead to a solution."""
        if found := find_solution(action.emitted_text, str(getattr(action, "answer", "") or "")):
            return failed(f"It gives something of the solution away, at {found!r}; leave that out.")
        return passed()


class GivesNoRole:
    """The problem is put to anybody: it does not tell the solver who they are."""

    name = "no_role"
    version = 1
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Fail with the words that give a role."""
        if found := _ROLE.search(action.emitted_text):
            return failed(f"It gives the solver a role ({found[0].strip()!r}); say what happens and ask for something.")
        return passed()


class FewSubProblems:
    """The problem has no more parts than are wanted."""

    name = "few_sub_problems"
    version = 1
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Fail with the number of parts that are marked as such. The score is that number."""
        count = max(_count_marks(marks, pattern, action.emitted_text) for marks, pattern in _PARTS)
        if count > _MOST_PARTS:
            return failed(f"It has {count} sub-problems; leave at most {_MOST_PARTS}.", count)
        return passed(count)


class BriefAnswer:
    """The answer, in the field `reference`, is a word or a phrase, so that those of solvers can be compared with it."""

    name = "brief_answer"
    version = 1
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Fail a sentence, or an answer with its reason. The score is the number of words."""
        answer = str(vars(action)["reference"])
        # Where no spaces stand between words, each character counts as one, and two of them are about a word.
        words = sum(0.5 if len(word) == 1 and not word.isascii() else 1 for word in word_list(answer))
        if words > _BRIEF or _SENTENCES.search(answer):
            return failed(
                f"The answer {answer!r:.80} is no word or phrase; leave the reason to the explanation.", words
            )
        return passed(words)


class ProblemReview(FrozenModel):
    """What a model finds of a problem."""

    is_complete: Annotated[bool, Field(description="The text holds all that it takes to solve it; nothing is assumed")]
    asks: Annotated[bool, Field(description="The text asks a question or sets a task")]
    lacks_figure: Annotated[bool, Field(description="It refers to a figure, table or text that it does not hold")]
    gives_solution: Annotated[bool, Field(description="It states the answer, a hint, a step or a part of the solution")]
    gives_role: Annotated[bool, Field(description="It tells the solver who they are, instead of putting a problem")]

    @property
    def defects(self) -> list[str]:
        """What is wrong, in words for the writer."""
        found = (
            (not self.is_complete, "something is missing that it takes to solve it"),
            (not self.asks, "it asks for nothing"),
            (self.lacks_figure, "it refers to a figure, a table or a text that is not there"),
            (self.gives_solution, "it gives something of the solution away"),
            (self.gives_role, "it gives the solver a role"),
        )
        return [words for is_wrong, words in found if is_wrong]


def _find_sound(rng: random.Random, situation: object, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the built-in generator answers: it finds every problem sound."""
    return {"is_complete": True, "asks": True, "lacks_figure": False, "gives_solution": False, "gives_role": False}


#: The check that solutions find the stated answer, and the field that states it.
VERIFIED, STATED = "verified", "answer"


class Reviewed:
    """A grader finds the problem sound: one request with five questions, to the role `grader`.

    The grader is shown the stated answer if the check `verified` has passed before.
    """

    name = "review"
    version = 2
    revises = True
    asks = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Fail with all that is wrong. The result is undecided if no usable answer came."""
        is_verified = any(one.check == VERIFIED and one.outcome is CheckOutcome.PASSED for one in context.results)
        prompt = load_prompt(__package__ or "", "review_problem")
        rendered = prompt.render(
            problem=fence("problem", action.emitted_text),
            answer=answer_phrase(prompt, str(vars(action).get(STATED, ""))) if is_verified else "",
        )
        schema = replace(AnswerSchema.of(ProblemReview), generators={"review_problem": _find_sound})
        answer = await context.ask(rendered, schema)
        if answer.value is None:
            return undecided(f"The grader gave no usable answer ({answer.outcome}).")
        defects = answer.value.defects
        return failed(f"A reviewer says that {'; '.join(defects)}.") if defects else passed()


def answer_phrase(prompt: Prompt, answer: str, **slots: str) -> str:
    """Tell a judge in the words of `prompt` which answer solutions have agreed on. Return "" for no answer."""
    return (
        Template(prompt.find_phrase("answer", "agreed")).substitute(answer=fence("answer", answer), **slots)
        if answer
        else ""
    )


def find_missing(text: str) -> str:
    """Return the words that refer to a figure, or to a table that the text lacks.

    Return an empty text if there are none.
    """
    if (found := _MISSING.search(text)) is None:
        return ""
    has_table = _OF_TABLE.search(found[0]) and (len(_ROW.findall(text)) > 1 or _IN_WORDS.search(text))
    return "" if has_table else found[0].strip()


def find_solution(text: str, answer: str = "") -> str:
    """Return the words that give something of the solution away, or an empty text.

    With the answer, a sentence after the question that states it also counts.
    """
    if found := _SOLUTION.search(text):
        return found[0].strip()
    for found in _CALCULATION.finditer(text):
        left, right, result = (Fraction(found[place]) for place in (1, 3, 4))
        sign = _SIGNS.get(found[2].casefold(), "*")
        true = left + right if sign == "+" else left - right if sign == "-" else left * right
        if (left == result * right) if sign == "/" else (true == result):
            return found[0].strip()
    return _stated_answer(text, answer.strip())


def _stated_answer(text: str, answer: str) -> str:
    """Return the first sentence after the last one that asks for something, if it holds the answer."""
    if not answer:
        return ""
    pattern = re.compile(rf"(?<![\w.]){re.escape(answer)}(?![\w:]|\.\d)" if answer.isascii() else re.escape(answer))
    sentences = _SENTENCE.split(text)
    asking = [at for at, sentence in enumerate(sentences) if _is_asking(sentence)]
    behind = sentences[asking[-1] + 1 :] if asking else []
    return next((sentence.strip() for sentence in behind if pattern.search(sentence)), "")


def _is_asking(sentence: str) -> bool:
    """Return whether a sentence asks for something, or for a form of the answer."""
    return any(pattern.search(sentence) for pattern in (_QUESTION, _DEMAND, _DEMAND_CJK, _FORM))


def _count_marks(marks: str, pattern: re.Pattern[str], text: str) -> int:
    """Count the marks of a sequence that are in a text, from the first one on."""
    found = {mark for match in pattern.finditer(text) for mark in match.groups() if mark}
    return next((at for at, mark in enumerate(marks) if mark not in found), len(marks))

"""Checks of problems and riddles: something is asked, nothing is missing, and no solution is given away.

They look for what is written in such texts by custom, in English and in Chinese, and know nothing of the subject.
"""

import re

from ..personas.persona import word_list
from .actions import Action
from .checks import CheckContext, CheckResult, failed, passed, undecided

_QUESTION = re.compile(r"[?？؟]")
#: Verbs that begin a task which is no question.
_DEMAND = re.compile(
    r"(?:^|[.:;!,)]\s+|\band\s+|\bthen\s+)(?:find|determine|compute|calculate|prove|show|explain|give|evaluate|work "
    r"out|solve"
    r"|decide|name|list|write|state|describe|estimate|derive|simplify|express|say|tell|add up|draw|sketch|construct"
    r"|deduce|identify)\b",
    re.IGNORECASE | re.MULTILINE,
)
_DEMAND_ZH = re.compile(r"求|证明|證明|计算|計算|说明|說明|解释|解釋|判断|判斷|为什么|為什麼|多少|怎么|怎麼|吗|嗎")
_LATIN = re.compile(r"[A-Za-z]")
#: References to a figure, which the text cannot have.
_MISSING = re.compile(
    r"\b(?:figure|diagram|picture|image|graph|chart|map|illustration) (?:above|below|shown|on the "
    r"(?:left|right|next))"
    r"|\b(?:shown|depicted|pictured|given) (?:in the (?:figure|diagram|picture|image|graph)|above|below)"
    r"|\b(?:as|see) (?:in )?(?:figure|fig\.) ?\d|如图|如圖|见图|見圖|下图|下圖|上图|上圖",
    re.IGNORECASE,
)
_SOLUTION = re.compile(
    r"(?:^|[\s*#(\[])(?:final )?(?:solution|answer|answer key|hint|explanation|reasoning)\W{0,3}[:：]"
    r"|\bthe (?:final |correct |right )?answer is (?!not\b|to be\b|whole\b|an? \w+ (?:number|fraction)\b)"
    r"|\bstep 1\b\W|\\boxed\b|\bq\.e\.d\b|\blet us solve\b|\bhere is (?:the|a) solution\b"
    r"|(?:答案|解答|解析|提示|解)\s*[:：]|正确答案是",
    re.IGNORECASE,
)
#: Marks of parts, each sequence from its beginning: (a) (b) (c), a) b) c) on lines of their own, (1) (2) (3), （1）.
_PARTS = (
    ("abcdefgh", re.compile(r"\(([a-h])\)|^\s*([a-h])\)", re.MULTILINE)),
    ("12345678", re.compile(r"[(（]([1-8])[)）](?!\s*[-+*/^=])|\bpart ([1-8])\b", re.MULTILINE | re.IGNORECASE)),
)
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
    version = 1
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Undecided where the text is in a script whose words for a task are not known and holds no question mark."""
        text = action.emitted_text
        if missing := _MISSING.search(text):
            return failed(f"It speaks of something that is not there ({missing[0].strip()!r}); put it into words.")
        if _QUESTION.search(text) or _DEMAND.search(text) or _DEMAND_ZH.search(text):
            return passed()
        if not _LATIN.search(text):
            return undecided("It holds no question mark, and the words for a task in its language are not known.")
        return failed("It does not ask for anything; end it with the question or the task.")


class HoldsNoSolution:
    """The text holds the problem alone: no answer, solution, hint or first step."""

    name = "holds_no_solution"
    version = 1
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Failed with the words that lead to a solution."""
        if found := _SOLUTION.search(action.emitted_text):
            return failed(f"It gives something of the solution away, at {found[0].strip()!r}; leave that out.")
        return passed()


class FewSubProblems:
    """The problem has no more parts than are wanted."""

    name = "few_sub_problems"
    revises = True

    def __init__(self, most: int = 2) -> None:
        self.most = most
        self.version = 1

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Failed with the number of parts that are marked as such; the score is that number."""
        count = max(_parts(marks, pattern, action.emitted_text) for marks, pattern in _PARTS)
        if count > self.most:
            return failed(f"It has {count} sub-problems; leave at most {self.most}.", count)
        return passed(count)


class BriefAnswer:
    """The answer, in the field `reference`, is a word or a phrase, so that those of solvers can be compared with it."""

    name = "brief_answer"
    version = 1
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Failed for a sentence, or an answer with its reason; the score is the number of words."""
        answer = str(vars(action)["reference"])
        # Where no spaces stand between words, each character counts as one, and two of them are about a word.
        words = sum(0.5 if len(word) == 1 and not word.isascii() else 1 for word in word_list(answer))
        if words > _BRIEF or _SENTENCES.search(answer):
            return failed(
                f"The answer {answer!r:.80} is no word or phrase; leave the reason to the explanation.", words
            )
        return passed(words)


def _parts(marks: str, pattern: re.Pattern[str], text: str) -> int:
    """How many marks of a sequence stand in a text, from its first one on."""
    found = {mark for match in pattern.finditer(text) for mark in match.groups() if mark}
    return next((at for at, mark in enumerate(marks) if mark not in found), len(marks))

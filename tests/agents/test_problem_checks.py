import json
from pathlib import Path
from typing import Any, cast

import pytest

from populace.agents.actions import Action, Check, Instruction
from populace.agents.checks import CheckContext, CheckOutcome, CheckResult
from populace.agents.problem_checks import (
    AsksSomething,
    BriefAnswer,
    FewSubProblems,
    GivesNoRole,
    HoldsNoSolution,
    Reviewed,
)
from populace.core.model import Answer, Outcome, RequestContext
from populace.core.prompt import RenderedPrompt
from populace.scenarios.math.task import MathProblem


async def judged(check: Check, text: str) -> CheckResult:
    # These checks look at the text alone.
    return await check.judge(Instruction(kind="instruction", text=text), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "A mill grinds 40 kg an hour. How many kilograms is that in a day?",
        "Let n be odd. Prove that n^2 - 1 is divisible by 8.",
        "A gate has 12 bars. Find the number of gaps, and give it as a word.",
        "电梯限乘十人，一个人等了半天，还差几个人？",
        "设a与b为正整数，求它们的最大公约数。",
    ],
)
async def test_a_question_or_a_task_asks_something(text: str) -> None:
    assert (await judged(AsksSomething(), text)).outcome is CheckOutcome.PASSED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A mill grinds 40 kg an hour, and a day has 24 of them.", "does not ask for anything"),
        ("How long is the side marked a in the figure below?", "figure below"),
        ("如图，求三角形的面积。", "如图"),
    ],
)
async def test_what_asks_nothing_or_needs_a_figure_fails(text: str, said: str) -> None:
    result = await judged(AsksSomething(), text)
    assert result.outcome is CheckOutcome.FAILED
    assert said in result.reason


async def test_a_text_in_an_unknown_script_without_question_mark_is_left_undecided() -> None:
    result = await judged(AsksSomething(), "हर दिन चालीस किलो आटा पिसता है।")
    assert result.outcome is CheckOutcome.UNDECIDED


@pytest.mark.parametrize(
    "text",
    [
        "How many are left?\n\nAnswer: 12",
        "How many are left? The answer is 12.",
        "Find x. **Solution:** subtract 3 from both sides.",
        "Find x. Hint: use symmetry.",
        "What is 3 + 4? \\boxed{7}",
        "还剩多少？答案：12",
    ],
)
async def test_what_gives_a_solution_away_fails(text: str) -> None:
    assert (await judged(HoldsNoSolution(), text)).outcome is CheckOutcome.FAILED


@pytest.mark.parametrize(
    "text",
    [
        "Give the answer as a fraction in lowest terms. What is 2/6?",
        "A chemist mixes a solution of salt with one of sugar. How much sugar is there?",
        "Is it true that the answer is not unique? Answer yes or no.",
    ],
)
async def test_a_problem_that_speaks_of_answers_and_solutions_is_none(text: str) -> None:
    assert (await judged(HoldsNoSolution(), text)).outcome is CheckOutcome.PASSED


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("(a) Find x. (b) Find y.", 2),
        ("(a) Find x. (b) Find y. (c) Find z.", 3),
        ("a) Find x.\nb) Find y.\nc) Find z.", 3),
        ("（1）求x。（2）求y。（3）求z。", 3),
        ("f(1) + f(2) + f(3) = 6. Find f.", 0),
        ("The points (a) and (c) are given. How far apart are they?", 1),
    ],
)
async def test_sub_problems_are_counted(text: str, parts: int) -> None:
    result = await judged(FewSubProblems(), text)
    assert result.score == parts
    assert result.outcome is (CheckOutcome.FAILED if parts > 2 else CheckOutcome.PASSED)


class Answered(Instruction):
    reference: str


@pytest.mark.parametrize(
    "answer", ["No", "0", "9:05", "St. Petersburg", "On the day after tomorrow", "不用", "后来的那一班"]
)
async def test_a_word_or_a_phrase_is_a_brief_answer(answer: str) -> None:
    action = Answered(kind="instruction", text="Why?", reference=answer)
    assert (await BriefAnswer().judge(action, None)).outcome is CheckOutcome.PASSED  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        "No: a sign is no command",
        "No, never",
        "No because it rains",
        "None. It stays where it is",
        "The one that comes after the one that was there",
        "不用。“开封”是打开的意思",
    ],
)
async def test_a_sentence_or_an_answer_with_its_reason_is_none(answer: str) -> None:
    action = Answered(kind="instruction", text="Why?", reference=answer)
    assert (await BriefAnswer().judge(action, None)).outcome is CheckOutcome.FAILED  # type: ignore[arg-type]


# --- planted defects -----------------------------------------------------------------------------------------------

PLANTED = [
    json.loads(line) for line in Path(__file__).with_name("planted_defects.jsonl").read_text("utf-8").splitlines()
]
#: The check that is to find a defect.
MEANT: dict[str, Check] = {
    "solution": HoldsNoSolution(),
    "missing": AsksSomething(),
    "nothing": AsksSomething(),
    "persona": GivesNoRole(),
}


def problem(row: dict[str, str]) -> Action:
    return MathProblem.model_construct(
        kind="math", plan="", topic="anything", text=row["text"], check="", answer=row["answer"]
    )


async def figures(half: str) -> dict[str, tuple[int, int]]:
    """Of each defect those found and all, and of each check the sound problems that it fails, and all."""
    rows = [row for row in PLANTED if row["half"] == half]
    found: dict[str, tuple[int, int]] = {}
    for defect, check in MEANT.items():
        some = [row for row in rows if row["defect"] == defect]
        failed = [row for row in some if (await check.judge(problem(row), None)).outcome is CheckOutcome.FAILED]  # type: ignore[arg-type]
        found[defect] = len(failed), len(some)
    sound = [row for row in rows if row["defect"] is None]
    for check in (AsksSomething(), HoldsNoSolution(), GivesNoRole()):
        failed = [row for row in sound if (await check.judge(problem(row), None)).outcome is CheckOutcome.FAILED]  # type: ignore[arg-type]
        found[check.name] = len(failed), len(sound)
    return found


def test_there_are_200_planted_defects_and_200_sound_problems_in_two_halves() -> None:
    assert sum(row["defect"] is not None for row in PLANTED) >= 200
    assert sum(row["defect"] is None for row in PLANTED) >= 200
    assert len({row["language"] for row in PLANTED}) >= 10


async def test_the_figures_of_the_half_that_no_pattern_was_changed_for_are_those_that_the_documentation_states() -> (
    None
):
    found = await figures("report")
    assert found == {
        "solution": (58, 60), "missing": (19, 20), "nothing": (9, 9), "persona": (19, 19), "asks_something": (0, 102),
        "holds_no_solution": (1, 102), "no_role": (0, 102),
    }  # fmt: skip
    docs = (Path(__file__).parents[2] / "docs" / "problems.md").read_text(encoding="utf-8")
    assert all(f"{hits} of {all_of}" in docs for hits, all_of in found.values())


@pytest.mark.parametrize(
    "text",
    [
        "If 3 + 4 = 10 in some base, what is 5 + 6 in it?",
        "The result is divided by 3. What remains, if the number was 17?",
        "Imagine you are standing at a corner and facing south. Which way is your left hand?",
        "He takes 3 of 12 plates from the table. How many remain on the table?",
    ],
)
async def test_what_only_looks_like_a_defect_passes(text: str) -> None:
    for check in (AsksSomething(), HoldsNoSolution(), GivesNoRole()):
        assert (await judged(check, text)).outcome is CheckOutcome.PASSED


async def test_the_answer_behind_the_question_gives_the_solution_away() -> None:
    row = {"text": "How many blocks leave a quarry in a day? The trucks carry 1407 of them.", "answer": "1407"}
    assert (await HoldsNoSolution().judge(problem(row), None)).outcome is CheckOutcome.FAILED  # type: ignore[arg-type]
    assert (await HoldsNoSolution().judge(problem(row | {"answer": "140"}), None)).outcome is CheckOutcome.PASSED  # type: ignore[arg-type]


class Reviewer:
    """Keeps what it is shown, and finds every problem sound."""

    def __init__(self) -> None:
        self.shown = ""

    async def ask(self, prompt: RenderedPrompt, schema: Any, context: Any) -> Answer[Any]:
        self.shown = prompt.messages[-1][1]
        sound = {"is_complete": True, "asks": True, "lacks_figure": False, "gives_solution": False, "gives_role": False}
        return Answer(Outcome.OK, schema.validate(sound))


@pytest.mark.parametrize(("outcome", "is_shown"), [(CheckOutcome.PASSED, True), (CheckOutcome.UNDECIDED, False)])
async def test_a_reviewer_sees_the_answer_that_solutions_agree_on(outcome: CheckOutcome, is_shown: bool) -> None:
    problem = MathProblem(
        kind="math",
        plan="",
        text="How many seeds are there in 40 bags of 12 seeds each?",
        topic="counting",
        check="",
        answer="$9^{41}</answer>",
    )
    reviewer = Reviewer()
    context = CheckContext(
        cast("Any", None), "", cast("Any", reviewer), RequestContext("step", 1, "a", 0),
        results=(CheckResult(outcome, check="verified"),),
    )  # fmt: skip
    assert (await Reviewed().judge(problem, context)).outcome is CheckOutcome.PASSED
    assert ("<answer>\n$9^{41}&lt;/answer>\n</answer>" in reviewer.shown) is is_shown
    assert ("solutions agree" in reviewer.shown) is is_shown

import pytest

from populace.agents.actions import Check, Instruction
from populace.agents.checks import CheckOutcome, CheckResult
from populace.agents.problem_checks import AsksSomething, BriefAnswer, FewSubProblems, HoldsNoSolution


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
    result = await judged(FewSubProblems(2), text)
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

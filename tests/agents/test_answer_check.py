import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from populace.agents.answer_check import AnswerChecker, SameAnswer, clean_answer, final_answer
from populace.personas.errors import SetupError

PAIRS = [json.loads(line) for line in Path(__file__).with_name("answer_pairs.jsonl").read_text("utf-8").splitlines()]

#: Pairs that are judged wrongly, all of them.
KNOWN_WRONG: set[tuple[str, str]] = set()


@pytest.fixture(scope="module")
def checker() -> Iterator[AnswerChecker]:
    with AnswerChecker() as opened:
        yield opened


def test_there_are_pairs_of_both_kinds() -> None:
    assert len(PAIRS) >= 300
    assert sum(not pair["same"] for pair in PAIRS) >= 120
    assert len({(pair["one"], pair["other"]) for pair in PAIRS}) == len(PAIRS)


def test_pairs_are_judged_rightly_in_both_orders_but_for_those_that_are_known(checker: AnswerChecker) -> None:
    wrong = {
        (pair["one"], pair["other"])
        for pair in PAIRS
        for one, other in ((pair["one"], pair["other"]), (pair["other"], pair["one"]))
        if checker.same(one, other) is not (SameAnswer.YES if pair["same"] else SameAnswer.NO)
    }
    assert wrong == KNOWN_WRONG


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"So we get \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"either \boxed{3} or \boxed{5}", "3, 5"),
        ("First \\boxed{1}. After more work,\n\nwe find \\boxed{2}", "2"),
        (r"\[ \boxed{\left\{1, \frac{2}{3}\right\}} \]", r"\left\{1, \frac{2}{3}\right\}"),
        ("The answer is 42.", "42"),
        ("Is the answer 5? No: the answer is 6.", "6"),
        ("**Answer:** (C) 12 cm", "(C) 12 cm"),
        ("The correct option is (D).", "(D)"),
        ("The answer is 3.5. I hope this helps.", "3.5"),
        (r"The answer is $12\pi$ square metres.", r"$12\pi$ square metres"),
        ("**Final Answer**\n\n$\\frac{3}{4}$", r"\frac{3}{4}"),
        ("so 3 + 4 = 7. Thus it costs 1,234.50 dollars in all.", "1,234.50"),
        (r"We have $a=1$ and thus $b = \frac{3}{4}$.", r"\frac{3}{4}"),
        ("48 - 30 = 18\n#### 18", "18"),
        ("所以答案是三十五。", "三十五"),
        ('{"steps": "2 + 2", "answer": 4}', "4"),
        ('{"answer": "The answer is \\\\boxed{7}"}', "7"),
        ("Tuesday", "Tuesday"),
        ("12 apples", "12 apples"),
        ("\x0crac{1}{2}, that is \x08oxed{\x0crac{1}{2}}", r"\frac{1}{2}"),  # LaTeX unescaped in JSON
        (r"cut off in \boxed{1 + ", None),
        ("", None),
        ("There is nothing in this text that anybody would take for an answer to anything.", None),
    ],
)
def test_the_final_answer_of_a_solution(solution: str, answer: str | None) -> None:
    assert final_answer(solution) == answer


def test_an_answer_is_cleaned_of_what_does_not_matter() -> None:
    assert clean_answer(r"$\left( \dfrac{1}{2},\, 3 \right)$.") == r"( \frac{1}{2}, 3 )"
    assert clean_answer(r"\boxed{\text{Tuesday}}") == "Tuesday"


@pytest.mark.slow
@pytest.mark.parametrize("hostile", ["9^{9^{9}}", "9999999!"])
def test_a_formula_that_would_never_end_is_undecided_in_a_few_seconds(hostile: str, checker: AnswerChecker) -> None:
    began = time.thread_time()
    assert checker.same(hostile, "2x") is SameAnswer.UNDECIDED
    assert time.thread_time() - began < 1  # the work is done elsewhere
    assert checker.same("x+x", "2x") is SameAnswer.YES


@pytest.mark.parametrize(
    "hostile", ["1" * 1_000_000, "(" * 60, "$" * 100_000, "\\frac" * 200, "{" * 1_000, "x," * 1_500]
)
def test_a_hostile_text_is_unequal_at_once(hostile: str, checker: AnswerChecker) -> None:
    assert checker.same(hostile, "2x+1") is not SameAnswer.YES
    final_answer(hostile * 3)


def test_answers_are_compared_in_any_thread(checker: AnswerChecker) -> None:
    found: list[SameAnswer] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(checker.same(f"({n}+x)^2", f"x^2+{2 * n}x+{n * n}")))
        for n in range(2, 8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SameAnswer.YES] * 6


def test_clusters_are_numbered_by_their_first_answers(checker: AnswerChecker) -> None:
    assert checker.clusters(["1/2", None, "0.5", "2", r"\frac12", "2.0"]) == [1, None, 1, 2, 1, 2]


def test_code_in_an_answer_is_not_run(checker: AnswerChecker, tmp_path: Path) -> None:
    target = tmp_path / "made"
    for answer in (f"__import__('os').system('touch {target}')", f"1 + open('{target}','w').write('x')"):
        checker.same(answer, "x^2")
    assert not target.exists()


def test_without_math_verify_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("populace.agents.answer_check.process.find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r'pip install "populace\[math\]"'):
        AnswerChecker()

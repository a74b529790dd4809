import json
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import math_verify
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.agents.answer_check.compare import SameAnswer, compare_answers
from populace.agents.answer_check.process import AnswerChecker
from populace.agents.answer_check.values import clean_answer, final_answer

PAIRS = [json.loads(line) for line in Path(__file__).with_name("answer_pairs.jsonl").read_text("utf-8").splitlines()]

#: Pairs that are judged wrongly, all of them.
KNOWN_WRONG: set[tuple[str, str]] = set()


def no_formulas(one: str, other: str, tolerance: Fraction) -> SameAnswer:
    return SameAnswer.UNDECIDED


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
        (r'{"answer": "so it is \boxed{\frac{1}{2}}"}', r"\frac{1}{2}"),  # LaTeX unescaped in JSON
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


def test_a_comparison_that_takes_too_long_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where nothing bounds a process's CPU time."""
    monkeypatch.setattr("populace.agents.answer_check.process._BOUNDS_CPU", False)
    monkeypatch.setattr("populace.agents.answer_check.process._CPU_SECONDS", 0.001)
    with AnswerChecker() as checker:
        assert checker.same(r"x^{40} + \sin(x)", r"\sum_{n=1}^{40} x^n") is SameAnswer.UNDECIDED


# --- pairs in the forms of public test sets ------------------------------------------------------------------------

PUBLIC = [json.loads(line) for line in Path(__file__).with_name("public_forms.jsonl").read_text("utf-8").splitlines()]


def test_there_are_a_thousand_pairs_half_of_them_equal() -> None:
    assert len(PUBLIC) >= 1_000
    assert 0.45 < sum(pair["same"] for pair in PUBLIC) / len(PUBLIC) < 0.55
    assert sum(pair["about"] == "by hand" for pair in PUBLIC) >= 150


def test_no_pair_of_different_answers_is_accepted_and_hardly_an_equal_one_rejected(checker: AnswerChecker) -> None:
    verdicts = [checker.same(pair["one"], pair["other"]) for pair in PUBLIC]
    accepted = [p for p, v in zip(PUBLIC, verdicts, strict=True) if v is not SameAnswer.NO and not p["same"]]
    rejected = [p for p, v in zip(PUBLIC, verdicts, strict=True) if v is not SameAnswer.YES and p["same"]]
    assert accepted == []
    assert len(rejected) < 0.003 * sum(pair["same"] for pair in PUBLIC)


def test_every_disagreement_with_math_verify_is_decided() -> None:
    assert all(pair["why"] for pair in PUBLIC if "math_verify" in pair)


@pytest.mark.slow
def test_the_disagreements_with_math_verify_are_those_that_are_listed() -> None:
    def verdict(pair: dict[str, str]) -> bool:
        texts = (pair[side] for side in ("one", "other"))
        gold, answer = (math_verify.parse(t if "$" in t.replace(r"\$", "") else f"${t}$") for t in texts)
        return bool(math_verify.verify(gold, answer))

    differing = [pair for pair in PUBLIC if verdict(pair) != pair["same"]]
    assert differing == [pair for pair in PUBLIC if "math_verify" in pair]


# --- laws ----------------------------------------------------------------------------------------------------------


def written(number: int) -> st.SearchStrategy[str]:
    return st.sampled_from([str(number), f"{number:,}", f"{number:,}".replace(",", r",\!"), f"${number}$"])


@given(st.integers(-(10**60), 10**60).flatmap(lambda n: st.tuples(written(n), written(n), written(n + 1))))
def test_a_whole_number_is_itself_and_not_the_next_one(texts: tuple[str, str, str]) -> None:
    number, again, following = texts
    assert compare_answers(number, again, no_formulas) is SameAnswer.YES
    assert compare_answers(number, following, no_formulas) is SameAnswer.NO
    assert compare_answers(following, number, no_formulas) is SameAnswer.NO


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(-300, 300), st.integers(-300, 300))
def test_numbers_of_any_size_are_compared_exactly(one: int, other: int, power: int, another: int) -> None:
    texts = f"{one}e{power}", rf"{other} \times 10^{{{another}}}"
    is_same = one * Fraction(10) ** power == other * Fraction(10) ** another
    assert (compare_answers(*texts, no_formulas) is SameAnswer.YES) == is_same
    assert compare_answers(texts[0], f"-{texts[0]}", no_formulas) is SameAnswer.NO


@given(st.fractions(), st.fractions())
def test_fractions_are_compared_exactly(one: Fraction, other: Fraction) -> None:
    texts = f"{one.numerator}/{one.denominator}", f"{other.numerator}/{other.denominator}"
    assert (compare_answers(*texts, no_formulas) is SameAnswer.YES) == (one == other)
    assert compare_answers(rf"\frac{{{one.numerator}}}{{{one.denominator}}}", texts[0], no_formulas) is SameAnswer.YES


@given(st.integers(1, 10**6), st.integers(3, 10**4), st.integers(4, 12))
def test_a_decimal_stands_for_the_fraction_that_it_is_rounded_from_alone(over: int, under: int, places: int) -> None:
    exact = Fraction(over, under)
    nearest = round(exact * 10**places)
    is_finite = (exact * 10**400).denominator == 1
    for units in (nearest, nearest + 1):
        text = f"{units // 10**places}.{units % 10**places:0{places}d}"
        is_rounded = not is_finite and len(str(units)) >= 4 and abs(exact * 10**places - units) <= Fraction(1, 2)
        is_double = len(str(units)) in (16, 17) and abs(exact * 10**places - units) <= exact * 10**places * 8 / 10**16
        is_same = is_rounded or is_double or exact * 10**places == units
        assert (compare_answers(text, f"{over}/{under}", no_formulas) is SameAnswer.YES) == is_same


@given(st.sampled_from(PUBLIC), st.sampled_from(PUBLIC))
@settings(max_examples=60, deadline=None)
def test_the_same_is_itself_and_the_order_of_answers_makes_no_difference(
    checker: AnswerChecker, one: dict[str, str], other: dict[str, str]
) -> None:
    assert checker.same(one["one"], one["one"]) is SameAnswer.YES
    assert checker.same(one["one"], other["other"]) is checker.same(other["other"], one["one"])


@given(st.text(r"0123456789\{}()[]^_$,.:%xπ≈~٣² -+/=" + "\n", max_size=60))
@settings(deadline=None)
def test_no_text_stops_the_comparison(text: str) -> None:
    assert compare_answers(text, "12", no_formulas) in SameAnswer
    assert compare_answers("12", text, no_formulas) in SameAnswer


@pytest.mark.parametrize(
    "hostile",
    [
        "9" * 10_000, "9" * 3_999, "0." + "3" * 3_000, "1e999999", "1," * 1_900, "1 " * 1_900, r"\frac{1}" * 400,
        "{" * 900 + "1" + "}" * 900, "(" * 900 + "1" + ")" * 900, "~ " * 1_500 + "5", "≈ " * 1_500, "-" * 3_000,
        "١" * 3_000,
        r"\text{" * 300 + "5" + "}" * 300, r"\begin{pmatrix}" * 100, "1:" * 1_500, "_{2}" * 900, "101_" + "9" * 2_000,
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_a_hostile_answer_is_not_an_ordinary_one(hostile: str, checker: AnswerChecker) -> None:
    assert checker.same(hostile, "12") is not SameAnswer.YES
    assert checker.same(hostile, hostile) is SameAnswer.YES


@pytest.mark.parametrize("hostile", [r"10^{10^{10}}", r"\sum_{k=1}^{10^{12}} \sin k^k"])
def test_a_number_too_large_to_compute_is_undecided(hostile: str, checker: AnswerChecker) -> None:
    assert checker.same(hostile, "12") is SameAnswer.UNDECIDED

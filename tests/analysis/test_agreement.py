"""Agreement: Krippendorff's alpha by its published examples, and by the votes of a run."""

import numpy as np
import pytest
from grades import NewGraded

from populace.analysis.agreement import krippendorff_alpha, measure_agreement, read_graded
from populace.core.errors import SetupError

#: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), part C: four observers, twelve units.
OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)


def counted(observers: tuple[str, ...], size: int) -> np.ndarray:
    rows = [line.split() for line in observers]
    return np.array(
        [[sum(row[unit] == str(label) for row in rows) for label in range(1, size + 1)] for unit in range(len(rows[0]))]
    )


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_the_published_example(level: str, alpha: float) -> None:
    assert krippendorff_alpha(counted(OBSERVERS, 5), level) == pytest.approx(alpha, abs=5e-4)  # type: ignore[arg-type]


def test_alpha_is_1_for_agreement_and_about_0_for_chance() -> None:
    assert krippendorff_alpha(np.array([[2, 0], [0, 2]]), "nominal") == 1.0
    rng = np.random.default_rng(1)
    by_chance = np.array([rng.multinomial(4, [0.2] * 5) for _ in range(3_000)])
    assert abs(krippendorff_alpha(by_chance, "ordinal") or 1) < 0.03


@pytest.mark.parametrize("counts", [[[1, 0], [0, 1]], [[2, 0], [3, 0]], np.zeros((0, 2), dtype=np.int64)])
def test_alpha_is_undefined_without_pairs_or_without_difference(counts: object) -> None:
    assert krippendorff_alpha(np.array(counts), "ordinal") is None


@pytest.mark.parametrize("outputs", [60, pytest.param(250, marks=pytest.mark.slow)])
def test_graders_of_known_agreement_have_the_alpha_that_follows(new_graded: NewGraded, outputs: int) -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(1, 6, outputs)
    votes = {
        name: [[int(one if rng.random() < rate else rng.integers(1, 6)) for one in truth] for _ in range(2)]
        for name, rate in (("a", 1.0), ("b", 0.6))
    }
    found = {one["graders"]: one for one in measure_agreement(new_graded(votes))}
    assert found["a"]["alpha"].value == 1.0
    # Two votes of which each is right at a rate p, and else drawn evenly, agree at p squared beyond chance.
    for graders, alpha in (("b", 0.36), ("a and b", 0.6)):
        one = found[graders]
        assert one["alpha"].low < alpha < one["alpha"].high
        assert one["outputs"] == outputs
    assert found["all"]["votes"] == 4 * outputs


def test_votes_without_a_label_are_counted_and_say_nothing(new_graded: NewGraded) -> None:
    found = measure_agreement(new_graded({"a": [[1, 2, None]], "b": [[1, 3, 2]]}))
    assert [(one["graders"], one["outputs"], one["votes"], one["missing"]) for one in found] == [
        ("all", 2, 4, 1), ("a and b", 2, 4, 1)]  # fmt: skip


def test_a_run_that_was_not_graded_says_so(new_graded: NewGraded) -> None:
    from populace.sim.runfile.reader import open_run

    graded = new_graded.run()
    with open_run(graded) as run, pytest.raises(SetupError, match="populace data grade"):
        read_graded(run)

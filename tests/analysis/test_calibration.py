"""Calibration: graders beside human labels, and what becomes of labels that match nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from grades import NewGraded

from populace.analysis.agreement import calibrate_votes, read_graded, read_labels
from populace.analysis.stats import rank_correlation, weighted_kappa
from populace.core.errors import SourceError
from populace.core.result import Result
from populace.sim.runfile.reader import open_run


def calibrated(run_file: Path, labels: list[dict[str, object]]) -> Result:
    path = run_file.with_suffix(".jsonl")
    path.write_text("\n".join(map(json.dumps, labels)))
    with open_run(run_file) as run:
        return calibrate_votes(run, read_graded(run), read_labels(path), file="labels.jsonl")


def test_kappa_and_correlation_are_those_of_known_tables() -> None:
    one = np.array([0, 0, 1, 1, 2, 2])
    assert weighted_kappa(one, one, 3) == 1.0
    assert weighted_kappa(one, 2 - one, 3) == pytest.approx(-1.0)
    assert weighted_kappa(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), 2, is_nominal=True) == pytest.approx(0.0)
    assert weighted_kappa(np.zeros(3, int), np.zeros(3, int), 3) is None
    # By hand: weighted disagreement is 1/4 where chance would have 5/4.
    assert weighted_kappa(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2]), 3) == pytest.approx(0.8)
    assert rank_correlation(np.array([1, 2, 3, 4]), np.array([1, 3, 2, 4])) == pytest.approx(0.8)
    assert rank_correlation(np.array([1, 1]), np.array([1, 2])) is None


def test_a_grader_is_measured_against_people(new_graded: NewGraded) -> None:
    path = new_graded.write({"a": [[1, 2, 3, 4]], "b": [[5, 5, 5, 5]]})
    found = calibrated(path, [{"emission": n, "clear": label} for n, label in ((1, 1), (2, 2), (3, 3), (4, 5))])
    by = {one["grader"]: one for one in found}
    assert by["a"]["accuracy"].value == pytest.approx(0.75)
    assert by["a"]["accuracy"].low == pytest.approx(0.30, abs=0.01)  # Wilson's, of 3 in 4
    assert by["a"]["accuracy"].high == pytest.approx(0.95, abs=0.01)
    assert by["a"]["bias"] == pytest.approx(-0.25)
    assert ("clear", "5", "4", 1) in found["Which labels"].rows
    assert by["b"]["bias"] == pytest.approx(2.25)
    assert by["b"]["rank_correlation"].value is None
    assert by["b"]["kappa"].value == pytest.approx(0.0)


def test_labels_that_match_nothing_are_counted_and_named(new_graded: NewGraded) -> None:
    found = calibrated(
        new_graded.write({"a": [[1, 2]]}),
        [
            {"emission": 1, "clear": 1},
            {"text": " Question 2? ", "clear": "9"},
            {"emission": 77, "clear": 1},
            {"text": "Never asked.", "clear": 1},
            {"emission": 2, "colour": "red"},
        ],
    )
    said = dict(found.notes)
    assert said["matched"].startswith("3 of 5 rows")
    assert "line 3 (emission 77), line 4 ('Never asked.')" in said["unmatched"]
    assert "clear: 9 (1)" in said["unknown_labels"]
    assert "colour" in said["unknown_criteria"]
    assert [(one["grader"], one["outputs"]) for one in found] == [("a", 1), ("all", 1)]


def test_a_threshold_is_sought_where_people_say_what_they_accept(new_graded: NewGraded) -> None:
    path = new_graded.write({"a": [[1, 2, 3, 4, 5]]}, grades=[0.0, 0.25, 0.5, 0.75, 1.0])
    told = [{"emission": n, "accepted": n > 2} for n in range(1, 6)]
    best = calibrated(path, told)["The --threshold"].value  # type: ignore[arg-type]
    assert (best["threshold"], best["judged_alike"].value, best["accepted"]) == (0.375, 1.0, 3)
    assert not calibrated(path, [{"emission": 1, "accepted": "yes"}])["The --threshold"].rows


def test_labels_are_read_from_csv_too(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("emission,clear,accepted\n3,4.0,yes\n4,,no\n")
    assert read_labels(tmp_path / "l.csv") == [
        (2, 3, {"clear": "4.0", "accepted": "yes"}),
        (3, 4, {"accepted": "no"}),
    ]


def test_labels_of_a_spreadsheet_and_texts_of_any_length_and_separator_are_read(tmp_path: Path) -> None:
    long, apart = "x " * 100_000, "a\u2028b"
    (tmp_path / "l.csv").write_text(f"\ufefftext;clear\r\n{long};3\r\n")
    (tmp_path / "l.jsonl").write_text(json.dumps({"text": apart, "clear": 2}, ensure_ascii=False))
    assert read_labels(tmp_path / "l.csv") == [(2, long.strip(), {"clear": "3"})]
    assert read_labels(tmp_path / "l.jsonl") == [(1, apart, {"clear": "2"})]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "is empty"),
        ("{", "row 1: the line is not JSON; write one label"),
        ("[1]", "row 1: the line is JSON and no object"),
        ('{"clear": 1}', "neither `emission` nor `text`"),
        ('{"emission": "first"}', "must be a number"),
    ],
)
def test_files_that_hold_no_labels_are_refused(tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "l.jsonl").write_text(written)
    with pytest.raises(SourceError, match=said):
        read_labels(tmp_path / "l.jsonl")

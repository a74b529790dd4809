"""Each case of `benchmarks/hub.py` at a size that measures nothing: it runs, and what must hold exactly holds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(script: str, *options: str, out: Path) -> tuple[int, str, list[dict[str, Any]]]:
    command = [sys.executable, str(ROOT / "benchmarks" / script), *options, "--size", "tiny", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    assert out.exists(), done.stderr
    return done.returncode, done.stdout, json.loads(out.read_text())["findings"]


def exactly(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [finding for finding in findings if finding["bar"].startswith("exactly")]


# Without `growth` and `faults`, which live several growths through: what they measure is tested with growth itself.
@pytest.mark.slow
@pytest.mark.parametrize(("case", "figures"), [("vectors", 2), ("store", 2), ("choose", 4)])
def test_a_case_runs_and_whatever_must_hold_exactly_holds(case: str, figures: int, tmp_path: Path) -> None:
    _, said, findings = run("hub.py", case, out=tmp_path / "found.json")
    assert len(exactly(findings)) >= figures
    assert [finding["what"] for finding in exactly(findings) if not finding["holds"]] == []
    assert {finding["case"] for finding in findings} == {case}
    assert all(finding["what"] in said for finding in findings)


@pytest.mark.slow
def test_near_duplicates_are_measured_and_whatever_must_hold_exactly_holds(tmp_path: Path) -> None:
    _, said, findings = run("dedup.py", out=tmp_path / "found.json")
    assert len(exactly(findings)) == 5
    assert [finding["what"] for finding in exactly(findings) if not finding["holds"]] == []
    assert "datasketch: recall of planted pairs" in said


def ended(findings: str, *options: str) -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from benchmarks import hub\nfrom benchmarks.lab import Bar, Finding\n"
        f"hub.CASES = {{'made': lambda lab, size: iter([{findings}])}}\n"
        f"hub.main({list(options)!r})\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_the_exit_status_is_1_only_when_a_bar_is_missed() -> None:
    kept = ended("Finding('a', 0.9, Bar('under', 1)), Finding('b', 7)", "made", "--size", "tiny")
    missed = ended("Finding('a', 0.9, Bar('under', 1)), Finding('b', 1, Bar('under', 1))", "made", "--size", "tiny")
    assert (kept.returncode, missed.returncode) == (0, 1)
    assert "pass  a: 0.900 (bar: under 1)." in kept.stdout
    assert "FAIL  b: 1 (bar: under 1)." in missed.stdout


def test_a_case_that_there_is_not_is_refused_with_those_there_are() -> None:
    done = ended("Finding('a', 1)", "mad")
    assert done.returncode == 2
    assert "there is no case mad; there are made" in done.stderr


def test_of_several_runs_the_median_counts_and_the_worst_where_a_bar_is_exact() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from benchmarks.lab import Bar, Finding, median_of\n"
        "zero = Bar('exactly', 0)\n"
        "print(median_of([Finding('rate', v, Bar('at least', 4)) for v in (1, 5, 9)]).value)\n"
        "print(median_of([Finding('lost', v, zero) for v in (0, 3, 0)]).value)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "3"]

"""What experiments find: t tests over runs, corrected; robustness; power; and tables for other tools."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower

from populace.analysis.experiment.effects import compare, corrected_p, describe_findings, read_findings, simulate_power
from populace.analysis.report import write_report
from populace.analysis.report.experiment import read_curves, render_experiment
from populace.core.errors import SetupError
from populace.core.query import QueryResult, answer
from populace.core.result import Estimate
from populace.sim.experiment.design import Experiment, Hypothesis, OutcomeQuery

SCHEMA = Path(__file__).parents[2] / "sim/experiment/merged.sql"


@dataclass
class Merged:
    """A merged file in memory."""

    con: duckdb.DuckDBPyConnection
    is_live: bool = False

    def query(self, sql: str, params: Any = ()) -> QueryResult:
        return answer(self.con, sql, params, None)


def merged(values: dict[str, list[float]], *, hypotheses: str = "", paired: bool = True, design: str = "") -> Merged:
    con = duckdb.connect()
    con.execute(SCHEMA.read_text())
    written = f'{{"people_design": "{design}"}}' if design else "{}"
    con.execute("INSERT INTO experiment VALUES ('e', 's', ?, ?, .05, 'holm', 3, false)", [written, paired])
    con.execute("INSERT INTO outcomes VALUES (1, 'y', 'SELECT 1', 'How much')")
    for place, (arm, means) in enumerate(values.items(), 1):
        con.execute("INSERT INTO arms VALUES (?, ?, '{}')", [place, arm])
        for factor, level in (part.split("=") for part in arm.split(",") if "=" in part):
            con.execute("INSERT INTO levels VALUES (?, ?, ?, ?)", [arm, factor, level, place])
        for replicate, mean in enumerate(means, 1):
            # Two agents, of whom one counts three times as much.
            for agent, value, weight in (("a", mean + 3, 1.0), ("b", mean - 1, 3.0)):
                row = ["y", arm, replicate, agent, agent.upper(), value, weight]
                con.execute("INSERT INTO outcome_values VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    if hypotheses:
        con.execute(f"INSERT INTO hypotheses VALUES {hypotheses}")
    return Merged(con)


def test_arms_are_compared_over_runs_paired_by_replicate() -> None:
    found = read_findings(merged({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 5.0]}))
    (effect,) = [one for one in found.effects if one.kind == "arm"]
    # Differences 1, 2, 1: mean 4/3, standard error 1/3, t(2) = 4.
    assert effect.estimate == pytest.approx(4 / 3)
    assert [effect.low, effect.high] == pytest.approx([(4 - 4.302653) / 3, (4 + 4.302653) / 3])
    assert effect.p == pytest.approx(0.0571910)


def test_groups_are_explored_and_corrected_apart_from_hypotheses() -> None:
    stated = "(1, 'y', 'b', 'a', 'more', NULL, NULL, true)"
    found = read_findings(merged({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 5.0]}, hypotheses=stated))
    (hypothesis,) = [one for one in found.effects if one.kind == "hypothesis"]
    assert hypothesis.is_registered
    assert hypothesis.p == hypothesis.p_adjusted == pytest.approx(0.0571910 / 2)
    backwards = read_findings(merged({"b": [2.0, 4.0, 5.0], "a": [1.0, 2.0, 4.0]}, hypotheses=stated))
    assert not [one for one in backwards.effects if one.kind == "arm"], "a hypothesis turned round is the same one"
    groups = [one for one in found.effects if one.kind == "group"]
    assert [one.group for one in groups] == ["A", "B"]
    assert [one.p_adjusted for one in groups] == [pytest.approx(2 * 0.0571910)] * 2


def test_without_pairs_the_test_is_welchs() -> None:
    found = compare({1: 1.0, 2: 2.0, 3: 3.0}, {1: 5.0, 2: 9.0, 3: 13.0, 4: 9.0}, paired=False, alpha=0.05)
    assert found.estimate == -7
    # Standard error sqrt(1/3 + 8/3); Welch and Satterthwaite's degrees of freedom 9 / ((1/3)^2 / 2 + (8/3)^2 / 3).
    assert found.p == pytest.approx(2 * stats.t.sf(7 / math.sqrt(3), 9 / (1 / 18 + 64 / 27)))


def test_replicates_that_do_not_vary_have_no_p_value() -> None:
    found = compare({1: 1.5, 2: 2.5}, {1: 1.0, 2: 2.0}, paired=True, alpha=0.05)
    assert found.estimate == 0.5
    assert math.isnan(found.p)
    assert math.isnan(compare({1: 1.0}, {1: 2.0}, paired=True, alpha=0.05).low)


def test_a_hypothesis_about_levels_is_looked_at_within_other_factors() -> None:
    values = {
        "price=1,model=x": [1.0, 2.0, 3.0],
        "price=1,model=y": [1.0, 2.0, 2.5],
        "price=2,model=x": [3.0, 4.5, 5.0],
        "price=2,model=y": [1.5, 2.0, 2.0],
    }
    found = read_findings(merged(values, hypotheses="(1, 'y', 'price=2', 'price=1', 'more', NULL, NULL, true)"))
    by_kind = {(one.kind, one.group): one.estimate for one in found.effects if one.against == "price=1"}
    assert by_kind["hypothesis", ""] == pytest.approx((2 + 2.5 + 2 + 0.5 + 0 - 0.5) / 6)
    assert by_kind["within", "model=x"] == pytest.approx(6.5 / 3)
    assert by_kind["within", "model=y"] == pytest.approx(0)
    assert by_kind["interaction", "model=y against model=x"] == pytest.approx(-6.5 / 3)


@pytest.mark.parametrize("correction", ["holm", "bonferroni", "fdr_bh"])
def test_p_values_are_corrected_as_by_statsmodels(correction: str) -> None:
    given = np.random.default_rng(1).random((20, 7)) ** 2
    given[:, 3] = given[:, 2]
    expected = [multipletests(row, method=correction)[1] for row in given]
    assert corrected_p(given, correction) == pytest.approx(np.array(expected))


def expecting(*hypotheses: Hypothesis, **options: Any) -> Experiment:
    outcomes = [OutcomeQuery("y", "SELECT 1")]
    return Experiment("a scenario", arms={"a": {}, "b": {}}, outcomes=outcomes, hypotheses=hypotheses, **options)


def power_of(*hypotheses: Hypothesis, **options: Any) -> dict[str, Estimate]:
    return {row["replicates"]: row["power"] for row in simulate_power(expecting(*hypotheses, **options))}


def test_power_is_that_of_the_t_test() -> None:
    found = power_of(Hypothesis("y", "b", "a", effect=1.0, sd=1.0), replicates=10)
    # G*Power 3.1, one sample, two-sided: .803 at 10, .989 at 20.
    assert found["10"].low < 0.803 < found["10"].high  # type: ignore[operator]
    assert found["20"].value == pytest.approx(0.989, abs=0.01)
    null = power_of(Hypothesis("y", "b", "a", effect=0.0, sd=1.0))
    assert null["5"].value == pytest.approx(0.05, abs=0.015)
    with pytest.raises(SetupError, match="states no standard deviation"):
        power_of(Hypothesis("y", "b", "a", effect=1.0))


def test_power_of_runs_with_people_of_their_own_is_that_of_welchs_test() -> None:
    found = power_of(Hypothesis("y", "b", "a", effect=1.0, sd=1.0), paired=False, replicates=8)
    assert found["20"].value == pytest.approx(TTestIndPower().power(1.0, nobs1=20, alpha=0.05), abs=0.03)
    rng = np.random.default_rng(7)
    tested = stats.ttest_ind(rng.normal(1, 1, (4_000, 8)), rng.normal(0, 1, (4_000, 8)), axis=1, equal_var=False)
    assert found["8"].value == pytest.approx((tested.pvalue < 0.05).mean(), abs=0.03)


@dataclass
class Reactions:
    """Runs of two arms in which people react in their own way: sd of people, runs and single answers."""

    people: float
    runs: float
    single: float
    agents: int = 40

    def drawn(self, rng: np.random.Generator, replicates: int, effect: float = 0, *, new: bool) -> Any:
        """The difference between the arms, by agent and replicate."""
        shape = (self.agents, replicates)
        reaction = rng.normal(0, self.people, shape if new else (self.agents, 1))
        return effect + reaction + rng.normal(0, self.runs, (1, replicates)) + rng.normal(0, self.single, shape)

    def p(self, rng: np.random.Generator, replicates: int, design: str, effect: float = 0) -> float:
        table = self.drawn(rng, replicates, effect, new=design == "new")
        means, nothing = dict(enumerate(table.mean(axis=0))), dict.fromkeys(range(replicates), 0.0)
        found = compare(means, nothing, paired=True, alpha=0.05)
        return found.p

    def found(self, replicates: int, design: str, times: int, effect: float = 0) -> float:
        rng = np.random.default_rng([replicates, times, int(10 * self.people), int(10 * self.runs)])
        return float(np.mean([self.p(rng, replicates, design, effect) < 0.05 for _ in range(times)]))


@pytest.mark.parametrize("replicates", [3, 20])
def test_reactions_that_differ_by_person_are_no_effect(replicates: int) -> None:
    # Tested over runs of the same people alone, they were one in 13 % and 66 %.
    reactions = Reactions(people=1, runs=0.1, single=1)
    assert reactions.found(replicates, "new", 400) < 0.085
    assert reactions.found(replicates, "fixed", 200) > 0.08


@pytest.mark.slow
@pytest.mark.parametrize(
    "reactions", [Reactions(1, 0, 1), Reactions(1, 0.1, 1), Reactions(1, 0.3, 1), Reactions(1, 1, 1)]
)
@pytest.mark.parametrize("replicates", [3, 5, 20])
def test_five_of_a_hundred_effects_are_false(reactions: Reactions, replicates: int) -> None:
    """The table in docs/experiments.md."""
    found = reactions.found(replicates, "new", 1_500)
    # An error of 0.6 points.
    assert 0.035 < found < 0.065


def test_power_is_what_the_analysis_of_such_experiments_finds() -> None:
    reactions = Reactions(people=1, runs=0.2, single=0)
    promised = power_of(Hypothesis("y", "b", "a", effect=0.4, sd=math.sqrt(0.2**2 + 1 / 40)))
    assert promised["5"].value == pytest.approx(reactions.found(5, "new", 600, effect=0.4), abs=0.06)


def test_verdicts_over_runs_of_the_same_people_say_so() -> None:
    values = {"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 5.0]}
    stated = "(1, 'y', 'b', 'a', 'more', NULL, NULL, true)"
    found = {design: read_findings(merged(values, hypotheses=stated, design=design)) for design in ("new", "fixed", "")}
    assert {design: one.effects[0].verdict(0.05) for design, one in found.items()} == {
        "new": "found",
        "fixed": "found, for these people",
        "": "found, for these people",
    }
    assert "these people only" in found["fixed"].scope


def test_replicates_that_share_people_for_want_of_more_say_so() -> None:
    reader = merged({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 5.0]}, design="new")
    reader.con.execute(
        "CREATE TABLE agents AS SELECT arm, r AS replicate, (r % 2)::TEXT AS agent FROM arms, range(1, 4) AS t(r)"
    )
    found = read_findings(reader)
    assert "2 fill 3 places. Verdicts concern these people only" in found.scope
    assert all(one.is_for_these_people for one in found.effects)


def test_what_was_found_is_a_result_with_effects_by_kind() -> None:
    found = describe_findings(read_findings(merged({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 5.0]})))
    assert [row["arm"] for row in found] == ["a", "b"]
    effect = found["Other arms"].value
    assert (effect["arm"], effect["against"], effect["runs"]) == ("b", "a", 3)
    assert effect["difference"].value == pytest.approx(4 / 3)


@pytest.fixture(scope="module")
def reported() -> Merged:
    """A merged file with odd names, a measure over two steps, and answers to a survey."""
    stated = "(1, 'y', '<b>', 'a', 'more', NULL, NULL, false)"
    reader = merged({"a": [1.0, 2.0, 4.0], "<b>": [2.0, 4.0, 5.0]}, hypotheses=stated)
    con = reader.con
    con.execute("UPDATE experiment SET name = '<script>alert(1)</script>'")
    con.execute(
        "INSERT INTO manipulation_checks VALUES ('said', '<b>', 1, 4, 0, 3, false), ('said', 'a', 1, 2, 0, 3, true)"
    )
    con.execute(
        "CREATE TABLE measures AS SELECT arm, replicate, step, 'reach' AS name, (replicate * step)::DOUBLE AS value "
        "FROM arms, range(1, 4) AS r(replicate), range(1, 3) AS s(step)"
    )
    con.execute("CREATE TABLE interventions AS SELECT 'a' AS arm, 1 AS replicate, 2 AS step, 'flood' AS name")
    return reader


def test_the_report_of_an_experiment_shows_what_was_expected_and_that_no_model_was_asked(reported: Merged) -> None:
    page = render_experiment(reported)
    text = re.sub(r"<[^>]+>", " ", page.partition("<body>")[2])
    assert "No language model was asked" in text
    said = "&lt;b&gt; (more) against a: +1.333 (-0.1009 to 2.768), p = 0.029: found, for these people, stated after the"
    assert f"{said} first run" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "<b>" not in page.partition("<main>")[2].replace("<b><bdi>", "")
    assert re.search(r"said\s+&lt;b&gt;\s+1\s+0", text)
    assert 'class="flag">registered' not in page


def test_curves_of_a_measure_are_means_over_runs_with_their_intervals(reported: Merged) -> None:
    findings = read_findings(reported)
    (curve,) = read_curves(reported, findings.alpha, ["a", "<b>"])
    assert curve.title == "reach: measured after each step, by arm"
    answer = reported.query(curve.sql).rows
    assert [(step, arm, mean, sd, runs) for _, arm, step, mean, sd, runs in answer] == [
        (step, arm, 2.0 * step, 1.0 * step, 3) for arm in ("<b>", "a") for step in (1, 2)
    ]
    # 2 * step, and t(2) = 4.302653 times step / sqrt(3).
    assert "a, step 2: 4 (-0.9683 to 8.968), 3 runs" in curve.wide
    assert "flood (a)" in curve.wide


def test_a_report_of_an_experiment_is_written_over_that_of_the_same_one_alone(reported: Merged, tmp_path: Path) -> None:
    page = write_report(reported, tmp_path / "page.html", run_file="experiment.duckdb")
    assert write_report(reported, page) == page
    with pytest.raises(SetupError, match="is there already and is no report of the same experiment"):
        write_report(merged({"a": [1.0], "b": [2.0]}), page)

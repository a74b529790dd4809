"""What experiments find: t tests over runs, corrected; robustness; power; and tables for other tools."""

import csv
import gc
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from scipy import stats

from populace.analysis.experiment.benchmark import nearness, read_benchmark
from populace.analysis.experiment.effects import compare, corrected_p, read_findings
from populace.analysis.experiment.models import table_of_models, told_of_models
from populace.analysis.experiment.power import simulated_power
from populace.analysis.experiment.tables import write_tables
from populace.analysis.report import write_report
from populace.analysis.report.experiment import render_experiment
from populace.analysis.report.experiment_curves import curves
from populace.personas.errors import SetupError
from populace.personas.query import Result, answer
from populace.sim.experiment.design import Hypothesis

SCHEMA = Path(__file__).parents[2] / "sim/experiment/merged.sql"


@pytest.fixture(autouse=True)
def without_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holm's method of statsmodels looks for garbage in the whole process, which takes long among all tests."""
    monkeypatch.setattr(gc, "collect", int)


@dataclass
class Merged:
    """A merged file in memory."""

    con: duckdb.DuckDBPyConnection
    is_live: bool = False

    def query(self, sql: str, params: Any = ()) -> Result:
        return answer(self.con, sql, params, None)


def merged(values: dict[str, list[float]], *, hypotheses: str = "", paired: bool = True) -> Merged:
    con = duckdb.connect()
    con.execute(SCHEMA.read_text())
    con.execute("INSERT INTO experiment VALUES ('e', 's', '{}', ?, .05, 'holm', 3, false)", [paired])
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
    assert [effect.mean, effect.mean_against] == pytest.approx([11 / 3, 7 / 3])
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


def test_p_values_are_corrected_by_holm() -> None:
    assert corrected_p([0.01, 0.04, 0.03], "holm") == pytest.approx([0.03, 0.06, 0.06])


def test_power_is_that_of_the_t_test() -> None:
    stated = [Hypothesis("y", "b", "a", effect=1.0, sd=1.0)]
    common: dict[str, Any] = {"paired": True, "alpha": 0.05, "correction": "holm"}
    found = {one.replicates: one for one in simulated_power(stated, replicates=10, **common)}
    # G*Power 3.1, one sample, two-sided: .803 at 10, .989 at 20.
    assert found[10].low < 0.803 < found[10].high
    assert found[20].power == pytest.approx(0.989, abs=0.01)
    null = [Hypothesis("y", "b", "a", effect=0.0, sd=1.0)]
    assert simulated_power(null, replicates=5, **common)[1].power == pytest.approx(0.05, abs=0.015)
    with pytest.raises(SetupError, match="states no standard deviation"):
        simulated_power([Hypothesis("y", "b", "a", effect=1.0)], replicates=5, **common)


def test_a_pilot_gives_the_standard_deviation() -> None:
    pilot = read_findings(merged({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 5.0]}))
    stated = [Hypothesis("y", "b", "a", effect=1.0)]
    (first, *_) = simulated_power(stated, replicates=5, paired=True, alpha=0.05, correction="holm", pilot=pilot)
    assert first.sd == pytest.approx(math.sqrt(1 / 3))
    # Without pairs it is that of the replicates of an arm: variances 7/3 and 7/3.
    alone = read_findings(merged({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 5.0]}, paired=False))
    (first, *_) = simulated_power(stated, replicates=5, paired=False, alpha=0.05, correction="holm", pilot=alone)
    assert first.sd == pytest.approx(math.sqrt(7 / 3))


def test_tables_for_other_tools_hold_every_value(tmp_path: Path) -> None:
    reader = merged({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 5.0]})
    found = read_findings(reader)
    write_tables(reader, found, tmp_path / "csv")
    with (tmp_path / "csv" / "outcomes.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12
    with (tmp_path / "csv" / "codebook.csv").open() as file:
        named = {(row["file"], row["name"]) for row in csv.DictReader(file)}
    assert {("effects.csv", "p_adjusted"), ("outcome", "y"), ("runs.csv", "seed")} <= named
    pandas = pytest.importorskip("pandas")
    write_tables(reader, found, tmp_path / "dta", "stata")
    assert list(pandas.read_stata(tmp_path / "dta" / "outcomes.dta")["value"])[:2] == [4.0, 0.0]
    with pytest.raises(SetupError, match="is there already"):
        write_tables(reader, found, tmp_path / "csv")


def test_checks_of_models_are_in_page_and_tables_and_are_told_as_properties_of_models(tmp_path: Path) -> None:
    reader = merged({"a": [1.0, 2.0], "b": [2.0, 4.0]})
    reader.con.execute(
        """
        INSERT INTO model_checks VALUES
        (1, 'm1', 'agreement', 'share', .5, .8, .7, .9, .64, 97, 96, 96, 'source', 'm1 agrees with <80%>.', ''),
        (2, 'm2', 'agreement', '', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, '', '', 'm2 is no language model.')
        """
    )
    found = read_findings(reader)
    assert told_of_models(found.model_checks) == ["m1 agrees with <80%>.", "m2 is no language model."]
    assert table_of_models(found.model_checks).rows == [("m1", "agreement", 0.8, 0.7, 0.9, 0.5, 0.64, 97, 96)]
    page = render_experiment(reader)
    assert "They are properties of the models, and say nothing about people." in page
    assert "m1 agrees with &lt;80%&gt;." in page
    assert "m2 is no language model." in page
    write_tables(reader, found, tmp_path / "csv")
    with (tmp_path / "csv" / "model_checks.csv").open() as file:
        assert [row["got"] for row in csv.DictReader(file)] == ["0.8", ""]


def surveyed(answers: dict[str, list[int]]) -> Merged:
    """A merged file in which the agents of two arms gave these answers on a scale of 1 to 5."""
    reader = merged({"a": [1.0], "b": [2.0]})
    con = reader.con
    con.execute("UPDATE experiment SET replicates = 1")
    con.execute(
        "CREATE TABLE surveys AS SELECT 'trust' AS item, 'likert' AS type, 1e0 AS low, 5e0 AS high, "
        "[]::TEXT[] AS options"
    )
    con.execute("CREATE TABLE agents (arm TEXT, replicate INT, agent TEXT, group_name TEXT, weight DOUBLE)")
    con.execute(
        "CREATE TABLE answers (arm TEXT, replicate INT, agent TEXT, item TEXT, step INT, value TEXT, number DOUBLE, "
        "outcome TEXT, repetition INT)"
    )
    for arm, numbers in answers.items():
        for place, number in enumerate(numbers):
            con.execute("INSERT INTO agents VALUES (?, 1, ?, 'town', 1.0)", [arm, f"{place}"])
            con.execute("INSERT INTO answers VALUES (?, 1, ?, 'trust', 3, '0', ?, 'ok', 0)", [arm, f"{place}", number])
    return reader


def test_answers_are_held_against_peoples_with_the_noise_between_samples(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("item,value,n,group\ntrust,1,30,town\ntrust,3,40,town\ntrust,5,30,village\n")
    reader = surveyed({"a": [1] * 3 + [3] * 4 + [5] * 3, "b": [5] * 10})
    found = {(one.arm, one.group): one for one in nearness(reader, read_benchmark(people))}
    assert found["a", ""].distance == 0
    # All have to move from 1 and 3 to 5: (.3 * 4 + .4 * 2) of a range of 4.
    assert found["b", ""].distance == pytest.approx(0.5)
    assert (found["a", ""].is_within, found["b", ""].is_within) == (True, False)
    assert 0 < found["b", ""].ceiling < found["b", ""].ceiling_95 < 0.5
    assert (found["b", ""].answers, found["b", ""].people) == (10, 100)
    assert found["b", "town"].people == 70
    assert ("b", "village") not in found


def test_an_item_that_was_not_asked_and_a_malformed_row_are_named(tmp_path: Path) -> None:
    people = tmp_path / "people.jsonl"
    people.write_text('{"item": "trusst", "value": 1}\n')
    with pytest.raises(SetupError, match="did you mean 'trust'"):
        nearness(surveyed({"a": [1]}), read_benchmark(people))
    people.write_text('{"item": "trust", "value": 1}\n{"item": "trust", "value": 2, "n": "many"}\n')
    with pytest.raises(SetupError, match="line 2 says that 'many' people"):
        read_benchmark(people)
    people.write_text('{"item": "trust", "value": 1}\n{"item": "trust", "value": "no idea"}\n')
    with pytest.raises(SetupError, match="takes a number from 1 to 5; people's answers hold 'no idea'"):
        nearness(surveyed({"a": [1]}), read_benchmark(people))
    people.write_text('{"item": "trust", "value": 1, "n": 3}\n{"item": "trust", "value": 2, "share": 0.5}\n')
    with pytest.raises(SetupError, match="line 2 mixes `n` and `share`"):
        read_benchmark(people)


def test_weights_and_repeated_answers_do_not_make_the_sample_of_agents_larger(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("item,value,n\ntrust,1,30\ntrust,3,40\ntrust,5,30\n")
    (alone,) = nearness(surveyed({"a": [1, 3, 3, 5]}), read_benchmark(people))
    reader = surveyed({"a": [1, 3, 3, 5]})
    reader.con.execute("INSERT INTO answers SELECT * REPLACE (1 AS repetition, 5 AS number) FROM answers")
    reader.con.execute("UPDATE agents SET weight = 250")
    assert nearness(reader, read_benchmark(people)) == [alone]
    reader.con.execute("UPDATE agents SET weight = 1 WHERE agent <> '0'")
    (uneven,) = nearness(reader, read_benchmark(people))
    # One agent counts for nearly all: 253^2 / 62503 is one answer.
    assert (uneven.answers, uneven.ceiling > alone.ceiling) == (4, True)


def test_shares_of_groups_are_no_numbers_of_people(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("item,value,share,group\ntrust,1,40,town\ntrust,3,60,town\ntrust,1,50,hills\ntrust,5,50,hills\n")
    (found,) = nearness(surveyed({"a": [1] * 4 + [3] * 6}), read_benchmark(people))
    assert (found.group, found.distance, found.people) == ("town", 0, 1_000)


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
    assert "&lt;b&gt; (more) against a: +1.333 (-0.1009 to 2.768), p = 0.029: found, stated after the first run" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "<b>" not in page.partition("<main>")[2].replace("<b><bdi>", "")
    assert re.search(r"said\s+&lt;b&gt;\s+0 of 1", text)
    assert 'class="flag">registered' not in page


def test_curves_of_a_measure_are_means_over_runs_with_their_intervals(reported: Merged) -> None:
    findings = read_findings(reported)
    (curve,) = curves(reported, findings, ["a", "<b>"])
    assert curve.title == "reach: measured after each step, by arm"
    answer = reported.query(curve.sql).rows
    assert [(step, arm, mean, sd, runs) for _, arm, step, mean, sd, runs in answer] == [
        (step, arm, 2.0 * step, 1.0 * step, 3) for arm in ("<b>", "a") for step in (1, 2)
    ]
    # 2 * step, and t(2) = 4.302653 times step / sqrt(3).
    assert "a, step 2: 4, -0.9683 to 8.968 (3 runs)" in curve.wide
    assert "flood (a)" in curve.wide


def test_curves_of_the_state_are_means_over_agents_by_weight_and_then_over_runs() -> None:
    reader = merged({"a": [1.0, 2.0], "b": [2.0, 4.0]})
    reader.con.execute(
        """
        CREATE TABLE runs_of AS SELECT arm, replicate FROM arms, range(1, 3) AS r(replicate);
        CREATE TABLE steps AS SELECT arm, replicate, step FROM runs_of, range(1, 4) AS s(step);
        CREATE TABLE agents AS SELECT arm, replicate, agent, weight, arrived FROM runs_of,
            (VALUES ('x', 1.0, 0), ('y', 3.0, 0), ('z', 1.0, 2)) AS g(agent, weight, arrived);
        CREATE TABLE agent_changes AS SELECT arm, replicate, 'x' AS agent, 3 AS step, 'departed' AS change FROM runs_of;
        CREATE TABLE agent_state AS SELECT arm, replicate, step, agent, name, value::JSON AS value FROM runs_of, (VALUES
            (0, 'x', 'coins', '0'), (0, 'y', 'coins', '4'), (2, 'y', 'coins', '8'), (2, 'z', 'coins', '6'),
            (0, 'x', 'ill', 'false'), (1, 'x', 'ill', 'true'), (0, 'y', 'ill', 'false'), (0, 'x', 'said', '"no"'),
            (1, 'x', 'said', '"yes"'), (0, 'x', 'fixed', '3')) AS s(step, agent, name, value)
        """
    )
    coins, ill = curves(reader, read_findings(reader), ["a", "b"])
    assert coins.title == "coins: mean over agents after each step, by arm"
    found = {(name, arm, step): mean for name, arm, step, mean, *_ in reader.query(coins.sql).rows}
    # x leaves at step 3, z comes at step 2; the others hold what they held.
    assert [found["coins", "a", step] for step in range(4)] == [3.0, 3.0, 30 / 5, 30 / 4]
    assert [found["ill", "b", step] for step in range(4)] == [0, 0.25, 0.25, 0]
    assert ill.title.startswith("ill")


def test_a_report_of_an_experiment_is_written_over_that_of_the_same_one_alone(reported: Merged, tmp_path: Path) -> None:
    page = write_report(reported, tmp_path / "page.html", run_file="experiment.duckdb")
    assert write_report(reported, page) == page
    with pytest.raises(SetupError, match="is there already and is no report of the same experiment"):
        write_report(merged({"a": [1.0], "b": [2.0]}), page)

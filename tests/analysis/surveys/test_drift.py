"""Drift is the distance from the profile, and variance collapse a spread that is smaller than that of the profiles."""

from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import orjson
import pytest

from populace.analysis.surveys import has_answers, read_drift
from populace.core.result import Result

from .conftest import Answered

SCHEMA = """
CREATE TABLE jobs (job INTEGER, status VARCHAR, is_language_model BOOLEAN);
INSERT INTO jobs VALUES (1, 'finished', true), (2, 'paused', false);
CREATE TABLE agents (agent VARCHAR, weight DOUBLE);
CREATE TABLE surveys (job INTEGER, survey VARCHAR, step INTEGER);
CREATE TABLE answers (
    job INTEGER, survey VARCHAR, step INTEGER, agent VARCHAR, item VARCHAR, replicate INTEGER, value VARCHAR,
    outcome VARCHAR, model VARCHAR
);
"""
PROFILES = (
    'CREATE TABLE profiles (persona VARCHAR, openness TINYINT, household VARCHAR, "values" VARCHAR[], evidence JSON)'
)
#: Twenty people, from very low to very high, alone or as couples.
PEOPLE = [(f"p{n}", n % 5 + 1, ("alone", "couple")[n % 2]) for n in range(20)]


class File:
    """A file with the answers to the questionnaire."""

    is_live = False

    def __init__(self, *, has_profiles: bool = True) -> None:
        self.con = duckdb.connect()
        self.con.execute(SCHEMA)
        self.con.executemany("INSERT INTO agents VALUES (?, 1)", [[agent] for agent, *_ in PEOPLE])
        if has_profiles:
            self.con.execute(PROFILES)
            evidence = {"openness": {"evidence": "assumed"}, "household": {"evidence": "stated"}}
            rows = [
                [agent, openness, household, ["power", "security"], orjson.dumps(evidence).decode()]
                for agent, openness, household in PEOPLE
            ]
            self.con.executemany("INSERT INTO profiles VALUES (?, ?, ?, ?, ?)", rows)

    def query(self, sql: str, params: Any = ()) -> Answered:
        given = {name: value for name, value in params.items() if f"${name}" in sql} if params else None
        found = self.con.execute(sql, given)
        return Answered(found.fetchall(), [column[0] for column in found.description or ()])

    def answer(self, item: str, values: list[Any], *, step: int = 0, job: int = 1) -> None:
        self.con.execute("INSERT INTO surveys VALUES (?, 'identity', ?)", [job, step])
        rows = [
            [
                job,
                step,
                agent,
                item,
                None if v is None else orjson.dumps(v).decode(),
                "dont_know" if v is None else "ok",
            ]
            for (agent, *_), v in zip(PEOPLE, values, strict=True)
        ]
        self.con.executemany("INSERT INTO answers VALUES (?, 'identity', ?, ?, ?, 0, ?, ?, 'openai:m')", rows)


def drift(report: Result, attribute: str, basis: str = "all") -> Any:
    row = next(row for row in report if (row["attribute"], row["known_by"]) == (attribute, basis))
    return SimpleNamespace(**row)


def spreads(report: Result) -> list[Any]:
    return [SimpleNamespace(**row) for row in report["Spread"]]


def test_who_answers_as_its_profile_does_not_drift_and_does_not_collapse() -> None:
    file = File()
    file.answer("openness", [openness for _, openness, _ in PEOPLE])
    file.answer("household", [household for *_, household in PEOPLE])
    report = read_drift(file)
    assert [(row["drift"].value, row["same"]) for row in report] == [(0.0, 1.0)] * 5
    assert [one.ratio.value for one in spreads(report) if one.ratio] == [1.0, 1.0]


def test_who_all_answer_alike_drift_and_collapse() -> None:
    file = File()
    file.answer("openness", [3] * 20)
    file.answer("household", ["alone"] * 20)
    report = read_drift(file)
    far = [abs(openness - 3) / 4 for _, openness, _ in PEOPLE]
    assert drift(report, "openness").drift.value == pytest.approx(np.mean(far))
    assert drift(report, "openness").same == pytest.approx(0.2)
    assert drift(report, "household").drift.value == pytest.approx(0.5)
    assert drift(report, "(all)").drift.value == pytest.approx((np.mean(far) + 0.5) / 2)
    assert drift(report, "(all)", "assumed").drift.value == pytest.approx(np.mean(far))
    assert drift(report, "(all)", "stated or implied").drift.value == pytest.approx(0.5)
    assert [one.ratio.value for one in spreads(report) if one.ratio] == [0.0, 0.0]
    interval = drift(report, "household").drift
    assert 0.2 < interval.low < 0.5 < interval.high < 0.8


def test_agents_count_by_their_weights() -> None:
    file = File()
    file.con.execute("UPDATE agents SET weight = 3 WHERE CAST(agent[2:] AS INTEGER) % 5 = 4")
    # Those with an openness of 5 answer 3, and the others as their profiles have it.
    answers = [3 if openness == 5 else openness for _, openness, _ in PEOPLE]
    file.answer("openness", answers)
    file.answer("household", ["alone" if openness == 5 else household for _, openness, household in PEOPLE])
    report = read_drift(file)
    # Four agents of weight 3 are two fourths of the scale off, sixteen of weight 1 are not.
    assert drift(report, "openness").drift.value == pytest.approx(0.5 * 12 / 28)
    assert drift(report, "openness").same == pytest.approx(16 / 28)
    weights = np.array([3.0 if openness == 5 else 1.0 for _, openness, _ in PEOPLE])
    below = weights.sum() - (weights**2).sum() / weights.sum()
    mean = np.average(answers, weights=weights)
    openness, household = spreads(report)
    assert openness.answers == pytest.approx(((answers - mean) ** 2 * weights).sum() / below)
    # Of pairs of different agents, by the products of their weights: couples are eight of the sixteen.
    assert household.answers == pytest.approx(2 * 8 * 20 / (28**2 - 52))
    assert "count by their weights" in dict(report.notes)["weights"]


def test_the_spread_of_half_the_range_is_a_quarter_of_the_variance() -> None:
    file = File()
    file.answer("openness", [3 + (openness - 3) / 2 for _, openness, _ in PEOPLE])
    (spread,) = spreads(read_drift(file))
    assert spread.ratio is not None
    assert spread.ratio.value == pytest.approx(0.25)
    assert spread.ratio.low == pytest.approx(0.25)


def test_one_of_the_values_of_a_profile_is_enough_and_not_knowing_is_no_drift() -> None:
    file = File()
    file.answer("values", ["security"] * 10 + ["power"] * 5 + ["hedonism"] * 4 + [None])
    report = read_drift(file)
    assert drift(report, "values").respondents == 19
    assert drift(report, "values").drift.value == pytest.approx(4 / 19)
    said = dict(report.notes)["unanswered"]
    assert said == '5.0% of the items were answered with "don\'t know"; 0.0% were not answered.'


def test_waves_are_told_apart() -> None:
    file = File()
    file.answer("household", [household for *_, household in PEOPLE])
    file.answer("household", ["alone"] * 20, step=4)
    report = read_drift(file)
    assert [(row["step"], row["drift"].value) for row in report if row["attribute"] == "household"] == [
        (0, 0.0),
        (4, 0.5),
    ]


def test_without_profiles_only_the_spread_is_told_and_that_is_said() -> None:
    file = File(has_profiles=False)
    file.answer("openness", [3] * 20)
    report = read_drift(file)
    assert not report.rows
    assert [(one.profiles, one.ratio) for one in spreads(report)] == [(None, None)]
    assert "The run holds no profiles, so answers could not be compared" in dict(report.notes)["no_profiles"]
    assert [table.title.partition(":")[0] for table in report.tables] == ["Spread"]


def test_only_what_was_asked_to_its_end_counts_as_asked() -> None:
    file = File()
    assert not has_answers(file)
    file.answer("openness", [3] * 20, job=2, step=4)
    assert not has_answers(file)
    file.answer("openness", [3] * 20, step=2)
    assert has_answers(file)

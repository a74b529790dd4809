"""Tables of answers: weighted, with intervals, by group, with non-response and reliability."""

import math
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from scipy.stats import binomtest, kendalltau, pearsonr, t

from populace.analysis.surveys import (
    ItemTable,
    describe_surveys,
    read_surveys,
    weighted_mean,
    weighted_share,
)
from populace.core.errors import SetupError

from .conftest import Answered

SCHEMA = """
CREATE TABLE jobs (job INTEGER, is_language_model BOOLEAN);
INSERT INTO jobs VALUES (1, true), (2, false);
CREATE TABLE agents (agent VARCHAR, ordinal INTEGER, group_name VARCHAR, weight DOUBLE);
CREATE TABLE surveys (
    job INTEGER, survey VARCHAR, step INTEGER, item VARCHAR, ordinal INTEGER, type VARCHAR, text VARCHAR,
    options VARCHAR[], low DOUBLE, high DOUBLE
);
CREATE TABLE answers (
    job INTEGER, survey VARCHAR, step INTEGER, agent VARCHAR, item VARCHAR, replicate INTEGER, value VARCHAR,
    number DOUBLE, outcome VARCHAR, model VARCHAR
);
"""
AGENTS = [("a", "old", 1.0), ("b", "old", 3.0), ("c", "young", 1.0), ("d", "young", 1.0), ("e", None, 2.0)]


class File:
    """A file of surveys, as a reader answers about it."""

    is_live = False

    def __init__(self) -> None:
        self.con = duckdb.connect()
        self.con.execute(SCHEMA)
        for place, (agent, group, weight) in enumerate(AGENTS, start=1):
            self.con.execute("INSERT INTO agents VALUES (?, ?, ?, ?)", [agent, place, group, weight])

    def query(self, sql: str, params: Any = ()) -> Answered:
        given = {name: value for name, value in params.items() if f"${name}" in sql} if params else None
        return Answered(self.con.execute(sql, given).fetchall())

    def ask(self, item: str, kind: str, values: str, *, step: int = 0, replicate: int = 0, **told: Any) -> None:
        """Values by agent as JSON, divided by blanks; - for don't know and ! for none."""
        if not replicate:
            row = [1, "poll", step, item, 1, kind, "?", told.get("options", []), told.get("low"), told.get("high")]
            self.con.execute(f"INSERT INTO surveys VALUES ({', '.join('?' * len(row))})", row)
        for (agent, *_), value in zip(AGENTS, values.split(), strict=True):
            outcome = {"-": "dont_know", "!": "refusal"}.get(value, "ok")
            written = value if outcome == "ok" else None
            number = float(value) if written and kind in ("likert", "number") else None
            row = [1, "poll", step, agent, item, replicate, written, number, outcome, "openai:test"]
            self.con.execute(f"INSERT INTO answers VALUES ({', '.join('?' * len(row))})", row)


@pytest.fixture
def file() -> File:
    return File()


def only(file: File, **options: Any) -> ItemTable:
    return read_surveys(file, **options).items[0]


def test_a_mean_counts_respondents_by_their_weights(file: File) -> None:
    file.ask("q", "likert", "1 5 2 - !", low=1, high=5)
    found = only(file)
    assert (found.asked, found.answered, found.unsure, found.lost) == (5, 3, 1, 1)
    assert found.mean is not None
    assert found.mean.value == pytest.approx((1 + 3 * 5 + 2) / 5)
    assert [share.share.value for share in found.shares] == pytest.approx([0.2, 0.2, 0, 0, 0.6])


def test_with_equal_weights_the_interval_of_a_mean_is_students() -> None:
    values = [1.0, 2.0, 2.0, 4.0, 5.0, 5.0]
    found = weighted_mean([(value, 2.0) for value in values])
    mean = sum(values) / 6
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / 5 / 6)
    assert (found.low, found.high) == pytest.approx(t.interval(0.95, 5, mean, error))


def test_with_equal_weights_the_interval_of_a_share_is_wilsons() -> None:
    found = weighted_share([(n < 3, 0.5) for n in range(20)])
    wilson = binomtest(3, 20).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high))


def test_unequal_weights_widen_the_interval_as_fewer_respondents_would() -> None:
    weighted = weighted_share([(n % 2 == 0, 1.0 + 9 * (n < 2)) for n in range(20)])
    plain = weighted_share([(n % 2 == 0, 1.0) for n in range(20)])
    assert weighted.value == pytest.approx(plain.value)
    assert weighted.high - weighted.low > 1.5 * (plain.high - plain.low)  # type: ignore[operator]


def test_of_one_respondent_there_is_no_interval() -> None:
    assert weighted_mean([(3.0, 1.0)]).low is None
    assert weighted_share([(True, 1.0)]).high is None


def test_tables_are_made_of_each_group(file: File) -> None:
    file.ask("q", "number", "10 20 30 40 50")
    found = {one.group: one.mean.value for one in read_surveys(file, by="group").items if one.mean}
    assert found == {None: pytest.approx(240 / 8), "old": 17.5, "young": 35.0, "(none)": 50.0}


def test_ranks_have_a_place_and_a_share_of_those_who_put_them_first(file: File) -> None:
    file.ask("q", "rank", '["x","y"] ["y","x"] ["x","z"] ["x","y"] ["x","y"]', options=["x", "y", "z"])
    x, y, z = only(file).shares
    assert [one.share.value for one in (x, y, z)] == pytest.approx([5 / 8, 3 / 8, 0])
    assert x.place == pytest.approx((5 + 3 * 2) / 8)
    assert z.place == pytest.approx((7 * 3 + 1 * 2) / 8)


def test_reliability_is_measured_by_repeats_and_by_waves(file: File) -> None:
    file.ask("q", "likert", "1 5 2 4 3", low=1, high=5)
    file.ask("q", "likert", "2 5 2 3 1", replicate=1)
    file.ask("q", "likert", "1 5 2 4 -", step=2, low=1, high=5)
    repeats, waves = (SimpleNamespace(**row) for row in read_surveys(file).reliability)
    assert repeats.value == pytest.approx(pearsonr([1, 5, 2, 4, 3], [2, 5, 2, 3, 1])[0])
    assert (repeats.compared, repeats.respondents, repeats.same) == ("repeats after step 0", 5, 0.4)
    assert (waves.compared, waves.respondents, waves.same) == ("steps 0 and 2", 4, 1.0)
    assert waves.value == pytest.approx(1)
    file.ask("z", "likert", "1 5 - - -", low=1, high=5)
    file.ask("z", "likert", "- - 2 3 1", replicate=1)
    (nobody,) = (row for row in read_surveys(file).reliability if row["item"] == "z")
    assert (nobody["respondents"], nobody["same"], nobody["value"]) == (0, None, None)


def test_choices_agree_by_kappa_and_ranks_by_tau(file: File) -> None:
    file.ask("c", "choice", '"x" "x" "y" "y" "x"', options=["x", "y"])
    file.ask("c", "choice", '"x" "y" "y" "y" "x"', replicate=1)
    file.ask(
        "r", "rank", '["x","y","z"] ["x","y","z"] ["x","y","z"] ["x","y","z"] ["x","y","z"]', options=["x", "y", "z"]
    )
    file.ask("r", "rank", '["x","z","y"] ["x","z","y"] ["x","z","y"] ["x","z","y"] ["x","z","y"]', replicate=1)
    file.ask("p", "rank", '["x","y"] ["x","y"] ["x","y"] ["x","y"] ["x","y"]', options=["x", "y", "z", "w"])
    file.ask("p", "rank", '["x","z"] ["x","z"] ["x","z"] ["x","z"] ["x","z"]', replicate=1)
    found = {row["item"]: row["value"] for row in read_surveys(file).reliability}
    assert found["c"] == pytest.approx((0.8 - 0.48) / (1 - 0.48))
    assert found["r"] == pytest.approx(kendalltau([1, 2, 3], [1, 3, 2])[0])
    assert found["p"] == pytest.approx(kendalltau([1, 2, 3, 3], [1, 3, 2, 3])[0])


def test_what_is_told_names_items_and_who_answered(file: File) -> None:
    file.ask("q", "likert", "1 5 2 - !", low=1, high=5)
    tables = read_surveys(file)
    assert (tables.is_weighted, tables.models, tables.has_stand_in) == (True, ("openai:test",), False)
    answers = describe_surveys(tables)
    assert answers.shown.rows == [("poll", "q", "0", "all", "5", "3", "1", "1", "3.6 (-1.872 to 9.072)")]
    assert [row[4:6] for row in answers["Options"].rows if row[5]] == [("1", 1), ("2", 1), ("5", 1)]


def test_what_is_not_there_is_named(file: File) -> None:
    with pytest.raises(SetupError, match="Nobody in this run was asked a survey"):
        read_surveys(file)
    file.ask("q", "likert", "1 5 2 - !", low=1, high=5)
    with pytest.raises(SetupError, match=r"There is no survey 'pol' .did you mean 'poll'"):
        read_surveys(file, survey="pol")
    with pytest.raises(SetupError, match="cannot be grouped by 'age'; its people have no profiles, give group"):
        read_surveys(file, by="age")

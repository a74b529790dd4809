"""How near answers are to people's: distances with their intervals and tests, and how often the tests are wrong."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy import stats

from populace.analysis.experiment import benchmark
from populace.analysis.experiment.benchmark import (
    AgentAnswers,
    PeopleAnswers,
    SurveyedItem,
    compare_item,
    measure_distances,
    read_benchmark,
)
from populace.core.errors import SetupError
from populace.core.query import QueryResult, answer


class Surveyed:
    """A file in which the agents of arms, or of a run, answered items on a scale of 1 to 5."""

    def __init__(self, answers: Mapping[str, Sequence[float]], *, items: Sequence[str] = ("trust",)) -> None:
        self.con = duckdb.connect()
        has_arms = "" not in answers
        if has_arms:
            self.con.execute("CREATE TABLE arms AS SELECT 1 AS ordinal")
        repeat = "repetition" if has_arms else "replicate"
        self.con.execute(
            f"""
            CREATE TABLE surveys (item TEXT, type TEXT, low DOUBLE, high DOUBLE, options TEXT[]);
            CREATE TABLE agents (arm TEXT, {"replicate INT," * has_arms} agent TEXT, group_name TEXT, weight DOUBLE);
            CREATE TABLE answers (arm TEXT, {"replicate INT," * has_arms} job INT, survey TEXT, agent TEXT, item TEXT,
                                  step INT, value TEXT, number DOUBLE, outcome TEXT, {repeat} INT);
            """
        )
        run = "1, " * has_arms
        for item in items:
            self.con.execute("INSERT INTO surveys VALUES (?, 'likert', 1, 5, [])", [item])
        for arm, numbers in answers.items():
            each = "FROM (SELECT unnest(range(len($numbers))) AS agent, unnest($numbers) AS number)"
            given = {"arm": arm, "numbers": [float(one) for one in numbers]}
            self.con.execute(f"INSERT INTO agents SELECT $arm, {run} agent, 'town', 1 {each}", given)
            for item in items:
                self.con.execute(
                    f"INSERT INTO answers SELECT $arm, {run} 1, 'poll', agent, $item, 3, '0', number, 'ok', 0 {each}",
                    given | {"item": item},
                )

    def query(self, sql: str, params: Any = ()) -> QueryResult:
        return answer(self.con, sql, params, None)


def people(counts: Mapping[str, float], item: str = "trust") -> dict[tuple[str, str], PeopleAnswers]:
    return {(item, ""): PeopleAnswers(dict(counts))}


def counted(answers: Sequence[float]) -> dict[str, float]:
    values, numbers = np.unique(answers, return_counts=True)
    return {str(int(value)): float(number) for value, number in zip(values, numbers, strict=True)}


def measured(*args: Any, **options: Any) -> list[Any]:
    """The rows of the distances, with the ends of the interval as `low` and `high`."""
    rows = measure_distances(*args, **options)
    return [
        SimpleNamespace(
            **row | {"distance": row["distance"].value, "low": row["distance"].low, "high": row["distance"].high}
        )
        for row in rows
    ]


def compare(agents: Sequence[float], of_people: Sequence[float], **options: Any) -> Any:
    (found,) = measured(Surveyed({"": agents}), people(counted(of_people)), **options)
    return found


def test_distance_is_the_area_between_distributions_by_arm_and_group(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("item,value,n,group\ntrust,1,30,town\ntrust,3,40,town\ntrust,5,30,village\n")
    reader = Surveyed({"a": [1] * 3 + [3] * 4 + [5] * 3, "b": [5] * 10})
    found = {(one.arm, one.group): one for one in measured(reader, read_benchmark(path))}
    near, far = found["a", ""], found["b", ""]
    assert (near.distance, near.low, near.verdict) == (0, 0, "undecided")
    assert near.p > 0.9
    # All have to move from 1 and 3 to 5: (.3 * 4 + .4 * 2) of a range of 4.
    assert far.distance == pytest.approx(0.5)
    assert 0.2 < far.low < 0.5 < far.high < 0.8
    assert (far.p < 0.001, far.verdict, far.agents, far.people) == (True, "differs", 10, 100)
    assert found["b", "town"].people == 70
    assert ("b", "village") not in found


def test_a_distance_is_that_of_scipy() -> None:
    rng = np.random.default_rng(5)
    agents, of_people = rng.integers(1, 6, 40), rng.integers(2, 5, 90)
    found = compare(agents.tolist(), of_people.tolist())
    assert found.distance == pytest.approx(stats.wasserstein_distance(agents, of_people) / 4)


def test_p_values_of_two_options_are_those_of_fishers_mid_p_within_a_few_thousandths() -> None:
    # 12 of 40 against 45 of 90, conditional on the margins: P(more extreme) + P(as extreme) / 2.
    found = compare([1] * 12 + [5] * 28, [1] * 45 + [5] * 45)
    both = stats.hypergeom(130, 57, 40)
    gaps = np.abs(np.arange(41) / 40 - (57 - np.arange(41)) / 90)
    seen = gaps[12]
    probability = both.pmf(np.arange(41))
    mid_p = probability[gaps > seen + 1e-9].sum() + probability[np.abs(gaps - seen) < 1e-9].sum() / 2
    assert found.p == pytest.approx(mid_p, abs=0.006)


def test_equal_answers_have_equal_verdicts_whatever_stands_beside_them() -> None:
    rng = np.random.default_rng(2)
    answers, of_people = rng.integers(1, 6, 40).tolist(), counted(rng.integers(1, 5, 40).tolist())
    reader = Surveyed({"a": answers, "b": [1, 2], "c": answers}, items=("trust", "zeal"))
    found = measured(reader, people(of_people) | people(of_people, "zeal"), margin=0.2)
    one, other = ([(d.item, d.p, d.low, d.high, d.verdict) for d in found if d.arm == arm] for arm in "ac")
    assert one == other
    assert one[0][1] != one[1][1], "each item has a stream of its own"


def test_items_of_an_arm_are_corrected_together() -> None:
    items = [f"item {n}" for n in range(5)]
    reader = Surveyed({"": [1] * 14 + [5] * 26}, items=items)
    of_people = {key: one for item in items for key, one in people({"1": 50, "5": 40}, item).items()}
    found = measured(reader, of_people)
    assert min(one.p for one in found) < 0.05
    assert min(one.p_corrected for one in found) == pytest.approx(5 * min(one.p for one in found))


def test_answers_near_enough_are_equivalent_and_few_answers_are_undecided() -> None:
    rng = np.random.default_rng(3)
    many, few = rng.integers(1, 6, 2_000).tolist(), rng.integers(1, 6, 20).tolist()
    assert compare(many, many[::-1], margin=0.1).verdict == "equivalent"
    assert compare(few, many, margin=0.1).verdict == "undecided"
    far = compare([5] * 100, many, margin=0.1)
    assert (far.verdict, far.p_within_margin) == ("differs", 1.0)
    # Shown to differ, and shown to differ by less than matters.
    near = compare([1] * 9_400 + [5] * 10_600, [1] * 10_000 + [5] * 10_000, margin=0.1)
    assert near.p < 0.001
    assert near.verdict == "equivalent"
    for margin in (0, 1.5):
        with pytest.raises(SetupError, match="must lie between 0 and 1"):
            compare(few, many, margin=margin)


def test_people_who_all_say_the_same_have_an_error_too() -> None:
    found = compare([5] * 30, [5] * 26, margin=0.05)
    assert (found.distance, found.verdict) == (0, "undecided")
    assert 0.05 < found.high < 0.2
    assert compare([5] * 980 + [4] * 20, [5] * 26).verdict == "undecided"


def test_an_item_that_was_not_asked_and_a_malformed_row_are_named(tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    reader = Surveyed({"a": [1]})
    path.write_text('{"item": "trusst", "value": 1}\n')
    with pytest.raises(SetupError, match="did you mean 'trust'"):
        measured(reader, read_benchmark(path))
    path.write_text('{"item": "trust", "value": 1}\n{"item": "trust", "value": "no idea"}\n')
    with pytest.raises(SetupError, match="takes a number from 1 to 5; people's answers hold 'no idea'"):
        measured(reader, read_benchmark(path))
    for row, words in (
        ('{"item": "trust", "value": 2, "n": "many"}', "line 2 says that 'many' people"),
        ('{"item": "trust", "value": 2, "n": -1}', "line 2 says that -1 people"),
        ('{"item": "trust", "value": 2, "share": 0.5}', "line 2 mixes `n` and `share`"),
        ('{"item": "other", "value": 2, "n": 0}', "nobody answered 'other'"),
    ):
        path.write_text('{"item": "trust", "value": 1}\n' + row + "\n")
        with pytest.raises(SetupError, match=words):
            read_benchmark(path)


def test_repeated_answers_of_one_wave_count_once_and_weights_reduce_the_sample() -> None:
    rng = np.random.default_rng(4)
    answers, of_people = rng.integers(1, 6, 60).tolist(), people({"1": 30, "3": 40, "5": 30})
    (alone,) = measured(Surveyed({"a": answers}), of_people)
    reader = Surveyed({"a": answers})
    reader.con.execute("INSERT INTO answers SELECT * REPLACE (1 AS repetition, 5 AS number) FROM answers")
    reader.con.execute("UPDATE agents SET weight = 250")
    assert measured(reader, of_people) == [alone]
    reader.con.execute("UPDATE agents SET weight = exp(3 * sin(agent::INT))")
    (uneven,) = measured(reader, of_people)
    assert uneven.agents == 60
    assert uneven.noise > 1.2 * alone.noise


def test_answers_of_the_same_agents_in_several_runs_are_clustered() -> None:
    rng = np.random.default_rng(4)
    answers, of_people = rng.integers(1, 6, 60).tolist(), people({"1": 300, "3": 400, "5": 300})
    (alone,) = measured(Surveyed({"a": answers}), of_people)
    reader = Surveyed({"a": answers})
    for table in ("agents", "answers"):
        reader.con.execute(f"INSERT INTO {table} SELECT * REPLACE (2 AS replicate) FROM {table}")
    (same,) = measured(reader, of_people)
    assert same == alone, "agents who say the same again are no more agents"
    reader.con.execute("UPDATE agents SET agent = agent || 'b' WHERE replicate = 2")
    reader.con.execute("UPDATE answers SET agent = agent || 'b' WHERE replicate = 2")
    (more,) = measured(reader, of_people)
    assert (more.agents, more.noise < 0.8 * alone.noise) == (120, True)


def test_shares_are_no_numbers_of_people_and_weights_are_people(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("item,value,share,group\ntrust,1,40,town\ntrust,3,60,town\ntrust,1,50,hills\ntrust,5,50,hills\n")
    reader = Surveyed({"a": [1] * 4 + [3] * 6})
    (found,) = measured(reader, read_benchmark(path))
    assert (found.group, found.distance, found.people) == ("town", 0, 1_000)
    path.write_text("item,value,weight\n" + "trust,1,0.4\n" * 10 + "trust,3,1.2\n" * 5)
    (found,) = measured(reader, read_benchmark(path))
    # (4 + 6)^2 / (10 * .16 + 5 * 1.44)
    assert found.distance == pytest.approx(0)
    assert found.people == 11


def test_the_latest_wave_of_a_run_counts_and_a_survey_can_be_named() -> None:
    reader = Surveyed({"": [1] * 30})
    reader.con.execute("INSERT INTO answers SELECT * REPLACE (2 AS job, 'later' AS survey, 5 AS number) FROM answers")
    of_people = people({"5": 100})
    (found,) = measured(reader, of_people, margin=0.2)
    assert (found.distance, found.verdict) == (0, "equivalent")
    (found,) = measured(reader, of_people, margin=0.2, survey="poll")
    assert (found.distance, found.verdict) == (1, "differs")
    assert found.p_within_margin is not None


LIKERT = SurveyedItem("likert", 1, 5, [])
CHOICE = SurveyedItem("choice", None, None, ["4", "5"])
SKEWED = (0.02, 0.03, 0.1, 0.25, 0.6)


def share_that_differs(shares: Sequence[float], of_people: int, agents: int, times: int, *, spread: float = 0) -> float:
    """How often answers of people and of agents from one distribution are found to differ.

    With `spread`, agents have lognormal weights of that standard deviation, and answer by them.
    """
    rng = np.random.default_rng([of_people, agents, times, *(int(100 * share) for share in shares)])
    values = [str(value) for value in range(6 - len(shares), 6)]
    kind = LIKERT if len(shares) == 5 else CHOICE

    @cache
    def p_value(ours: tuple[tuple[float, float, float], ...], theirs: tuple[float, ...]) -> float:
        sums = {value: np.array(one) for value, one in zip(values, ours, strict=True) if one[0]}
        given = {value: number for value, number in zip(values, theirs, strict=True) if number}
        answers = AgentAnswers(sums, agents, agents)
        return compare_item(answers, PeopleAnswers(given), kind, "item")[2]

    found = 0
    for _ in range(times):
        drawn = rng.choice(len(shares), agents, p=shares)
        weight = np.exp(spread * rng.standard_normal(agents)) if spread else np.ones(agents)
        sums = np.array([[(weight**n)[drawn == k].sum() for n in (1, 2, 2)] for k in range(len(shares))])
        found += p_value(tuple(map(tuple, sums)), tuple(rng.multinomial(of_people, shares))) < 0.05
    return found / times


@pytest.fixture
def _fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_DRAWS", 2_000)


@pytest.mark.usefixtures("_fewer_draws")
@pytest.mark.parametrize(
    ("shares", "of_people", "agents"),
    [((0.02, 0.98), 26, 1_000), ((0.05, 0.95), 26, 1_000), ((0.5, 0.5), 26, 30), (SKEWED, 30, 30)],
)
def test_answers_from_one_distribution_are_seldom_found_to_differ(
    shares: Sequence[float], of_people: int, agents: int
) -> None:
    # It was 59, 27, 6 and 11 %; 500 repetitions have a standard error of one point.
    assert share_that_differs(shares, of_people, agents, 500) < 0.075


@pytest.mark.slow
@pytest.mark.usefixtures("_fewer_draws")
@pytest.mark.parametrize("agents", [30, 1_000])
@pytest.mark.parametrize("of_people", [26, 1_000])
@pytest.mark.parametrize("shares", [(0.02, 0.98), (0.2, 0.8), SKEWED])
def test_answers_from_one_distribution_differ_in_five_of_a_hundred(
    shares: Sequence[float], of_people: int, agents: int
) -> None:
    """The table in docs/experiments.md; where few people can give the rarer answer there are few p values."""
    times = 1_000
    found = share_that_differs(shares, of_people, agents, times)
    error = 3 * (0.05 * 0.95 / times) ** 0.5
    assert found < 0.06 + error
    if min(shares) * min(of_people, agents) >= 4:
        assert found > 0.04 - error


@pytest.mark.slow
@pytest.mark.usefixtures("_fewer_draws")
@pytest.mark.parametrize("agents", [100, 1_000])
def test_weighted_answers_from_one_distribution_differ_in_five_of_a_hundred(agents: int) -> None:
    for shares in ((0.05, 0.95), (0.5, 0.5), SKEWED):
        found = share_that_differs(shares, 100, agents, 1_000, spread=0.8)
        assert found < 0.08

"""Choosing at random, in proportion, equally and by quota."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from hub_people import reject
from hypothesis import strategies as st
from properties import holds

from populace.core.errors import SetupError
from populace.personas.hub import HubFile
from populace.personas.selection import Selection, SelectionSpec, parse_quota, select
from populace.personas.selection.spec import (
    allocate_equally,
    allocate_proportionally,
    draw_strata,
    draw_systematic,
    random_keys,
)

COUNTS = st.lists(st.integers(1, 10_000), min_size=1, max_size=40).map(lambda found: np.array(found, dtype=np.int64))
SEEDS = st.integers(0, 2**63 - 1)


def regions(hub: HubFile, selection: Selection) -> Counter[str | None]:
    known = dict(hub.con.execute("SELECT persona, region FROM profiles").fetchall())
    return Counter(known[persona] for persona in selection.ids)


@holds(COUNTS, st.data())
def test_proportional_shares_are_within_one_of_exact(counts: np.ndarray, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, int(counts.sum())))
    shares = allocate_proportionally(counts, n)
    assert shares.sum() == n
    assert (shares <= counts).all()
    assert (np.abs(shares - counts * n / counts.sum()) < 1).all()
    whole, rest = np.divmod(counts * n, counts.sum())
    rounded_up = shares > whole
    assert rest[rounded_up].min(initial=counts.sum()) >= rest[~rounded_up].max(initial=0)


@holds(COUNTS, st.integers(1, 100_000))
def test_equal_shares_differ_by_one_at_most(counts: np.ndarray, n: int) -> None:
    shares = allocate_equally(counts, n)
    assert shares.sum() == n
    assert shares.max() - shares.min() <= 1


@holds(st.lists(st.integers(0, 4), min_size=1, max_size=200), SEEDS, st.data())
def test_a_draw_takes_as_many_of_each_stratum_as_wanted(codes: list[int], seed: int, data: st.DataObject) -> None:
    counts = np.bincount(codes, minlength=5)
    wanted = np.array([data.draw(st.integers(0, int(count))) for count in counts])
    order = random_keys(np.arange(len(codes)), seed)
    drawn = draw_strata(np.array(codes), wanted, order)
    assert len(set(drawn.tolist())) == len(drawn)
    assert (np.bincount(np.array(codes)[drawn], minlength=5) == wanted).all()
    assert (np.diff(order[drawn].astype(object)) > 0).all()


def test_a_draw_from_many_takes_those_with_the_least_lots() -> None:
    order = random_keys(np.arange(50_000), 3)
    drawn = draw_strata(np.zeros(50_000, dtype=np.int64), np.array([40]), order)
    assert drawn.tolist() == np.argsort(order)[:40].tolist()


def test_everybody_is_drawn_as_often_as_anybody() -> None:
    codes = np.zeros(20, dtype=np.int64)
    hits = Counter(
        position
        for seed in range(2000)
        for position in draw_strata(codes, np.array([5]), random_keys(np.arange(20), seed)).tolist()
    )
    # 500 each, with a standard deviation of 19.4 that four of are allowed.
    assert all(abs(hits[position] - 500) < 78 for position in range(20))


@holds(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(0, 2**24 - 1))
def test_systematic_draws_hit_each_up_or_down_to_a_whole_number(sizes: list[float], start: int) -> None:
    # One more makes the sum a whole number.
    expected = np.array([*sizes, np.ceil(sum(sizes)) - sum(sizes)])
    hits = draw_systematic(expected, start / 2**24)
    assert hits.sum() == np.ceil(sum(sizes))
    assert (np.abs(hits - expected) < 1 + 1e-9).all()


def test_the_same_seed_chooses_the_same_people_and_another_one_others(town: HubFile) -> None:
    first, again, other = (select(town, SelectionSpec(n=30, seed=seed)).ids for seed in (1, 1, 2))
    assert first == again
    assert set(first) != set(other)


def test_the_first_half_of_a_random_choice_is_the_choice_of_half_as_many(town: HubFile) -> None:
    assert select(town, SelectionSpec(n=40)).ids[:20] == select(town, SelectionSpec(n=20)).ids


def test_newcomers_change_a_choice_only_by_coming_in(town: HubFile) -> None:
    before = select(town, SelectionSpec(n=60)).ids
    town.con.execute(
        "INSERT INTO personas SELECT 'new' || i, 240 + i, 'new', 'import', 0, NULL, 'en', NULL, NULL, NULL, NULL "
        "FROM range(1, 11) AS t(i)"
    )
    after = [identity for identity in select(town, SelectionSpec(n=60)).ids if not identity.startswith("new")]
    assert after == before[: len(after)]


def test_without_a_number_everybody_is_chosen_in_order_of_arrival(town: HubFile) -> None:
    chosen = select(town, SelectionSpec(where="hop = 1")).ids
    there = town.con.execute("SELECT id FROM personas WHERE hop = 1 ORDER BY ordinal").fetchall()
    assert chosen == [identity for (identity,) in there]


def test_stratified_people_are_spread_as_the_candidates_are(town: HubFile) -> None:
    selection = select(town, SelectionSpec(n=20, stratify=("region",)))
    assert regions(town, selection) == {"north": 10, "south": 6, "east": 3, None: 1}
    assert [share.got for share in selection.report.breakdowns[0].shares] == [1, 3, 10, 6]


def test_balanced_people_are_equally_many_of_those_of_whom_it_is_known(town: HubFile) -> None:
    selection = select(town, SelectionSpec(n=60, balance=("region",)))
    assert regions(town, selection) == {"north": 20, "south": 20, "east": 20}
    assert selection.report.left_out == {"region is not known": 12}


def test_weights_bring_balanced_people_back_to_the_candidates(town: HubFile) -> None:
    people = select(town, SelectionSpec(n=60, balance=("region",), name="even")).people
    assert sum(people.column("weight").to_pylist()) == pytest.approx(60)
    shares = dict(town.con.execute("SELECT region, sum(weight) / 60 FROM even GROUP BY region").fetchall())
    assert shares == pytest.approx({"north": 120 / 228, "south": 72 / 228, "east": 36 / 228})


def test_two_columns_balance_their_combinations(town: HubFile) -> None:
    selection = select(town, SelectionSpec(n=27, balance=("region", "hop")))
    shares = selection.report.breakdowns[0].shares
    assert [share.got for share in shares] == [3] * 9
    assert shares[0].values == ("east", "0")


@holds(st.integers(1, 120), st.integers(1, 72), SEEDS, few=12)
def test_quotas_are_met_exactly(lasting_town: HubFile, north: int, south: int, seed: int) -> None:
    quota = parse_quota(f"region=north:{north}, south:{south}")
    selection = select(lasting_town, SelectionSpec(quota=quota, seed=seed))
    assert regions(lasting_town, selection) == {"north": north, "south": south}


def test_a_quota_takes_values_with_commas_and_colons_in_quotes() -> None:
    quota = parse_quota('place="Ely, Cambs: old":3,York:2')
    assert quota.counts == {"Ely, Cambs: old": 3, "York": 2}
    assert parse_quota(str(quota)) == quota


@pytest.mark.parametrize("written", ["region", "=north:1", "region=north", "region=north:x", "region=north:1,,south:2"])
def test_a_quota_that_cannot_be_read_says_how_it_is_written(written: str) -> None:
    with pytest.raises(SetupError, match="write it as COLUMN=VALUE:NUMBER"):
        parse_quota(written)


@pytest.mark.parametrize(("written", "said"), [("region=a:0", "nobody of 'a'"), ("region=a:1,a:2", "'a' twice")])
def test_a_quota_of_nobody_or_twice_is_refused(written: str, said: str) -> None:
    with pytest.raises(SetupError, match=said):
        parse_quota(written)


def test_more_than_there_are_is_an_error_unless_fewer_will_do(town: HubFile) -> None:
    with pytest.raises(SetupError, match="300 people were asked for and 240 can be chosen"):
        select(town, SelectionSpec(n=300))
    report = select(town, SelectionSpec(n=300, allow_fewer=True)).report
    assert (report.wanted, report.chosen) == (300, 240)


def test_a_stratum_that_is_too_small_is_named(town: HubFile) -> None:
    with pytest.raises(SetupError, match="region 'east': 36 of 40"):
        select(town, SelectionSpec(n=120, balance=("region",)))
    assert select(town, SelectionSpec(n=120, balance=("region",), allow_fewer=True)).report.chosen == 116


def test_near_duplicates_are_chosen_only_when_asked_for(town: HubFile) -> None:
    town.con.execute(
        "INSERT INTO duplicates SELECT 'persona', NULL, md5(i::VARCHAR), md5('1'), NULL, NULL, 'minhash', 0.95, i = 3 "
        "FROM range(2, 12) AS t(i)"
    )
    assert len(select(town, SelectionSpec()).ids) == 231
    assert len(select(town, SelectionSpec(with_duplicates=True)).ids) == 240


def test_those_whom_a_rule_rejected_are_not_chosen_until_that_is_undone(town: HubFile) -> None:
    reject(town, hashlib.md5(b"5").hexdigest())
    assert len(select(town, SelectionSpec(with_duplicates=True)).ids) == 239
    town.con.execute("UPDATE rule_results SET undone = true")
    assert len(select(town, SelectionSpec()).ids) == 240


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 5, "stratify": ("a",), "balance": ("b",)}, "two rules for one choice"),
        ({"n": 5, "quota": {"column": "a", "counts": {"b": 4}}}, "asks for 4 people and `n` for 5"),
        ({"balance": ("a",)}, "`balance` needs to know how many"),
        ({"diverse": True}, "`diverse` needs to know how many"),
        ({"n": 5, "diverse": True, "targets": {"shares": {"a": {"b": 1.0}}}}, "leave one out"),
        ({"n": 0}, "`n` must be at least 1, but 0 was given"),
        ({"seed": -1}, "`seed` must be at least 0, but -1 was given"),
    ],
)
def test_a_wish_that_contradicts_itself_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        SelectionSpec.given(**options)


def test_an_empty_hub_has_nobody_to_choose_from(town: HubFile) -> None:
    town.con.execute("DELETE FROM personas")
    with pytest.raises(SetupError, match="The hub has nobody"):
        select(town, SelectionSpec(n=1))

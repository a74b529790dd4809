"""Targets: marginals that are read, raked to, and met by those drawn."""

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import strategies as st
from properties import holds

from populace.core.errors import SetupError, SourceError
from populace.personas.hub import HubFile
from populace.personas.selection import Marginals, SelectionSpec, read_marginals, select
from populace.personas.selection.spec import Margin, rake_sizes

TARGETS = Marginals(
    shares={"region": {"north": 0.2, "south": 0.5, "east": 0.3}, "hop": {"0": 0.5, "1": 0.25, "2": 0.25}}
)
CSV = "variable,value,share\nregion,north,0.4\nregion,south,0.6\n"


@holds(st.lists(st.floats(0.05, 20), min_size=12, max_size=12), st.lists(st.floats(0.05, 20), min_size=12, max_size=12))
def test_raking_meets_the_marginals_of_any_table_with_people_in_every_cell(
    start: list[float], aim: list[float]
) -> None:
    rows, columns = np.divmod(np.arange(12), 4)
    wanted = np.array(aim) / sum(aim)
    margins = [Margin(codes, np.bincount(codes, weights=wanted)) for codes in (rows, columns)]
    sizes, raking = rake_sizes(np.array(start), margins, 1)
    assert raking.deviation < 1e-8
    ratios = np.log(sizes / np.array(start)).reshape(3, 4)
    # Raking multiplies rows and columns: what is left of the odds ratios is as it was.
    assert np.allclose(ratios - ratios[:1] - ratios[:, :1] + ratios[0, 0], 0, atol=1e-6)


@holds(st.lists(st.integers(1, 40), min_size=6, max_size=6), st.data())
def test_raking_takes_nobody_twice(counts: list[int], data: st.DataObject) -> None:
    rows, columns = np.divmod(np.arange(6), 3)
    some = np.array([data.draw(st.integers(1, count)) for count in counts], dtype=float)
    most = np.array(counts, dtype=float)
    # Some of each cell are a table that can be met, so that raking must find one.
    margins = [Margin(codes, np.bincount(codes, weights=some / some.sum())) for codes in (rows, columns)]
    sizes, _ = rake_sizes(most, margins, float(some.sum()), most=most)
    assert (sizes <= most * (1 + 1e-9)).all()


def test_targets_that_contradict_each_other_are_said_to_be_missed() -> None:
    codes = np.array([0, 1])
    _, raking = rake_sizes(np.ones(2), [Margin(codes, np.array([0.8, 0.2])), Margin(codes, np.array([0.2, 0.8]))], 10)
    assert raking.deviation > 0.5


def test_several_variables_are_met_at_once(town: HubFile) -> None:
    report = select(town, SelectionSpec(n=60, targets=TARGETS)).report
    for breakdown in report.breakdowns:
        assert breakdown.largest_deviation <= 2
        assert sum(share.got for share in breakdown.shares) == 60
    assert report.raking is not None
    assert report.raking.deviation < 1e-8


def test_weights_bring_those_drawn_to_the_targets(town: HubFile) -> None:
    report = select(town, SelectionSpec(n=60, targets=TARGETS)).report
    for breakdown in report.breakdowns:
        assert [share.weighted for share in breakdown.shares] == pytest.approx(
            [share.wanted for share in breakdown.shares]
        )


def test_the_seed_decides_who_is_drawn(town: HubFile) -> None:
    first, again, other = (set(select(town, SelectionSpec(n=60, targets=TARGETS, seed=s)).ids) for s in (5, 5, 6))
    assert first == again
    assert first != other


@pytest.mark.slow
def test_everybody_of_a_value_is_drawn_alike_often(lasting_town: HubFile) -> None:
    targets = Marginals(shares={"region": {"east": 0.5, "south": 0.5}})
    drawn = [
        persona
        for seed in range(30)
        for persona in select(lasting_town, SelectionSpec(n=36, targets=targets, seed=seed)).ids
    ]
    # In the east 18 of 36 each time, in the south 18 of 72: 15 and 7 or 8 times of 30, with four standard deviations.
    hits = {persona: drawn.count(persona) for persona in set(drawn)}
    assert len(hits) == 108
    assert max(hits.values()) <= 15 + 11


def test_a_value_that_nobody_has_is_refused_or_the_others_make_up_for_it(town: HubFile) -> None:
    targets = Marginals(shares={"region": {"north": 0.4, "south": 0.4, "moon": 0.2}})
    with pytest.raises(SetupError, match=r"asks for 20.0% with region 'moon', and none of the"):
        select(town, SelectionSpec(n=50, targets=targets))
    report = select(town, SelectionSpec(n=50, targets=targets, allow_fewer=True)).report
    assert [share.values for share in report.breakdowns[0].unfilled] == [("moon",)]
    assert [share.got for share in report.breakdowns[0].shares] == [25, 25, 0]
    assert report.breakdowns[0].largest_deviation == pytest.approx(10)
    assert report.left_out == {"region is not among the targets": 48}


def test_a_value_with_too_few_people_gives_all_of_them(town: HubFile) -> None:
    targets = Marginals(shares={"region": {"north": 0.1, "east": 0.9}})
    report = select(town, SelectionSpec(n=50, targets=targets)).report
    assert [share.got for share in report.breakdowns[0].shares] == [14, 36]
    assert report.raking is not None
    assert report.raking.deviation > 0.1


def test_more_people_than_fit_the_targets_is_an_error_unless_fewer_will_do(town: HubFile) -> None:
    targets = Marginals(shares={"region": {"east": 1.0}})
    with pytest.raises(SetupError, match="50 people were asked for and 36 fit the targets"):
        select(town, SelectionSpec(n=50, targets=targets))
    assert select(town, SelectionSpec(n=50, targets=targets, allow_fewer=True)).report.chosen == 36


def test_tables_of_every_format_give_the_same_targets(tmp_path: Path) -> None:
    table, parquet, lines = (tmp_path / name for name in ("t.csv", "t.parquet", "t.jsonl"))
    table.write_text(CSV)
    duckdb.sql(f"COPY (FROM read_csv('{table}')) TO '{parquet}' (FORMAT parquet)")
    rows = ({"variable": "region", "value": v, "count": c} for v, c in (("north", 2), ("south", 3)))
    lines.write_text("\n".join(map(json.dumps, rows)))
    found = [read_marginals(path).shares["region"] for path in (table, parquet, lines)]
    assert found == [pytest.approx({"north": 0.4, "south": 0.6})] * 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", CSV.replace("0.6", "0.7"), "the shares of region add up to 1.1 instead of 1"),
        ("t.csv", CSV.replace("share", "weightiness"), "columns variable, value, weightiness; there must be"),
        ("t.csv", CSV.replace("0.6", "most"), "row 2: share is 'most'"),
        ("t.csv", CSV.replace("0.6", "-0.6"), "row 2: share is '-0.6'"),
        ("t.csv", CSV.replace("south", "north"), "region 'north' stands there twice"),
        ("t.csv", CSV.replace("south", ""), "row 2: there is no value"),
        ("t.csv", "variable,value,share\n", "have no rows"),
        ("t.csv", CSV.replace("share", "count").replace("0.4", "0").replace("0.6", "0"), "more than 0"),
        ("t.json", '{"region": {"north": 1}}', "have the columns region; there must be"),
        ("t.parquet", "PAR", "is corrupt"),
        ("t.xlsx", "x", "is no table that is known"),
    ],
)
def test_targets_that_cannot_be_used_are_explained(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(SourceError, match=said):
        read_marginals(path)


def test_a_table_of_targets_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no file"):
        read_marginals(tmp_path / "t.csv")


def test_targets_that_no_choice_can_meet_give_finite_sizes_within_what_there_is() -> None:
    rng = np.random.default_rng(0)
    cells = np.unique(rng.integers(0, (2, 5, 5, 5), (400, 4)), axis=0)
    most = rng.integers(1, 4, len(cells)).astype(float)
    margins = [Margin(cells[:, v], rng.dirichlet(np.ones(size))) for v, size in enumerate((2, 5, 5, 5))]
    sizes, raking = rake_sizes(most, margins, 0.9 * most.sum(), most=most)
    assert np.isfinite(sizes).all()
    assert (sizes <= most).all()
    assert raking.deviation > 0.01

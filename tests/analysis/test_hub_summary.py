from dataclasses import replace
from typing import Any

import pytest

from populace.analysis.hub_summary import Grown
from populace.analysis.summary import summarise


@pytest.fixture
def grown(make_run: Any) -> Grown:
    return Grown(
        summarise(make_run(people=12, upto="growth")), people=40, relations=60, passages=0, failed=1, until_novelty=0.3,
        latest="1" * 100 + "0" * 400, last_asked=4,
    )  # fmt: skip


def test_it_is_said_when_and_why_growth_ended_early(grown: Grown) -> None:
    assert grown.ending == ("Growth ended in hop 4: 20% of the latest 500 newcomers were somebody new, less than 30%.")


@pytest.mark.parametrize("changed", [{"until_novelty": None}, {"until_novelty": 0.2}, {"latest": "0" * 499}])
def test_nothing_is_said_where_no_rule_ended_it(grown: Grown, changed: dict[str, Any]) -> None:
    assert replace(grown, **changed).ending == ""


def test_the_rows_of_growth_are_those_of_its_run_and_its_own(grown: Grown) -> None:
    rows = dict(grown.as_rows())
    assert rows["people"] == "40, with 60 relations"
    assert rows["model"] == "procedural (no language model)"
    assert not {"cost", "left out", "extended"} & set(rows)

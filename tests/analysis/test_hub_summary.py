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

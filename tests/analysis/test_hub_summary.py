from dataclasses import replace

import pytest

from populace.analysis.hub_summary import Grown

GROWN = Grown(
    status="finished", reason=None, model="openai:test", is_language_model=True, event_hash=None, people=40,
    relations=60, passages=0, failed=1, hops=6, calls=90, dollars=0.5, seconds=3.0, until_novelty=0.3,
    latest="1" * 100 + "0" * 400, last_asked=4,
)  # fmt: skip


def test_it_is_said_when_and_why_growth_ended_early() -> None:
    assert GROWN.ending == ("Growth ended in hop 4: 20% of the latest 500 newcomers were somebody new, less than 30%.")


@pytest.mark.parametrize("changed", [{"until_novelty": None}, {"until_novelty": 0.2}, {"latest": "0" * 499}])
def test_nothing_is_said_where_no_rule_ended_it(changed: dict[str, object]) -> None:
    assert replace(GROWN, **changed).ending == ""  # type: ignore[arg-type]


def test_the_stand_in_costs_nothing_and_is_no_language_model() -> None:
    assert ("cost", "0.5000 dollars") in GROWN.as_rows()
    standing_in = dict(replace(GROWN, model="procedural", is_language_model=False).as_rows())
    assert "cost" not in standing_in
    assert "built-in generator" in standing_in["model"]

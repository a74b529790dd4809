from types import MappingProxyType
from typing import Any

import pytest

from populace.analysis.summary import DataSummary, summarise


@pytest.fixture
def summary(make_run: Any) -> Any:
    whole = summarise(make_run(people=6, upto="growth", status="finished"))
    basic: dict[str, Any] = {"settings": {"per_persona": 1, "n": 8}, "accepted": 0, "rejected": {}, "lost": {}}
    return lambda **changed: DataSummary(**(basic | {"run": whole, "asked": 6} | changed))


UNTIL = {"settings": MappingProxyType({"per_persona": 1, "n": 8, "until_novelty": 0.5})}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rejected": {"asks_something": 17, "leak": 1}}, "18 outputs rejected, most often for asks_something;"),
        ({"lost": {"mismatch": 1}}, "1 turn lost, most often for mismatch;"),
        ({"accepted": 6, "rejected": {"leak": 9}}, "6 people gave what they could at 1 row each. A larger hub"),
        ({"accepted": 8}, ""),
        (
            {"accepted": 7, "novelty": 0.42} | UNTIL,
            "42.0% of the latest 500 outputs was new, less than --until-novelty",
        ),
        ({"accepted": 6, "novelty": 0.5, "asked": 5} | UNTIL, "6 people gave what they could"),
    ],
)
def test_why_rows_are_missing_is_told_by_what_took_most_of_them(
    summary: Any, changed: dict[str, Any], said: str
) -> None:
    shortfall = summary(**changed).shortfall
    assert said in shortfall
    assert ("larger hub" in shortfall) == (changed.get("accepted") == 6)

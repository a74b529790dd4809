import asyncio
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.agents.batch.client import BatchState, PollInterval, ResultLine, read_line
from populace.agents.batch.job import BatchItem, BatchLimits
from populace.agents.endpoint.errors import RequestError
from populace.core.model import Outcome

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ERRORS = st.fixed_dictionaries({}, optional={"code": VALUES, "message": VALUES, "line": VALUES})
RESPONSES = st.fixed_dictionaries(
    {}, optional={"status_code": st.sampled_from([200, 400, 429, 700]) | VALUES, "body": VALUES}
)
LINES = st.fixed_dictionaries(
    {"custom_id": st.text()}, optional={"response": RESPONSES | VALUES, "error": ERRORS | VALUES}
)


@given(st.lists(st.integers(1, 40)), st.integers(1, 5), st.integers(10, 60))
def test_batches_hold_all_that_fits_in_order_and_no_more_than_they_may(
    sizes: list[int], requests: int, size: int
) -> None:
    loop = asyncio.new_event_loop()
    items = [BatchItem(str(number), loop.create_future(), b"x" * length) for number, length in enumerate(sizes)]
    batches = list(BatchLimits(requests, size).split(items))
    loop.close()
    assert [item for batch in batches for item in batch] == [p for p in items if len(p.line) <= size]
    assert all(0 < len(batch) <= requests and sum(len(p.line) for p in batch) <= size for batch in batches)
    assert [p.answer.done() for p in items] == [len(p.line) > size for p in items]


@given(st.binary() | LINES.map(orjson.dumps))
def test_no_line_makes_the_reading_of_it_raise(written: bytes) -> None:
    line = read_line(written)
    assert line is None or isinstance(line.answer, dict | RequestError | None)


@given(LINES)
def test_a_line_with_an_id_is_never_lost(said: dict[str, Any]) -> None:
    line = read_line(orjson.dumps(said))
    assert isinstance(line, ResultLine)
    assert line.custom_id == said["custom_id"]


@given(VALUES | st.fixed_dictionaries({"data": st.lists(ERRORS, max_size=4)}))
@pytest.mark.slow
def test_whatever_a_failed_batch_says_is_a_fault(errors: Any) -> None:
    fault = BatchState(id="b", status="failed", errors=errors).describe_failure()
    assert fault.outcome is not Outcome.OK
    assert fault.detail.startswith("The batch failed as a whole")


@pytest.mark.parametrize("code", ["batch_expired", "batch_cancelled"])
def test_a_request_that_was_never_done_is_told_from_one_that_failed(code: str) -> None:
    line = orjson.dumps({"custom_id": "a", "response": None, "error": {"code": code, "message": "Too late."}})
    assert read_line(line) == ResultLine("a", None)


def test_looks_become_rarer_up_to_a_bound() -> None:
    waits = [PollInterval(5.0, 60.0).wait(looks) for looks in range(2000)]
    assert (waits[0], waits[-1]) == (5.0, 60.0)
    assert all(earlier <= later for earlier, later in pairwise(waits))


def test_no_look_comes_sooner_than_the_server_asks() -> None:
    assert PollInterval(5.0, 60.0).wait(0, asked=300.0) == 300.0

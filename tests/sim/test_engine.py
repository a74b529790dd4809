import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.sim.engine import EventHash, rare_collections

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)
events = st.lists(json_values, max_size=6)


@given(events, events)
def test_the_hash_depends_on_the_events_and_not_on_how_they_come(first: list[object], then: list[object]) -> None:
    whole, parts = EventHash(), EventHash()
    parts.extend(first)
    assert whole.extend([*first, *then]) == parts.extend(then)


@given(events, events)
def test_a_chain_goes_on_from_a_hash_that_was_kept(first: list[object], then: list[object]) -> None:
    whole = EventHash()
    kept = whole.extend(first)
    assert EventHash(kept).extend(then) == whole.extend(then)


def test_the_order_of_keys_is_no_difference() -> None:
    assert EventHash().extend([{"a": 1, "b": 2}]) == EventHash().extend([{"b": 2, "a": 1}])


def test_the_order_and_the_bounds_of_events_are_a_difference() -> None:
    hashes = {EventHash().extend(e) for e in ([], ["a"], ["a", "b"], ["b", "a"], ["ab"], [["a", "b"]])}
    assert len(hashes) == 6


def test_the_hash_of_a_known_log_stays_the_same() -> None:
    assert EventHash().extend([]) == EventHash(None).hex
    assert (
        EventHash().extend(["born", {"step": 1}]) == "0dfccaa76bcec647a0701e1bbe875b512fdb340910bc83e4a62a28e11b6fec04"
    )


def test_what_is_no_json_is_refused_and_leaves_the_hash() -> None:
    chain = EventHash()
    with pytest.raises(TypeError):
        chain.extend(["fine", object()])
    assert chain.hex == EventHash().hex


def test_the_collector_is_left_as_it_was_found() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with rare_collections():
        assert gc.get_threshold() != before
        assert gc.get_freeze_count() > frozen
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_one_within_another_changes_nothing() -> None:
    with rare_collections():
        rare, frozen = gc.get_threshold(), gc.get_freeze_count()
        with rare_collections():
            assert gc.get_threshold() == rare
        # Other threads may have let go of a few of the frozen objects since.
        assert gc.get_threshold() == rare
        assert gc.get_freeze_count() > frozen / 2

import gc

from populace.sim.collector import rare_collections


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
        assert (gc.get_threshold(), gc.get_freeze_count()) == (rare, frozen)

"""Keeping Python's garbage collector out of the steps."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["rare_collections"]

#: A step makes many objects that live on (notes, emissions) and hardly a cycle, so looking often finds nothing.
_THRESHOLDS = (20_000, 20, 50)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage seldom, and never look at what is there already; all as it was afterwards.

    A sixth of the CPU of an agent-turn went into collections (`benchmarks/turns.py --profile`). Entered within
    another, it does nothing.
    """
    before = gc.get_threshold()
    if before == _THRESHOLDS:
        yield
        return
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()

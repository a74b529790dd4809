"""What it costs to find near-duplicates by vectors, everybody with everybody and by an index."""

from collections.abc import Iterator
from importlib.util import find_spec

from benchmarks.lab import Bar, Finding, Lab, output, watched
from benchmarks.sizes import Size

DIMS = 384

_MIB = 1 << 20


def vectors(lab: Lab, size: Size) -> Iterator[Finding]:
    """Synthetic vectors of 384 numbers, a tenth of them planted near others: compared exactly, and by faiss."""
    yield from _compared(size.vectors, "exactly", Bar("exactly", 1))
    if find_spec("faiss") is None:
        yield Finding("vectors compared by the index", 0, beside="faiss is not installed: pip install -e '.[faiss]'")
        return
    yield from _compared(size.vectors, "by the index", Bar("at least", 0.99), "--index")


def _compared(number: int, way: str, bar: Bar, *options: str) -> Iterator[Finding]:
    with watched() as others:
        took = output("benchmarks.nearness", number, "--dims", DIMS, *options)
    near, kept = took["near"], took["kept"]
    beside = f"{near - kept:,} of {near:,} near ones in a slice were found; {took['marked']:,} marked in all"
    yield Finding(f"recall among {number:,} vectors compared {way}", 1 - kept / max(1, near), bar, beside)
    yield Finding("marked although not so near", took["wrong"], Bar("exactly", 0), "by the cosine computed anew")
    beside = f"{number / took['cpu']:,.0f} vectors a second; {took['wall']:.1f} s in all; {others()}"
    yield Finding("seconds of CPU", took["cpu"], beside=beside)
    yield Finding("MiB of memory above the vectors", took["above_input"] / _MIB)

"""What the store of a hub costs: people in, people out, and a look at all of them."""

from collections.abc import Iterator

from benchmarks.lab import Bar, Finding, Lab, Result, output, watched
from benchmarks.sizes import Size

_MIB = 1 << 20
#: Rows from which on a rate tells of the work; of few it tells what is loaded before.
_MANY = 500_000


def store(lab: Lab, size: Size) -> Iterator[Finding]:
    """People imported from JSONL and Parquet, opened, described, exported and united; a bare DuckDB table beside it."""
    jsonl, parquet = lab.new(".jsonl"), lab.new(".parquet")
    for path in (jsonl, parquet):
        output("benchmarks.storing", "write", path, "--people", size.people)
    reference = output("benchmarks.storing", "bare", lab.new(".duckdb"), "--file", jsonl)
    hub = lab.new(".duckdb")
    for path, bar in ((jsonl, 40_000), (parquet, 100_000)):
        hub = lab.new(".duckdb")
        with watched() as others:
            took = output("benchmarks.storing", "import", hub, "--file", path)
        yield from _imported(path.suffix[1:], took, bar, reference, others())
    yield Finding("rows imported", took["rows"], Bar("exactly", size.people))
    people = took["new"]  # a text or two of a million are equal, and one persona
    tied = output("benchmarks.storing", "tie", hub, "--ties", size.ties)
    yield Finding(f"with {size.ties:,} relations, bytes on disk by persona", tied["bytes"] / size.people)
    look = output("benchmarks.storing", "look", hub)
    yield Finding("seconds to open it", look["opened"], Bar("under", 1))
    yield Finding("seconds to describe it, the first time", look["first"], Bar("under", 1))
    yield Finding("seconds to describe it again", look["later"], Bar("under", 1))
    for ending in ("jsonl", "parquet", "csv"):
        took = output("benchmarks.storing", "export", hub, "--file", lab.new(f".{ending}"))
        beside = f"{took['cpu'] / size.people * 1e6:.1f} us of CPU each, peak {took['peak_memory'] / _MIB:,.0f} MiB"
        yield Finding(f"people exported a second as {ending}", size.people / took["wall"], beside=beside)
    took = output("benchmarks.storing", "merge", hub, "--file", lab.new(".duckdb"))
    beside = f"{took['wall']:.0f} s, peak {took['peak_memory'] / _MIB:,.0f} MiB"
    yield Finding("people a second when the hub is united with itself", 2 * size.people / took["wall"], beside=beside)
    yield Finding("people in both together", took["people"], Bar("exactly", people))


def _imported(form: str, took: Result, bar: int, reference: Result, others: str) -> Iterator[Finding]:
    beside = f"peak {took['peak_memory'] / _MIB:,.0f} MiB; {others}"
    least = Bar("at least", bar) if took["rows"] >= _MANY else None
    yield Finding(f"rows a second from {form}", took["rows"] / took["wall"], least, beside)
    yield Finding(f"microseconds of CPU a row from {form}", took["cpu"] / took["rows"] * 1e6)
    yield Finding("CPU of that, over DuckDB's own reader of JSONL into a bare table", took["cpu"] / reference["cpu"])
    yield Finding(f"bytes on disk by persona, imported from {form}", took["bytes"] / took["rows"])

"""What it costs to grow people with the stand-in, what they are like, and whether a kill changes any of it."""

from collections.abc import Iterator
from typing import Any

from benchmarks.grown import Grown, differing
from benchmarks.lab import Bar, Finding, Lab, output, watched
from benchmarks.sizes import Size

SEEDS, HOPS, FAN_OUT = 48, 6, 5

_MIB = 1 << 20
_BY_HOP = """
SELECT hop, sum(asked)::BIGINT, sum(born)::BIGINT, sum(duplicates)::BIGINT, sum(repeats)::BIGINT,
       sum(dropped)::BIGINT, sum(relations)::BIGINT
FROM growth_chunks GROUP BY hop ORDER BY hop
"""
#: Figures of a graph that are compared with those of graphs made by chance.
_FIGURES = {
    "ties from one person to another on average": "mean path in the largest part",
    "clustering": "clustering, mean",
    "assortativity by number of ties": "assortativity by neighbours",
}
_TWICE = "SELECT count(*) - count(DISTINCT (phase, number, owner, request_hash)) FROM calls WHERE raw IS NOT NULL"


def growth(lab: Lab, size: Size) -> Iterator[Finding]:
    """People from 48 of the texts that ship, six hops, by the procedural model; then killed half-way and resumed."""
    texts = lab.new(".jsonl")
    output("benchmarks.growing", "texts", texts, SEEDS)
    options = ("--hops", HOPS, "--fan-out", FAN_OUT, "--limit", size.grown)
    whole, killed = Grown(lab, texts, *options), Grown(lab, texts, *options)
    with watched() as others:
        took = whole.grow()
    people = int(whole.value("SELECT sum(born) FROM growth_chunks"))
    yield Finding("people grown", people, Bar("exactly", size.grown), f"{took['wall']:.0f} s in all; {others()}")
    yield Finding("seconds of CPU for them", took["cpu"], beside=f"{people / took['cpu']:,.0f} people a second")
    yield Finding("MiB of memory at most", took["peak_memory"] / _MIB)
    yield Finding("bytes on disk by person, with every answer", whole.hub.stat().st_size / people)
    yield from _hops(whole)
    yield from _graph(whole)
    yield from _again(whole, killed, people)


def _hops(grown: Grown) -> Iterator[Finding]:
    for hop, asked, born, duplicates, repeats, dropped, relations in grown.rows(_BY_HOP):
        newcomers = max(1, born + duplicates + repeats + dropped)
        beside = (
            f"{asked:,} asked, {born:,} born, {duplicates:,} near-duplicates, {repeats:,} known already, "
            f"{dropped:,} rejected by rules; {relations:,} relations"
        )
        yield Finding(
            f"share of near-duplicates among the newcomers of hop {hop}", duplicates / newcomers, beside=beside
        )


def _graph(grown: Grown) -> Iterator[Finding]:
    with watched() as others:
        figures, took = grown.graph()
    beside_random = figures["parts"][0]["rows"]
    shape, random = (
        {row["figure"]: _value(row[column]) for row in beside_random} for column in ("this_hub", "random_graph")
    )
    parts = (
        f"{shape['connected parts']:,.0f} parts, {shape['people in the largest part']:,.0f} people in the largest; "
        f"at most {shape['neighbours, most']:,.0f} ties"
    )
    yield Finding("people whom a person is tied to on average", shape["neighbours, mean"], beside=parts)
    for name, figure in _FIGURES.items():
        yield Finding(name, shape[figure], beside=f"a random graph {random[figure]:.4f}")
    beside = f"{shape['communities']:,.0f} of them by the largest modularity found"
    yield Finding("modularity of communities", shape["modularity"], beside=beside)
    yield Finding("seconds of `populace hub graph`", took["wall"], beside=others())


def _value(cell: Any) -> float:
    """Return the number in a cell of a result, which may have an interval; 0 where it is unknown."""
    return float((cell["value"] if isinstance(cell, dict) else cell) or 0)


def _again(whole: Grown, killed: Grown, people: int) -> Iterator[Finding]:
    there = killed.kill_at(people // 2)
    with watched() as others:
        took = killed.grow()
    hashes = [grown.value("SELECT event_hash FROM runs") for grown in (whole, killed)]
    beside = f"killed with -9 at {there:,} people, {took['wall']:.0f} s more; {others()}"
    yield Finding(
        "event hash as in the growth that nobody killed", int(len(set(hashes)) == 1), Bar("exactly", 1), beside
    )
    differ = differing(whole, killed)
    named = ", ".join(differ) or "people, relations, verdicts and all else are the same, row by row"
    yield Finding("tables that differ from it in any row", len(differ), Bar("exactly", 0), named)
    yield Finding("answers paid twice", int(killed.value(_TWICE)), Bar("exactly", 0))

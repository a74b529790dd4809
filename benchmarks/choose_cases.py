"""What it costs to ask a large hub, as its users do: each question a whole process of the command line."""

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.lab import Bar, Finding, Lab, Result, finished, output, populace, spread, watched
from benchmarks.sizes import Size

_MIB = 1 << 20
#: Some 8 in 1,000 of the synthetic people.
_WHERE = "occupation = 'nurse' AND age_band = '30-39'"
_UNDER = Bar("under", 1)
_CHOSE = re.compile(r"Chose ([\d,]+) of ([\d,]+) candidates")

#: What is known of a country, say: shares that the people of the hub do not have.
_TARGETS = """variable,value,share
age_band,20-29,0.35
age_band,30-39,0.35
age_band,60-69,0.3
region,north,0.25
region,capital,0.4
region,delta,0.35
"""


def choose(lab: Lab, size: Size) -> Iterator[Finding]:
    """Synthetic people with synthetic profiles: described, and chosen from by rules."""
    hub, targets = lab.new(".duckdb"), lab.new(".csv")
    targets.write_text(_TARGETS)
    made = output("benchmarks.storing", "crowd", hub, "--people", size.people, "--ties", size.ties)
    yield Finding("bytes on disk by persona, with profile and relations", made["bytes"] / size.people)
    look = output("benchmarks.storing", "look", hub)
    yield Finding("seconds to open it", look["opened"], _UNDER)
    yield _asked(size.repeat, ["info", hub])[0]
    rules: tuple[tuple[object, ...], ...] = (
        ("--where", _WHERE, "--n", size.chosen, "--balance", "region", "--diverse"),
        ("--n", size.chosen, "--stratify", "hop"),
        ("--n", size.chosen, "--targets", targets),
    )
    for rule in rules:
        yield from _chosen(size, hub, rule, size.repeat, _UNDER)
    yield from _chosen(size, hub, ("--n", size.chosen, "--diverse"), 1, None)
    yield _asked(1, ["graph", hub], None)[0]


def _chosen(size: Size, hub: Path, rule: tuple[object, ...], repeat: int, bar: Bar | None) -> Iterator[Finding]:
    finding, said = _asked(repeat, ["sample", hub, *rule], bar)
    yield finding
    found = _CHOSE.search(said)
    if found is None:
        raise SystemExit(f"A selection of the benchmark said nothing of whom it chose: {said}")
    chosen, candidates = found[1].replace(",", ""), found[2]
    yield Finding("people it chose", int(chosen), Bar("exactly", size.chosen), f"of {candidates} candidates")


def _asked(repeat: int, options: list[object], bar: Bar | None = _UNDER) -> tuple[Finding, str]:
    """The median of so many processes that ask the same, and what the last of them said."""
    with watched() as others:
        runs = [_run(options) for _ in range(repeat)]
    words = [option.name if isinstance(option, Path) else str(option) for option in options]
    what = " ".join(f'"{word}"' if " " in word else word for word in words)
    return _finding(f"seconds of `populace hub {what}`", runs, bar, others()), runs[-1]["said"]


def _finding(what: str, runs: list[Result], bar: Bar | None, others: str) -> Finding:
    walls = [run["wall"] for run in runs]
    cpu, peak = median(run["cpu"] for run in runs), max(run["peak_memory"] for run in runs) / _MIB
    return Finding(what, median(walls), bar, f"{spread(walls)}; {cpu:.2f} s of CPU, peak {peak:,.0f} MiB; {others}")


def _run(options: list[object]) -> Result:
    return finished(populace("hub", *options))

"""How near the gateway comes to what an endpoint could do: wide, whole turns, faults, a narrow server, a token cap."""

import math
import subprocess
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush, heapreplace
from pathlib import Path
from statistics import median

import duckdb
from benchmarks.lab import ROOT, Bar, Finding, Lab, Result, environment, populace, spread, watched

#: Words of an answer: about 500 bytes.
WORDS = 60

_LIVED = """
WITH asked AS (
    SELECT number AS step, count(*) AS calls, min(started_at) AS first, max(ended_at) AS last
    FROM calls WHERE phase = 'step' GROUP BY step
)
SELECT count(*), sum(active), sum(ceil(active / 128)), sum(failed), sum(calls),
       epoch(max(ended_at) - min(started_at)),
       sum(epoch(first - started_at)), sum(epoch(last - first)), sum(epoch(ended_at - last))
FROM steps JOIN asked USING (step)
"""

_FAULTS = ("rate_limit:0.05", "cut_json:0.01", "html:0.01", "empty:0.01", "drop:0.01")


def pair(lab: Lab, *, calls: int, in_flight: int, server: tuple[object, ...]) -> tuple[Result, Result, str]:
    """The same requests through the gateway and through a raw client, one after the other, and the server's share."""
    bodies = lab.new(".bodies")
    options = ("--calls", calls, "--in-flight", in_flight)
    with lab.server(*server, "--words", WORDS, "--keep", bodies) as first:
        ours = lab.ask("gateway", first, *options)
    with lab.server(*server, "--words", WORDS) as second:
        raw = lab.ask("raw", second, "--bodies", bodies, *options)
    bodies.unlink()
    return ours, raw, first.share


def wide(lab: Lab) -> Iterator[Finding]:
    """256 in flight at half a second; lognormal latencies; 64 in flight at 50 ms."""
    ideal = 5_000 * 0.5 / 256
    yield from _wide(lab, "500 ms, 256 in flight", 5_000, 256, ("--latency", 0.5), ideal)
    yield from _wide(lab, "lognormal around 500 ms, 256 in flight", 5_000, 256, ("--latency", 0.5, "--sigma", 0.8))
    yield from _wide(lab, "50 ms, 64 in flight", 10_000, 64, ("--latency", 0.05))


def _wide(
    lab: Lab, name: str, calls: int, in_flight: int, server: tuple[object, ...], ideal: float | None = None
) -> Iterator[Finding]:
    with watched() as others:
        pairs = [pair(lab, calls=calls, in_flight=in_flight, server=server) for _ in range(lab.repeat)]
    ratios = [raw["wall"] / ours["wall"] for ours, raw, _ in pairs]
    beside = f"{pairs[-1][2]}; {others()}"
    of_raw = f"{calls:,} calls at {name}, the raw client's time over ours"
    if ideal is None:
        yield Finding(of_raw, median(ratios), Bar("at least", 0.9), f"{spread(ratios)}; {beside}")
        return
    shares = [ideal / ours["wall"] for ours, _, _ in pairs]
    raws = [ideal / raw["wall"] for _, raw, _ in pairs]
    yield Finding(
        f"{calls:,} calls at {name}, share of the ideal", median(shares), Bar("at least", 0.9), spread(shares)
    )
    yield Finding("the raw client's share of the ideal", median(raws), beside=f"{spread(raws)}; {beside}")
    yield Finding(of_raw, median(ratios), beside=spread(ratios))


def turns(lab: Lab) -> Iterator[Finding]:
    """Whole agent-turns of `village`, 128 in flight at half a second; a step is a barrier, and the ideal has it too."""
    for agents, steps, bar in ((1_024, 5, Bar("at least", 0.9)), (128, 10, None)):
        hub = lab.hub(agents)
        with watched() as others, lab.server("--latency", 0.5, "--filler") as server:
            out = _lived(lab, server.base_url, hub, steps)
        count, active, rounds, failed, calls, wall, observed, asked, applied = _one(out, _LIVED)
        ideal = 0.5 * rounds
        what = f"{active:,} turns in {count} steps of {agents:,} agents, 500 ms, 128 in flight, share of the ideal"
        parts = f"{observed:.1f} s before the first call of each step, {asked:.1f} from first to last answer"
        after = f"{applied:.1f} after it, {wall - observed - asked - applied:.1f} between steps; ideal {ideal:.1f} s"
        beside = f"{calls:,} calls, {failed} turns failed; {wall:.1f} s: {parts}, {after}; {server.share}"
        yield Finding(what, ideal / wall, bar, f"{beside}; {others()}")
        yield Finding("the same, from first to last call of each step alone", ideal / asked)


def _lived(lab: Lab, base_url: str, hub: Path, steps: int) -> Path:
    out = lab.new(".duckdb")
    options = ("--hub", hub, "--steps", steps, "--model", "openai:test", "--base-url", base_url, "--out", out)
    command = populace("run", "village", *options, "--agents", 100_000, "--max-in-flight", 128)
    subprocess.run(
        command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    return out


def _one(path: Path, sql: str) -> tuple[float, ...]:
    with duckdb.connect(path, read_only=True) as connection:
        row: tuple[float, ...] = connection.execute(sql).fetchall()[0]
    return row


def faults(lab: Lab) -> Iterator[Finding]:
    """A bad day: refusals at random whatever the load, and replies that are cut, pages, empty or dropped."""
    weather = [option for fault in _FAULTS for option in ("--weather", fault)]
    rows, in_flight, within = 5_000, 256, 240
    with watched() as others, lab.server("--latency", 0.5, "--words", WORDS, *weather) as server:
        ours = lab.ask("gateway", server, "--calls", rows, "--in-flight", in_flight, "--within", within)
    sent, answered = server.counted["calls"], ours["outcomes"].get("ok", 0)
    ended = ", ".join(f"{number} {outcome}" for outcome, number in sorted(ours["attempts"].items()))
    yield Finding(
        "rows lost of 5,000", sum(ours["outcomes"].values()) - answered, Bar("exactly", 0), f"attempts: {ended}"
    )
    yield Finding(
        f"rows not asked to the end within {within} s", rows - sum(ours["outcomes"].values()), Bar("exactly", 0)
    )
    share = sent * 0.5 / in_flight / ours["wall"]
    beside = f"{ours['wall']:.0f} s for {sent:,} attempts; limit {ours['limit']} at the end; {server.share}; {others()}"
    yield Finding("share of the ideal, as if each attempt took 500 ms", share, beside=beside)


def refusals(lab: Lab) -> Iterator[Finding]:
    """One request in twenty is refused by chance, with `Retry-After: 1`: what that adds to the time without."""
    yield from _refused(lab, "requests refused once", ("--refuse-first", 0.05), Bar("at most", 1.6))
    # 2.5 of 1,000 rows are refused twice and wait for two seconds: no scheduler keeps this below 1.8 to 2.
    yield from _refused(lab, "attempts refused", ("--weather", "rate_limit:0.05:1"), None)


def _refused(lab: Lab, what: str, weather: tuple[object, ...], bar: Bar | None) -> Iterator[Finding]:
    calls, in_flight = 1_000, 64
    ratios, shares, lost, note = [], [], 0, ""
    for _ in range(lab.repeat):
        walls = []
        for options in ((), weather):
            with lab.server("--latency", 0.1, "--words", WORDS, *options) as server:
                ours = lab.ask("gateway", server, "--calls", calls, "--in-flight", in_flight)
            walls.append(ours["wall"])
        ideal = _ideal(ours["refused"], in_flight, walls[0] * in_flight / calls)
        ratios.append(walls[1] / walls[0])
        shares.append(walls[1] / ideal)
        lost += calls - ours["outcomes"].get("ok", 0)
        note = f"{walls[0]:.2f} s without, {walls[1]:.2f} s with {sum(ours['refused'])} refusals, {ideal:.2f} s at best"
    beside = f"{spread(ratios)}; the last: {note}, limit {ours['limit']}"
    yield Finding(f"1,000 rows at 64 in flight, 5 % of {what}: the time over that without", median(ratios), bar, beside)
    most = Bar("at most", 1.1)
    yield Finding("the time over the least that rows refused so often can take", median(shares), most, spread(shares))
    yield Finding("rows lost", lost, Bar("exactly", 0))


def _ideal(refused: Sequence[int], slots: int, seconds: float) -> float:
    """Seconds that rows take at least, refused so often: a refusal costs a wait of one second, and no slot."""
    free, ready, last = [0.0] * slots, list[float](), 0.0

    def answer(at: float) -> None:
        nonlocal last
        last = max(last, at + seconds)
        heapreplace(free, at + seconds)

    for times in refused:
        while ready and ready[0] <= free[0]:
            heappop(ready)
            answer(free[0])
        if times:
            heappush(ready, free[0] + times)
        else:
            answer(free[0])
    while ready:
        answer(max(free[0], heappop(ready)))
    return last


def allows40(lab: Lab) -> Iterator[Finding]:
    """A server that takes 40 at once and refuses more, to a client that may send 256."""
    calls, allowed, latency, settled = 5_000, 40, 0.5, 10
    options = ("--latency", latency, "--words", WORDS, "--allow", allowed)
    with watched() as others, lab.server(*options) as server:
        ours = lab.ask("gateway", server, "--calls", calls, "--in-flight", 256)
    answered, refused = server.counted["answered"], server.counted["refused"]
    share = calls * latency / allowed / ours["wall"]
    full = answered[settled : math.floor(ours["wall"]) - 1]
    later = sum(full) / len(full) * latency / allowed
    beside = f"{share:.3f} with the beginning; limit {ours['limit']} at the end; {server.share}; {others()}"
    yield Finding("of what the server allows, after the first 10 s", later, Bar("at least", 0.95), beside)
    wasted = sum(refused[settled:]) / max(1, sum(refused[settled:]) + sum(answered[settled:]))
    early = f"{sum(refused[:settled])} of {sum(refused[:settled]) + sum(answered[:settled])} before"
    yield Finding("share of calls refused after the first 10 s", wasted, Bar("under", 0.01), early)
    yield Finding("rows lost", calls - ours["outcomes"].get("ok", 0), Bar("exactly", 0))


def tpm(lab: Lab) -> Iterator[Finding]:
    """A cap of tokens a minute, counted by the server from the usage it told, in every window of 60 s."""
    cap, calls = 200_000, 700
    with watched() as others, lab.server("--latency", 1.0, "--words", WORDS) as server:
        ours = lab.ask("gateway", server, "--calls", calls, "--in-flight", 64, "--tpm", cap)
    seen = server.counted
    most = max(seen["most_by_arrival"], seen["most_by_answer"])
    beside = (
        f"{seen['tokens']:,} tokens in {seen['seconds']:.0f} s, peak {ours['peak_in_flight']} in flight; {others()}"
    )
    yield Finding("tokens of the fullest 60 s, over the cap", most / cap, Bar("at most", 1), f"{beside}; {others()}")
    yield Finding("tokens of a minute on average, over the cap", (seen["mean_minute"] or 0) / cap, Bar("at least", 0.8))
    yield Finding("requests refused or lost", calls - ours["outcomes"].get("ok", 0), Bar("exactly", 0))

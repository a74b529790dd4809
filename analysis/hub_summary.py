"""A hub in tables: what growth came to, and what its graph looks like beside random graphs."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from ..core.result import Estimate, Result, make_result
from ..core.text import canonical_text
from ..personas.hub.queries import REJECTED, RETAINED
from .page import clip_text
from .summary import Summary
from .table import Queryable

if TYPE_CHECKING:
    from ..personas.network import GraphFigures, NetworkShape
    from ..personas.network.figures import Measurement


_IN_ALL = f"""
WITH away AS ({REJECTED})
SELECT (SELECT count(*) FROM personas WHERE {RETAINED}),
       (SELECT count(*) FROM relations AS r ANTI JOIN away AS a ON a.persona = r.source
        ANTI JOIN away AS b ON b.persona = r.target),
       (SELECT count(*) FROM passages),
       (SELECT count(*) FROM failures JOIN phases USING (job, phase) WHERE unit = 'hop'),
       (growth_settings ->> 'until_novelty')::DOUBLE,
       (SELECT latest FROM growth_chunks ORDER BY extension DESC, hop DESC, chunk DESC LIMIT 1),
       (SELECT max(hop) FROM growth_chunks
        WHERE asked > 0 AND extension = (SELECT max(extension) FROM growth_chunks))
FROM runs
"""  # noqa: S608 - our own words

#: A relation that led to no newcomer led to somebody known; in hop 0 only a repeated description does.
_YIELD = """
SELECT (SELECT count(*) FROM passages), (SELECT count(DISTINCT persona) FROM frontier), coalesce(sum(born), 0)::BIGINT,
       coalesce(sum(if(hop = 0, repeats, relations - born - duplicates - rejected)), 0)::BIGINT,
       coalesce(sum(duplicates), 0)::BIGINT
FROM growth_chunks WHERE hop > 0 OR EXISTS (FROM passages)
"""
_REJECTED_BY = """
SELECT rule, count(DISTINCT persona) FROM rule_results WHERE outcome IN ('rejected', 'removed') AND NOT undone
GROUP BY rule ORDER BY count(*) DESC, rule
"""
_FAILED = """
SELECT outcome, count(*) FROM failures JOIN phases USING (job, phase) WHERE unit = 'hop'
GROUP BY outcome ORDER BY count(*) DESC, outcome
"""

_SKIPPED = """
SELECT kind, sum(number)::BIGINT, flatten(list(examples ORDER BY chunk))
FROM skipped_sources GROUP BY kind ORDER BY sum(number) DESC, kind
"""


_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Grown:
    """What growth came to."""

    run: Summary
    #: People but for near-duplicates, of which the first counts.
    people: int
    relations: int
    passages: int
    #: Questions that were not answered.
    failed: int
    until_novelty: float | None
    #: The latest 500 newcomers, as in `growth_chunks`.
    latest: str | None
    last_asked: int | None

    @property
    def ending(self) -> str:
        """One sentence when growth ended because too few newcomers were new; else nothing."""
        if self.until_novelty is None or not self.latest or len(self.latest) < 500:
            return ""
        share = self.latest.count("1") / len(self.latest)
        if share >= self.until_novelty:
            return ""
        return (
            f"Growth ended in hop {self.last_asked}: {share:.0%} of the latest 500 newcomers were somebody new, "
            f"less than {self.until_novelty:.0%}."
        )

    @property
    def lines(self) -> dict[str, str]:
        """Return what was grown in one line."""
        sources = f"{self.passages:,} texts" if self.passages else "existing personas"
        hops = f", {self.run.hops} hop{'s' * (self.run.hops != 1)}" if self.run.hops else ""
        state = "" if self.run.status == "finished" else f"; {self.run.status}"
        failed = f"; {self.failed:,} questions without an answer" if self.failed else ""
        return {"personas": f"{self.people:,} from {sources}{hops}, {self.relations:,} ties{failed}{state}"}


def describe_yield(run: Queryable) -> str:
    """Return what was asked about and what came of it, by reason; "" if no model was asked."""
    ((texts, people, born, known, duplicates),) = run.query(_YIELD).rows
    if not texts + people:
        return ""
    asked = f"{texts:,} text{'s' * (texts != 1)} and {people:,} persona{'s' * (people != 1)} asked about"
    parts = [f"{asked}: {born:,} new, {known:,} known"]
    parts += [f"{duplicates:,} near-duplicate{'s' * (duplicates != 1)}"] if duplicates else []
    reasons = {"rejected": run.query(_REJECTED_BY).rows, "failed": run.query(_FAILED).rows}
    counts = {name: ", ".join(f"{number:,} {why}" for why, number in rows) for name, rows in reasons.items()}
    return "; ".join([", ".join(parts), *(f"{name}: {said}" for name, said in counts.items() if said)])


def skipped_of(run: Queryable) -> list[str]:
    """Describe what the sources passed over: how many and why, then up to three examples, different kinds first."""
    found = run.query(_SKIPPED).rows
    if not found:
        return []
    by_turns = (example for turn in zip_longest(*(examples for *_, examples in found)) for example in turn if example)
    kinds = ", ".join(f"{number:,} {kind}" for kind, number, _ in found)
    examples = [f"  {example}" for example in islice(by_turns, _EXAMPLES)]
    return [f"{sum(number for _, number, _ in found):,} skipped: {kinds}. Examples:", *examples]


def read_grown(run: Queryable, whole: Summary) -> Grown:
    """Read the totals of growth."""
    return Grown(whole, *run.query(_IN_ALL).rows[0])


_TEXT = 60
_ID = 12


def describe_figures(figures: "GraphFigures") -> Result:
    """Describe the figures of a whole graph."""
    beside = ("figure", "this_hub", "random_graph")
    degrees = ("direction", "mean", "median", "90 %", "99 %", "most")
    best = [(c.id[:_ID], c.neighbours, c.outgoing, c.incoming, c.hop, _clip_text(c.text)) for c in figures.central]
    groups = [(n, g.people, g.ties, g.id[:_ID], _clip_text(g.text)) for n, g in enumerate(figures.communities, 1)]
    spread = [(f"{s.least}" if s.least == s.most else f"{s.least}-{s.most}", s.people) for s in figures.histogram]
    return make_result(
        "Who is there",
        ("what", "number"),
        list(_iter_counts(figures)),
        parts=[
            make_result("The hub beside a random graph of its size, G(n, m)", beside, list(_iter_beside(figures))),
            make_result("How ties are directed", ("figure", "value"), list(_iter_mixing(figures))),
            make_result("Neighbours of a person", degrees, list(_iter_degrees(figures))),
            make_result("People by number of neighbours", ("neighbours", "people"), spread),
            make_result("The best connected", ("id", "neighbours", "out", "in", "hop", "who"), best),
            make_result("The largest communities", ("n", "people", "ties_within", "best_connected", "who"), groups),
        ],
    )


def _iter_counts(figures: "GraphFigures") -> Iterator[tuple[str, object]]:
    yield "people", figures.people
    yield "near-duplicates folded into them", figures.folded
    yield "people rejected by rules, left out", figures.rejected
    yield "relations", figures.relations
    yield "relations that folding made loops", figures.loops
    yield "relations that say again what another said", figures.repeated
    yield "relations with somebody rejected", figures.rejected_ties
    yield "relations with somebody who is not in the hub", figures.unplaced
    yield "strong components", figures.directed.strong.count
    yield "largest strong component", max(figures.directed.strong.sizes, default=0)
    yield "weak components of more than one person", figures.weak.count - figures.weak.single
    yield "largest weak components", ", ".join(f"{size:,}" for size in figures.weak.sizes[:5])


def _iter_beside(figures: "GraphFigures") -> Iterator[tuple[object, ...]]:
    for (name, own), (_, by_chance) in zip(_iter_shape(figures.shape), _iter_shape(figures.random), strict=True):
        yield name, own, by_chance
    yield "sigma (small world when well above 1)", figures.sigma, None


def _iter_shape(shape: "NetworkShape") -> Iterator[tuple[str, object]]:
    yield "pairs that are tied", shape.ties
    yield "neighbours, mean", shape.mean_degree
    yield "neighbours, most", shape.most_degree
    yield "people without a tie", shape.isolated
    yield "connected parts", shape.parts
    yield "people in the largest part", shape.largest
    yield "clustering, mean", _to_estimate(shape.clustering.average)
    yield "transitivity", _to_estimate(shape.clustering.transitivity)
    yield "mean path in the largest part", _to_estimate(shape.paths.mean)
    yield "longest path met", shape.paths.longest
    yield "assortativity by neighbours", shape.assortativity
    yield "communities", shape.communities
    yield "modularity", shape.modularity


def _iter_mixing(figures: "GraphFigures") -> Iterator[tuple[str, object]]:
    yield "pairs related in this direction", figures.directed.ties
    yield "reciprocity", figures.directed.reciprocity


def _iter_degrees(figures: "GraphFigures") -> Iterator[tuple[str, float, int, int, int, int]]:
    named = {
        "either way": figures.neighbours,
        "outgoing": figures.directed.outgoing,
        "incoming": figures.directed.incoming,
    }
    for name, d in named.items():
        yield name, round(d.mean, 3), d.median, d.p90, d.p99, d.most


def _clip_text(text: str) -> str:
    return clip_text(canonical_text(text), _TEXT)


def _to_estimate(measured: "Measurement") -> Estimate:
    error = measured.error
    if measured.value is None or error is None:
        return Estimate(measured.value)
    return Estimate(measured.value, measured.value - 1.96 * error, measured.value + 1.96 * error)

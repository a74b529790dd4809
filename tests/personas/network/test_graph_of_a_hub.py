"""Reading a hub's relations, near-duplicates folded, and the part that is drawn."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson
import pytest
from hub_people import reject
from hypothesis import strategies as st
from properties import holds

from populace.analysis.hub_summary import describe_figures
from populace.core.errors import SourceError
from populace.personas.dedup import Verdict
from populace.personas.hub import HubFile, create_hub
from populace.personas.network import (
    Excerpt,
    GraphFigures,
    central_excerpt,
    graph_figures,
    read_ties,
)
from populace.personas.network.excerpts import communities_of
from populace.personas.network.network import Network
from populace.personas.persona import Persona, Relation, RelationKind
from populace.personas.population import PersonaGraph

PEOPLE = [Persona(f"A {what} of the {where} quay.") for what in ("bookbinder", "nurse", "potter", "miller")
          for where in ("north", "south", "old")]  # fmt: skip
PAIRS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(0, 1)), max_size=30)
REPEATS = st.dictionaries(st.integers(1, 11), st.integers(0, 10)).map(
    lambda found: {later: earlier for later, earlier in found.items() if earlier < later}
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubFile]:
    with create_hub(tmp_path / "hub.duckdb") as hub:
        for n, person in enumerate(PEOPLE):
            row = [person.id, n + 1, person.text, "import", n % 3, None, "cy" if n % 4 == 0 else "en"] + [None] * 4
            hub.con.execute(f"INSERT INTO personas VALUES ({', '.join('?' * len(row))})", row)
        yield hub


KINDS = list(RelationKind)


def relate(
    hub: HubFile,
    pairs: Sequence[tuple[int, int, int]],
    repeats: dict[int, int] | None = None,
    away: Iterable[int] = (),
) -> None:
    """Fill relations (from, to, kind), near-duplicates (later, earlier) and rule results of the hub."""
    hub.con.execute("DELETE FROM relations; DELETE FROM duplicates; DELETE FROM rule_results")
    for n, (a, b, kind) in enumerate(pairs):
        row = [n + 1, PEOPLE[a].id, PEOPLE[b].id, KINDS[kind], f"label {kind}", 1 + n % 2]
        hub.con.execute("INSERT INTO relations VALUES (?, ?, ?, ?, ?, ?)", row)
    for later, earlier in (repeats or {}).items():
        row = ["persona", None, PEOPLE[later].id, PEOPLE[earlier].id, None, None, "minhash", 0.95, False]
        hub.con.execute("INSERT INTO duplicates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    reject(hub, *(PEOPLE[who].id for who in away))


def society(pairs: Sequence[tuple[int, int, int]], repeats: dict[int, int], away: Iterable[int] = ()) -> PersonaGraph:
    relations = [Relation(PEOPLE[a].id, PEOPLE[b].id, RelationKind(KINDS[k]), f"label {k}") for a, b, k in pairs]
    verdicts = [Verdict(PEOPLE[later].id, PEOPLE[of].id, "minhash", 0.95) for later, of in repeats.items()]
    return PersonaGraph.build(PEOPLE, relations, verdicts, [PEOPLE[who].id for who in away])


def excerpt(hub: HubFile, **most: int) -> Excerpt:
    ties = read_ties(hub)
    return central_excerpt(hub, Network.of_pairs(ties.people, ties.source, ties.target), **most)


def figures(hub: HubFile, seed: int = 0) -> GraphFigures:
    ties = read_ties(hub)
    return graph_figures(hub, ties, Network.of_pairs(ties.people, ties.source, ties.target), seed=seed)[0]


@holds(PAIRS, REPEATS, st.frozensets(st.integers(0, 11), max_size=3), few=8, many=15)
def test_the_ties_are_those_of_the_graph_of_a_society(
    hub: HubFile, pairs: list[tuple[int, int, int]], repeats: dict[int, int], away: frozenset[int]
) -> None:
    relate(hub, pairs, repeats, away)
    ties, graph = read_ties(hub), society(pairs, repeats, away)
    names = [person.id for person in graph.personas]
    mine = sorted(zip(ties.source.tolist(), ties.target.tolist(), strict=True))
    theirs = [(names.index(a), names.index(b)) for a, b in graph.nx.edges()]
    assert mine == sorted(theirs)
    assert ties.people == len(graph)
    assert ties.people + ties.folded + ties.rejected == len(PEOPLE)
    assert len(ties) + ties.loops + ties.repeated + ties.rejected_ties == len(pairs)


@holds(PAIRS, REPEATS, st.frozensets(st.integers(0, 11), max_size=3), few=8, many=15)
def test_the_excerpt_of_a_small_graph_is_all_of_it(
    hub: HubFile, pairs: list[tuple[int, int, int]], repeats: dict[int, int], away: frozenset[int]
) -> None:
    relate(hub, pairs, repeats, away)
    graph, part = society(pairs, repeats, away), excerpt(hub)
    assert {person.id for person in part.people} == set(graph.nx)
    assert sorted((link.source, link.target, link.kind) for link in part.links) == sorted(graph.nx.edges(data="kind"))
    assert (part.people_in_all, part.links_in_all) == (len(graph), len(part.links))


def test_verdicts_in_a_circle_are_refused(hub: HubFile) -> None:
    relate(hub, [], {1: 2, 2: 3, 3: 1})
    with pytest.raises(SourceError, match="lead in a circle"):
        read_ties(hub)


def test_an_undone_verdict_folds_nobody(hub: HubFile) -> None:
    relate(hub, [(0, 1, 0)], {1: 0})
    hub.con.execute("UPDATE duplicates SET undone = true")
    assert (read_ties(hub).people, len(read_ties(hub))) == (12, 1)


def test_a_relation_with_nobody_is_counted_and_left_out(hub: HubFile) -> None:
    relate(hub, [(0, 1, 0)])
    hub.con.execute("INSERT INTO relations VALUES (2, ?, 'nobody', 'WORK', 'boss', 1)", [PEOPLE[0].id])
    assert (len(read_ties(hub)), read_ties(hub).unplaced) == (1, 1)
    assert excerpt(hub).links_in_all == 1


def test_whoever_was_rejected_is_left_out_with_their_ties_and_counted(hub: HubFile) -> None:
    relate(hub, [(0, 1, 0), (1, 2, 0), (3, 0, 0), (4, 5, 0)], {2: 1, 3: 0}, away=[1, 3])
    found = figures(hub)
    # 2 repeats somebody who was rejected, so it stands; 3 was rejected although it repeats somebody who stands.
    assert (found.people, found.folded, found.rejected) == (10, 0, 2)
    assert (found.relations, found.rejected_ties, found.unplaced) == (1, 3, 0)
    told = {row[0]: row[1] for row in describe_figures(found).rows}
    assert told["people rejected by rules, left out"] == 2
    assert orjson.loads(orjson.dumps(found))["rejected"] == 2
    hub.con.execute("UPDATE rule_results SET undone = true")
    assert (figures(hub).rejected, figures(hub).folded, figures(hub).relations) == (0, 2, 2)


def test_the_figures_of_a_hub_are_told_beside_random_graphs(hub: HubFile) -> None:
    relate(hub, [(0, n, n % 2) for n in range(1, 8)] + [(1, 0, 1), (1, 2, 0), (8, 9, 0)])
    found = figures(hub)
    assert (found.people, found.relations, found.directed.ties, found.shape.ties) == (12, 10, 10, 9)
    assert (found.weak.count, found.weak.single, found.weak.sizes[:2]) == (4, 2, (8, 2))
    assert found.directed.reciprocity == pytest.approx(2 / 10)
    assert found.central[0].text == PEOPLE[0].text
    assert (found.central[0].neighbours, found.central[0].outgoing, found.central[0].incoming) == (7, 7, 1)
    assert (found.random.people, found.random.ties) == (12, 9)
    assert found.communities[0].people >= found.communities[-1].people > 1
    assert orjson.loads(orjson.dumps(found))["shape"]["largest"] == 8


def test_one_seed_gives_the_same_figures_twice(hub: HubFile) -> None:
    relate(hub, [(a, b, (a + b) % 2) for a in range(12) for b in range(a) if (a * b) % 3 == 1])
    assert figures(hub, seed=4) == figures(hub, seed=4)
    assert figures(hub, seed=4).random != figures(hub, seed=5).random


def test_a_small_world_is_told_from_chance(hub: HubFile) -> None:
    ring = [(n, (n + step) % 12, 0) for n in range(12) for step in (1, 2)]
    relate(hub, ring)
    assert figures(hub).shape.clustering.average.value == pytest.approx(0.5)
    assert (figures(hub).sigma or 0) > 1


def test_a_hub_without_ties_has_figures_that_are_not_defined(hub: HubFile) -> None:
    relate(hub, [])
    found = figures(hub)
    assert (found.directed.reciprocity, found.sigma, found.shape.paths.mean.value) == (None,) * 3
    assert (found.weak.count, found.weak.single, found.central, found.communities) == (12, 12, (), ())


def test_an_empty_hub_has_figures(tmp_path: Path) -> None:
    with create_hub(tmp_path / "empty.duckdb") as empty:
        found = figures(empty)
    assert (found.people, found.relations, found.weak.count, found.shape.largest) == (0, 0, 0, 0)


def test_the_excerpt_of_a_big_graph_is_around_the_best_connected(hub: HubFile) -> None:
    relate(hub, [(5, other, 0) for other in (1, 3, 7)] + [(8, 9, 0)])
    ties = read_ties(hub)
    network = Network.of_pairs(ties.people, ties.source, ties.target)
    part = central_excerpt(hub, network, most_people=4, most_links=2)
    assert {person.id for person in part.people} == {PEOPLE[n].id for n in (1, 3, 5, 7)}
    assert (len(part.links), part.links_in_all, part.people_in_all) == (2, 3, 12)
    assert len(central_excerpt(hub, network).people) == 12


def test_people_who_were_rewritten_are_shown_by_the_ids_of_exports(hub: HubFile) -> None:
    relate(hub, [(5, other, 0) for other in (1, 3, 7)])
    was, now = PEOPLE[5].id, "A glazier of the old quay."
    shown = Persona(now).id
    hub.con.execute("UPDATE personas SET text = ? WHERE id = ?", [now, was])
    hub.con.execute("INSERT INTO rewritten_people VALUES (?, ?)", [was, shown])
    assert {link.source for link in excerpt(hub).links} == {shown}
    ties = read_ties(hub)
    network = Network.of_pairs(ties.people, ties.source, ties.target)
    found, labels = graph_figures(hub, ties, network)
    assert labels is not None
    assert (found.central[0].id, found.communities[0].id) == (shown, shown)
    assert shown in {person.id for person in central_excerpt(hub, network).people}
    assert communities_of(hub, labels)[shown] == labels[5]

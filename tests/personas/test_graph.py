import pytest
from hypothesis import strategies as st
from properties import holds

from populace.core.errors import SetupError
from populace.personas.dedup import Verdict
from populace.personas.persona import Persona, Relation, RelationKind
from populace.personas.population import Neighbour, PersonaGraph

NURSE, PATIENT, TWIN, PORTER = (Persona(f"A {who}.", hop=n) for n, who in enumerate(["nurse", "boy", "lad", "porter"]))
EVERYBODY = (NURSE, PATIENT, TWIN, PORTER)
CARE = RelationKind.CARE


def relation(source: Persona, target: Persona, label: str = "patient", kind: RelationKind = CARE) -> Relation:
    return Relation(source.id, target.id, kind, label)


def verdict(persona: Persona, of: Persona) -> Verdict:
    return Verdict(persona.id, of.id, "minhash", 0.95)


def test_both_ends_of_a_relation_see_it_in_words_of_their_own() -> None:
    graph = PersonaGraph.build(EVERYBODY, [relation(NURSE, PATIENT)])
    assert graph.neighbours(NURSE.id) == (Neighbour(PATIENT.id, CARE, "patient", outgoing=True),)
    assert graph.neighbours(NURSE.id)[0].described == "patient"
    assert graph.neighbours(PATIENT.id)[0].described == "you are their patient"


def test_neighbours_come_in_the_order_of_their_relations() -> None:
    graph = PersonaGraph.build(EVERYBODY, [relation(PORTER, NURSE), relation(NURSE, PATIENT), relation(TWIN, NURSE)])
    assert [n.id for n in graph.neighbours(NURSE.id)] == [PORTER.id, PATIENT.id, TWIN.id]


def test_a_near_duplicate_gives_way_to_the_one_it_repeats() -> None:
    graph = PersonaGraph.build(EVERYBODY, [relation(NURSE, TWIN)], [verdict(TWIN, PATIENT)])
    assert graph.personas == (NURSE, PATIENT, PORTER)
    assert [n.id for n in graph.neighbours(NURSE.id)] == [PATIENT.id]
    assert TWIN.id not in graph


def test_a_chain_of_near_duplicates_leads_to_its_end() -> None:
    graph = PersonaGraph.build(EVERYBODY, [relation(NURSE, PORTER)], [verdict(PORTER, TWIN), verdict(TWIN, PATIENT)])
    assert [n.id for n in graph.neighbours(NURSE.id)] == [PATIENT.id]
    assert len(graph) == 2


def test_what_leads_to_oneself_after_resolving_is_dropped() -> None:
    graph = PersonaGraph.build(EVERYBODY, [relation(PATIENT, TWIN, "twin")], [verdict(TWIN, PATIENT)])
    assert graph.neighbours(PATIENT.id) == ()
    assert graph.nx.number_of_edges() == 0


def test_a_pair_may_hold_several_relations_but_none_twice() -> None:
    said = [
        relation(NURSE, PATIENT),
        relation(NURSE, PATIENT, "cousin", RelationKind.KINSHIP),
        relation(NURSE, TWIN),
    ]
    graph = PersonaGraph.build(EVERYBODY, said, [verdict(TWIN, PATIENT)])
    assert [n.label for n in graph.neighbours(NURSE.id)] == ["patient", "cousin"]
    assert graph.nx.number_of_edges(NURSE.id, PATIENT.id) == 2


def test_whoever_was_rejected_is_left_out_with_all_ties_and_whom_they_hid_stands() -> None:
    said = [relation(NURSE, PATIENT), relation(NURSE, TWIN), relation(NURSE, PORTER), relation(PORTER, NURSE)]
    graph = PersonaGraph.build(EVERYBODY, said, [verdict(TWIN, PATIENT)], rejected=[PATIENT.id])
    assert PATIENT not in graph.personas
    assert TWIN in graph.personas
    assert {n.id for n in graph.neighbours(NURSE.id)} == {TWIN.id, PORTER.id}
    graph = PersonaGraph.build(EVERYBODY, said, [verdict(TWIN, PATIENT)], rejected=[TWIN.id])
    assert [n.id for n in graph.neighbours(PATIENT.id)] == [NURSE.id]


def test_the_networkx_graph_carries_the_attributes() -> None:
    graph = PersonaGraph.build(EVERYBODY, [relation(NURSE, PATIENT)])
    assert graph.nx.nodes[PATIENT.id] == {"text": "A boy.", "hop": 1}
    assert list(graph.nx.edges(data=True)) == [(NURSE.id, PATIENT.id, {"kind": CARE, "label": "patient", "hop": 1})]


def test_a_persona_is_found_by_its_id() -> None:
    graph = PersonaGraph.build(EVERYBODY, [])
    assert graph.persona(PORTER.id) is PORTER
    with pytest.raises(KeyError):
        graph.persona("nobody")


def test_somebody_who_is_not_there_is_named() -> None:
    with pytest.raises(SetupError, match=f"'patient' names persona {PATIENT.id}"):
        PersonaGraph.build([NURSE], [relation(NURSE, PATIENT)])
    with pytest.raises(SetupError, match=f"verdict names persona {TWIN.id}"):
        PersonaGraph.build([NURSE], [], [verdict(NURSE, TWIN)])


def test_verdicts_in_a_circle_are_refused() -> None:
    circle = [verdict(NURSE, PATIENT), verdict(PATIENT, TWIN), verdict(TWIN, NURSE)]
    with pytest.raises(SetupError, match="in a circle"):
        PersonaGraph.build(EVERYBODY, [], circle)


@holds(
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19))),
    st.dictionaries(st.integers(1, 19), st.integers(0, 18)),
)
def test_every_relation_is_seen_from_both_ends(pairs: list[tuple[int, int]], repeats: dict[int, int]) -> None:
    people = [Persona(f"Person {n}.") for n in range(20)]
    verdicts = [verdict(people[later], people[earlier]) for later, earlier in repeats.items() if earlier < later]
    graph = PersonaGraph.build(people, [relation(people[a], people[b]) for a, b in pairs], verdicts)
    seen = {(p.id, n.id, n.outgoing) for p in graph.personas for n in graph.neighbours(p.id)}
    assert seen == {(b, a, not outgoing) for a, b, outgoing in seen}
    assert len(graph) == 20 - len(verdicts)
    assert all(a != b for a, b in graph.nx.edges())

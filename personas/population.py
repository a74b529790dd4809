"""The people of a growing society, the relations between them, and the graph of those that are kept."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

import networkx as nx

from ..core.errors import SetupError
from .dedup import NearDuplicates, Verdict
from .persona import Persona, Relation, RelationKind


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The person at the other end of a relation."""

    #: The id of the other person.
    id: str
    kind: RelationKind
    #: What the relation's target is to its source.
    label: str
    #: True when the other is the target: "they are my `label`"; else "I am their `label`".
    outgoing: bool
    #: 1 for every relation that growth found; ties that agents strengthen have more.
    weight: float = 1.0

    @property
    def described(self) -> str:
        """The relation as its owner would read it: "patient", or "you are their patient"."""
        return self.label if self.outgoing else f"you are their {self.label}"

    @property
    def called(self) -> str:
        """The other person within a sentence: "your patient", or "the one whose patient you are"."""
        return f"your {self.label}" if self.outgoing else f"the one whose {self.label} you are"


class PersonaGraph:
    """A directed graph of persona ids; a pair may have several relations.

    It is built from rows. Near-duplicates are replaced by the persona they repeat; relations that then lead from a
    persona to itself, and repeated ones, are dropped.
    """

    def __init__(self, personas: Mapping[str, Persona], relations: Iterable[Relation]) -> None:
        self._personas = personas
        #: Those that the graph began with, all and by persona; neighbours are made of them when they are asked for.
        self._relations: list[Relation] = []
        self._concerned: dict[str, list[Relation]] = {persona_id: [] for persona_id in personas}
        self._neighbours: dict[str, tuple[Neighbour, ...]] = {}
        #: How often ties of a persona were changed, where they were.
        self._changes: Counter[str] = Counter()
        #: Ties that were added, or given another weight, since; the networkx graph is made when it is asked for.
        self._set: list[tuple[str, str, RelationKind, str, float]] = []
        self._graph: nx.MultiDiGraph | None = None
        for r in relations:
            self._relations.append(r)
            self._concerned[r.source].append(r)
            self._concerned[r.target].append(r)

    @classmethod
    def build(
        cls,
        personas: Iterable[Persona],
        relations: Iterable[Relation],
        verdicts: Iterable[Verdict] = (),
        rejected: Iterable[str] = (),
    ) -> Self:
        """Build the graph of all personas that are kept, in the order given.

        The ids in `rejected` are left out with their relations, and verdicts that name them do not hold. Raises
        `SetupError` for a relation or verdict that names an unknown id, and for verdicts in a circle.
        """
        given = {persona.id: persona for persona in personas}
        away = frozenset(rejected)
        survivors = _find_survivors(given, verdicts, away)
        alive = {i: p for i, p in given.items() if survivors[i] == i and i not in away}
        return cls(alive, _between_survivors(relations, survivors, away))

    def __len__(self) -> int:
        return len(self._personas)

    def __contains__(self, persona_id: object) -> bool:
        return persona_id in self._personas

    @property
    def nx(self) -> nx.MultiDiGraph:
        """The networkx graph, for reading: nodes have `text` and `hop`; edges have `kind`, `label` and `hop`.

        Edges that were added or strengthened since have a `weight`; those added have no `hop`.
        """
        if self._graph is None:
            self._graph = nx.MultiDiGraph()
            self._graph.add_nodes_from((p.id, {"text": p.text, "hop": p.hop}) for p in self._personas.values())
            edges = ((r.source, r.target, {"kind": r.kind, "label": r.label, "hop": r.hop}) for r in self._relations)
            self._graph.add_edges_from(edges)
            for tie in self._set:
                self._set_edge(*tie)
        return self._graph

    @property
    def relations(self) -> tuple[Relation, ...]:
        """The relations that the graph began with, in their order."""
        return tuple(self._relations)

    @property
    def personas(self) -> tuple[Persona, ...]:
        """The people in the graph, in order of arrival."""
        return tuple(self._personas.values())

    def persona(self, persona_id: str) -> Persona:
        """Return the persona with this id. Raises `KeyError` if it is not in the graph."""
        return self._personas[persona_id]

    def add(self, persona: Persona) -> None:
        """Add a persona that has no ties yet."""
        if not isinstance(self._personas, dict):
            self._personas = dict(self._personas)
        self._personas[persona.id] = persona
        self._neighbours[persona.id] = ()
        if self._graph is not None:
            self._graph.add_node(persona.id, text=persona.text, hop=persona.hop)

    def neighbours(self, persona_id: str) -> tuple[Neighbour, ...]:
        """Return the neighbours of a persona in either direction: one entry per relation, the oldest first.

        Raises `KeyError` if the persona is not in the graph.
        """
        known = self._neighbours.get(persona_id)
        if known is None:
            known = tuple(_seen_from(persona_id, r) for r in self._concerned.pop(persona_id))
            self._neighbours[persona_id] = known
        return known

    def acquaintances(self, persona_id: str) -> Mapping[str, tuple[Neighbour, ...]]:
        """Return everyone related to a persona, by oldest relation, each with all relations, the oldest first.

        Raises `KeyError` if the persona is not in the graph.
        """
        ties: dict[str, tuple[Neighbour, ...]] = {}
        known = self._neighbours.get(persona_id)
        if known is None:  # which is not kept: callers keep what they make of it
            known = tuple(_seen_from(persona_id, r) for r in self._concerned[persona_id])
        for tie in known:
            ties[tie.id] = (*ties.get(tie.id, ()), tie)
        return ties

    def changes(self, persona_id: str) -> int:
        """Count how often ties of a persona were changed."""
        return self._changes.get(persona_id, 0)

    def set_tie(self, source: str, target: str, kind: RelationKind, label: str, weight: float) -> None:
        """Add this tie or change its weight; a weight of 0 removes it. Raises `KeyError` for unknown ids."""
        for owner, other, outgoing in ((source, target, True), (target, source, False)):
            known, tie = self.neighbours(owner), (other, kind, label, outgoing)
            self._changes[owner] += 1
            place = next((n for n, o in enumerate(known) if (o.id, o.kind, o.label, o.outgoing) == tie), len(known))
            now_is = (Neighbour(*tie, weight),) if weight or place == len(known) else ()
            self._neighbours[owner] = (*known[:place], *now_is, *known[place + 1 :])
        self._set.append((source, target, kind, label, weight))
        if self._graph is not None:
            self._set_edge(source, target, kind, label, weight)

    def _set_edge(self, source: str, target: str, kind: RelationKind, label: str, weight: float) -> None:
        graph = self.nx
        edges = graph.get_edge_data(source, target) or {}
        known_as = next((key for key, one in edges.items() if (one["kind"], one["label"]) == (kind, label)), None)
        if not weight:
            graph.remove_edge(source, target, known_as)
        elif known_as is None:
            graph.add_edge(source, target, kind=kind, label=label, weight=weight)
        else:
            edges[known_as]["weight"] = weight


def _seen_from(persona_id: str, relation: Relation) -> Neighbour:
    if relation.source == persona_id:
        return Neighbour(relation.target, relation.kind, relation.label, outgoing=True)
    return Neighbour(relation.source, relation.kind, relation.label, outgoing=False)


def _find_survivors(personas: Mapping[str, Persona], verdicts: Iterable[Verdict], away: Set[str]) -> dict[str, str]:
    """Return the survivor of every id: itself, or the end of its chain of near-duplicates."""
    repeats = {verdict.persona: verdict.of for verdict in verdicts}
    for persona_id in (*repeats, *repeats.values()):
        if persona_id not in personas:
            raise SetupError(f"A near-duplicate verdict names persona {persona_id}, who is not among the personas.")
    repeats = {persona_id: of for persona_id, of in repeats.items() if of not in away}
    survivors: dict[str, str] = {}
    for persona_id in personas:
        path = [persona_id]
        while path[-1] in repeats and path[-1] not in survivors:
            path.append(repeats[path[-1]])
            if len(path) > len(repeats) + 1:
                raise SetupError(f"Near-duplicate verdicts lead in a circle from {persona_id}; undo one of them.")
        end = survivors.get(path[-1], path[-1])
        survivors.update(dict.fromkeys(path, end))
    return survivors


def _between_survivors(
    relations: Iterable[Relation], survivors: Mapping[str, str], away: Set[str]
) -> Iterator[Relation]:
    said: set[tuple[str, str, RelationKind, str]] = set()
    for relation in relations:
        for end in (relation.source, relation.target):
            if end not in survivors:
                raise SetupError(f"Relation {relation.label!r} names persona {end}, who is not among the personas.")
        if relation.source in away or relation.target in away:
            continue
        source, target = survivors[relation.source], survivors[relation.target]
        tie = (source, target, relation.kind, relation.label)
        if source != target and tie not in said:
            said.add(tie)
            is_same = source == relation.source and target == relation.target
            yield relation if is_same else replace(relation, source=source, target=target)


class Admission(StrEnum):
    """What happened to a persona that arrived."""

    #: A new person.
    BORN = "born"
    #: A near-duplicate of an earlier persona: kept as a row with a verdict, not alive.
    DUPLICATE = "duplicate"
    #: The same text as an earlier persona, and therefore the same person.
    KNOWN = "known"


class Population:
    """Everybody who has arrived so far, with relations, near-duplicate verdicts, and those who were rejected.

    It can be rebuilt from the rows of a run that was killed: what the constructor is given counts as decided, and
    personas without a verdict who were not rejected are alive. `len()` is the number of living people.
    """

    def __init__(
        self,
        personas: Iterable[Persona] = (),
        relations: Iterable[Relation] = (),
        verdicts: Iterable[Verdict] = (),
        rejected: Iterable[str] = (),
    ) -> None:
        self._personas = {persona.id: persona for persona in personas}
        self._verdicts = {verdict.persona: verdict for verdict in verdicts}
        self._away = set(rejected)
        self._relations: dict[tuple[str, str, str, str], Relation] = {}
        self._related: dict[str, set[str]] = {}
        self._sources: set[str] = set()
        self._index = NearDuplicates[str]()
        gone = self._verdicts.keys() | self._away
        self._alive = tuple(p for p in self._personas.values() if p.id not in gone)
        self._newborn: list[Persona] = []
        self._origins: Counter[str] | None = None
        self._index.keep_all((p.id for p in self._alive), (p.text for p in self._alive))
        for relation in relations:
            self.add_relation(relation)

    def __len__(self) -> int:
        return len(self._alive) + len(self._newborn)

    def __contains__(self, persona_id: object) -> bool:
        return persona_id in self._personas

    @property
    def personas(self) -> tuple[Persona, ...]:
        """Everybody in order of arrival, including near-duplicates and people who were rejected."""
        return tuple(self._personas.values())

    @property
    def relations(self) -> tuple[Relation, ...]:
        """All relations in order of arrival."""
        return tuple(self._relations.values())

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All verdicts in order of arrival."""
        return tuple(self._verdicts.values())

    @property
    def arrived(self) -> int:
        """The number of personas that have arrived, including near-duplicates and people who were rejected."""
        return len(self._personas)

    @property
    def ties(self) -> int:
        """The number of relations."""
        return len(self._relations)

    @property
    def alive(self) -> tuple[Persona, ...]:
        """The people who were admitted and are not near-duplicates, in order of arrival."""
        if self._newborn:
            self._alive += tuple(self._newborn)
            self._newborn.clear()
        return self._alive

    @property
    def origins(self) -> Counter[str]:
        """Count the living people of each origin, as `origin_of` names it."""
        if self._origins is None:
            self._origins = Counter(map(self.origin_of, self.alive))
        return self._origins

    def origin_of(self, persona: Persona) -> str:
        """Find the first person in a line of descent: the one who was inferred from a text, or read from a hub."""
        while (parent := self._personas.get(persona.parent or "")) is not None and parent.hop < persona.hop:
            persona = parent
        return persona.parent or persona.id

    def persona(self, persona_id: str) -> Persona:
        """Return the persona with this id. Raises `KeyError` if it has not arrived."""
        return self._personas[persona_id]

    def verdict(self, persona_id: str) -> Verdict | None:
        """Return the verdict on a persona; None if it has none."""
        return self._verdicts.get(persona_id)

    def admit_persona(self, persona: Persona) -> Admission:
        """Add a persona, and return how it was received. The first of equal texts stays, with its lineage."""
        if persona.id in self._personas:
            return Admission.KNOWN
        self._personas[persona.id] = persona
        match = self._index.add(persona.id, persona.text)
        if match is None:
            self._newborn.append(persona)
            if self._origins is not None:
                self._origins[self.origin_of(persona)] += 1
            return Admission.BORN
        self._verdicts[persona.id] = Verdict(persona.id, match.key, match.stage, match.similarity)
        return Admission.DUPLICATE

    def reject(self, persona: Persona) -> None:
        """Keep a persona that a rule rejects, unless it has arrived before. Later ones are not compared with it."""
        if persona.id not in self._personas:
            self._personas[persona.id] = persona
            self._away.add(persona.id)

    def add_relation(self, relation: Relation) -> bool:
        """Add a relation; return False if it is known or leads from a persona to itself."""
        tie = (relation.source, relation.target, relation.kind, relation.label)
        if relation.source == relation.target or tie in self._relations:
            return False
        self._relations[tie] = relation
        self._sources.add(relation.source)
        self._related.setdefault(relation.source, set()).add(relation.target)
        self._related.setdefault(relation.target, set()).add(relation.source)
        return True

    def is_tied(self, persona_id: str) -> bool:
        """Return whether any relation leads from or to this persona."""
        return persona_id in self._related

    def is_source(self, persona_id: str) -> bool:
        """Return whether a relation leads from this persona, so that it has been asked about."""
        return persona_id in self._sources

    def is_related(self, one: str, other: str) -> bool:
        """Return whether two ids are equal or joined by a relation in either direction."""
        return one == other or other in self._related.get(one, ())

    def graph(self) -> PersonaGraph:
        """Build the graph of living personas. Raises `SetupError` for a relation to an unknown persona."""
        return PersonaGraph.build(
            self._personas.values(), self._relations.values(), self._verdicts.values(), self._away
        )

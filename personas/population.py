"""Everybody who has been grown so far, and what is between them."""

from collections.abc import Iterable
from enum import StrEnum

from .dedup import NearDuplicates, Verdict
from .graph import PersonaGraph
from .persona import Persona, Relation

__all__ = ["Arrival", "Population"]


class Arrival(StrEnum):
    """What became of a persona that arrived."""

    #: Somebody new.
    BORN = "born"
    #: Somebody who nearly repeats an earlier persona: kept as a row with a verdict, not alive.
    DUPLICATE = "duplicate"
    #: The same text as an earlier persona, and so the same person.
    KNOWN = "known"
    #: Somebody whom a rule does not let in: kept as a row, not alive.
    TURNED_AWAY = "turned away"


class Population:
    """Everybody who has arrived so far, what relates them, who is a near-duplicate of whom, and who was turned away.

    What it is given is taken as decided: personas without a verdict who were not turned away are alive. So it can be
    made anew from the rows of a run that was killed. `len()` is the number of those alive.
    """

    def __init__(
        self,
        personas: Iterable[Persona] = (),
        relations: Iterable[Relation] = (),
        verdicts: Iterable[Verdict] = (),
        turned_away: Iterable[str] = (),
    ) -> None:
        self._personas = {persona.id: persona for persona in personas}
        self._verdicts = {verdict.persona: verdict for verdict in verdicts}
        self._away = set(turned_away)
        self._relations: dict[tuple[str, str, str, str], Relation] = {}
        self._related: dict[str, set[str]] = {}
        self._sources: set[str] = set()
        self._index = NearDuplicates[str]()
        gone = self._verdicts.keys() | self._away
        self._alive = tuple(p for p in self._personas.values() if p.id not in gone)
        self._newborn: list[Persona] = []
        for persona in self._alive:
            self._index.keep(persona.id, persona.text)
        for relation in relations:
            self.relate(relation)

    def __len__(self) -> int:
        return len(self._alive) + len(self._newborn)

    def __contains__(self, persona_id: object) -> bool:
        return persona_id in self._personas

    @property
    def personas(self) -> tuple[Persona, ...]:
        """Everybody in order of arrival, near-duplicates and those who were turned away included."""
        return tuple(self._personas.values())

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Every relation in order of arrival."""
        return tuple(self._relations.values())

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict in order of arrival."""
        return tuple(self._verdicts.values())

    @property
    def arrived(self) -> int:
        """How many have arrived, near-duplicates and those who were turned away included."""
        return len(self._personas)

    @property
    def ties(self) -> int:
        """How many relations there are."""
        return len(self._relations)

    @property
    def alive(self) -> tuple[Persona, ...]:
        """Those who were let in and are nobody's near-duplicate, in order of arrival."""
        if self._newborn:
            self._alive += tuple(self._newborn)
            self._newborn.clear()
        return self._alive

    def persona(self, persona_id: str) -> Persona:
        """Whoever has this id. Raises `KeyError` when nobody arrived with it."""
        return self._personas[persona_id]

    def verdict(self, persona_id: str) -> Verdict | None:
        """The verdict on a persona; None for one who is alive."""
        return self._verdicts.get(persona_id)

    def admit(self, persona: Persona) -> Arrival:
        """Take a persona in, and say what became of it. The first of equals stays, with its lineage."""
        if persona.id in self._personas:
            return Arrival.KNOWN
        self._personas[persona.id] = persona
        match = self._index.add(persona.id, persona.text)
        if match is None:
            self._newborn.append(persona)
            return Arrival.BORN
        self._verdicts[persona.id] = Verdict(persona.id, match.key, match.stage, match.similarity)
        return Arrival.DUPLICATE

    def turn_away(self, persona: Persona) -> Arrival:
        """Keep a persona whom a rule does not let in. Nobody can be a near-duplicate of one who is not there."""
        if persona.id in self._personas:
            return Arrival.KNOWN
        self._personas[persona.id] = persona
        self._away.add(persona.id)
        return Arrival.TURNED_AWAY

    def is_turned_away(self, persona_id: str) -> bool:
        """Whether a rule has not let this persona in."""
        return persona_id in self._away

    def relate(self, relation: Relation) -> bool:
        """Take a relation in; False when it is there already, or leads from somebody to themselves."""
        tie = (relation.source, relation.target, relation.kind, relation.label)
        if relation.source == relation.target or tie in self._relations:
            return False
        self._relations[tie] = relation
        self._sources.add(relation.source)
        self._related.setdefault(relation.source, set()).add(relation.target)
        self._related.setdefault(relation.target, set()).add(relation.source)
        return True

    def is_source(self, persona_id: str) -> bool:
        """Whether any relation leads from this persona: then somebody has asked who is related to it."""
        return persona_id in self._sources

    def is_related(self, one: str, other: str) -> bool:
        """Whether two ids are one persona or joined by a relation, whichever way it leads."""
        return one == other or other in self._related.get(one, ())

    def graph(self) -> PersonaGraph:
        """The graph of those alive. Raises `SetupError` for a relation to somebody who never arrived."""
        return PersonaGraph.build(
            self._personas.values(), self._relations.values(), self._verdicts.values(), self._away
        )

"""Hubs for tests: a few people with ties, or many that the stand-in's word lists give."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from populace.agents.procedural.growth import Relatives, Sketch, describe, draw_role
from populace.personas.hub.file import HubFile, create_hub
from populace.personas.persona import Persona

#: Whom the relation leads from and to, its kind and its label.
type Tie = tuple[Persona, Persona, str, str]

_KINDS = ("kinship", "friendship", "work", "care", "neighbourhood")


def plant_vectors(hub: HubFile, ids: Sequence[str], vectors: Iterable[Iterable[float]], model: str) -> None:
    """Give people of a hub vectors of a model, as embedding calls would."""
    rows = [
        (key, model, [float(x) for x in vector], f"call of {key}") for key, vector in zip(ids, vectors, strict=True)
    ]
    with hub.writing() as con:
        for row in rows:
            con.execute("INSERT INTO vectors VALUES (?, ?, ?, ?)", row)


def ask_hub(hub: HubFile, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return hub.con.execute(query).fetchall()


def reject(hub: HubFile, *ids: str, rule: str = "refusal", outcome: str = "rejected", undone: bool = False) -> None:
    """Give people the result of a rule, as a check would."""
    for persona in ids:
        hub.con.execute(
            "INSERT INTO rule_results (persona, rule, reason, outcome, undone) VALUES (?, ?, 'So.', ?, ?)",
            [persona, rule, outcome, undone],
        )


def make_hub(path: Path, people: Sequence[Persona], ties: Iterable[Tie] = ()) -> Path:
    """A hub of these people, who were imported, and of what ties them."""
    rows = {
        "id": [p.id for p in people],
        "ordinal": list(range(1, len(people) + 1)),
        "text": [p.text for p in people],
        "language": [p.language for p in people],
    }
    tied = [(n, s.id, t.id, kind, label) for n, (s, t, kind, label) in enumerate(ties, start=1)]
    with create_hub(path) as hub, hub.writing() as con:
        con.register("new_people", pa.table(rows))
        con.execute(
            "INSERT INTO personas SELECT id, ordinal, text, 'import', 0, NULL, language, NULL, NULL, NULL, NULL "
            "FROM new_people"
        )
        for row in tied:
            con.execute("INSERT INTO relations VALUES (?, ?, ?, ?, ?, 1)", row)
    return path


def townsfolk(count: int) -> tuple[list[Persona], list[Tie]]:
    """So many different people, and ties between them."""
    rng = random.Random(11)
    people: dict[str, Persona] = {}
    ties: list[Tie] = []
    while len(people) < count:
        stage = rng.choice(("child", "young", "adult", "old"))
        persona = Persona(describe(rng, Sketch(draw_role(rng, stage), stage, rng.choice("fm"))))
        related = Relatives(rng, persona.text).draw(_KINDS)
        other = Persona(related["persona"])
        people |= {persona.id: persona, other.id: other}
        ties.append((persona, other, related["kind"], related["label"]))
    chosen = list(people.values())[:count]
    known = {p.id for p in chosen}
    return chosen, [tie for tie in ties if {tie[0].id, tie[1].id} <= known]

"""The agents of a finished run as they were after its last step: who they are, what they remember, what is news.

They are read from the file alone, and no script of a scenario is run for it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np

from ...agents.embedding.models import named_embedder
from ...agents.embedding.vectors import Vector, text_hash
from ...agents.gateway.budget import known_prices
from ...core.errors import SetupError, parameter
from ...personas.hub.tables import PersonaRow
from ...personas.population import PersonaGraph
from ..details import PeopleDetails
from ..dynamics.world import World
from ..engine import JobModels
from ..growth.stored import stored_persona
from ..jobs.kind import Asked
from ..mesa import Model
from ..resident import Resident
from ..runfile.job_rows import JobRow
from ..runfile.ledger import KNOWN_VECTORS
from ..runfile.reader import FileTables, RunReader, open_made
from ..runfile.recording import run_of
from ..runfile.rows import DescriptionRow
from ..scenario import Scenario, Settings
from ..settling import settle
from ..state import SocietyState, restore_notes

#: Texts whose vectors are looked up at once.
_TEXTS = 2_000

_LIVING = "WHERE id IN (SELECT agent FROM agents)"
_AGENTS = "SELECT agent, group_name, arrived FROM agents ORDER BY ordinal"
_DEPARTED = "SELECT agent FROM agent_changes WHERE change = 'departed'"
_WORLD = "SELECT world_state FROM steps ORDER BY step DESC LIMIT 1"


class StoredScenario(Scenario):
    """The settings and the world of a run whose own scenario is not loaded, and what that had prompts say of agents."""

    name = "stored"

    def __init__(self, settings: Mapping[str, Any], said: Mapping[str, DescriptionRow]) -> None:
        """Take the settings of a run.

        `said` holds, by agent, what its scenario said beyond or instead of the persona.
        """
        super().__init__(settings)
        self._said = said

    def described(self, resident: Resident) -> str:
        """Return what the run's own scenario said about the agent after its last step."""
        own = super().described(resident)
        row = self._said.get(resident.id)
        return own if row is None else f"{row.before}{'' if row.is_replaced else own}{row.after}"


def check_finished(path: Path) -> None:
    """Raise `SetupError` if a run is not finished or had no agents. Raises `RunFileError` if the file is not a run."""
    with open_made(path) as run:
        ((status, agents),) = run.query("SELECT status, (SELECT count(*) FROM agents) FROM runs").rows
    if status != "finished":
        raise SetupError(
            f"The run in {str(path)!r} is not finished ({status}), and its agents are not as they will be; go on with "
            f"it first: `populace resume {path}`."
        )
    if not agents:
        raise SetupError(f"Nobody lives in the run in {str(path)!r}, so there is nobody to ask.")


def give_known_vectors(reader: RunReader, residents: Collection[Resident], model: str) -> None:
    """Give notes their vectors of this embedding model from the run, so that they are not requested again."""
    known = known_vectors(reader, (text for one in residents for text in one.memory.without_vector()), model)
    for resident in residents if known else ():
        resident.memory.give_vectors(known)


def known_vectors(reader: RunReader, texts: Iterable[str], model: str) -> dict[str, Vector]:
    """Return the vectors of this embedding model that the run has for these texts."""
    wanted = {text_hash(text): text for text in texts}
    known: dict[str, Vector] = {}
    for some in batched(wanted, _TEXTS):
        found = reader.query(KNOWN_VECTORS, {"model": model, "hashes": list(some)}).rows
        known |= {wanted[key]: np.array(vector, dtype=np.float32) for key, vector in found}
    return known


def stored_society(reader: RunReader) -> SocietyState:
    """Return the society of a run after its last step: the agents with their notes, and the world."""
    run, tables = run_of(reader), FileTables(reader)
    spec = run.run_spec
    given = {name: value for name, value in spec.settings.items() if name in Settings.model_fields}
    scenario = StoredScenario(given, {row.agent: row for row in tables.rows(DescriptionRow)})
    scenario.world = spec.world
    state = SocietyState(scenario, seed=run.seed)
    agents = tables.query(_AGENTS)
    people = {row.id: stored_persona(row) for row in tables.rows(PersonaRow, _LIVING)}
    state.graph = PersonaGraph({agent: people[agent] for agent, _, _ in agents}, ())
    state.residents = settle(Model(rng=run.seed), state, PeopleDetails(tables))
    for agent, group, arrived in agents:
        state.residents[agent].group, state.residents[agent].arrived = group, arrived
    for (world,) in tables.query(_WORLD):
        state.world = World.model_validate_json(world)
    restore_notes(state, tables)
    for (agent,) in tables.query(_DEPARTED):
        state.leave(agent)
    return state


def with_recall(models: JobModels, run: Path, asked: Asked) -> JobModels:
    """Return the models with the one by which the agents of a finished run recall now, if it was named.

    It is asked at its own address, or else at that of the chat model. Raises `SetupError` if it is not the run's model,
    since agents would then remember other notes.
    """
    model = named_embedder(asked.get("embeddings"), asked.get("embeddings_url"), asked.get("base_url"))
    if model is None:
        return models
    with open_made(run) as reader:
        row = run_of(reader)
    if model.name != row.embedding_model:
        was = "by words" if row.embedding_model is None else f"by the embedding model {row.embedding_model}"
        raise SetupError(
            f"The agents of {str(run)!r} recalled their notes {was}, and would remember otherwise with "
            f"{parameter('embeddings', model.name)}; leave it out"
            f"{'' if row.embedding_model is None else ', or give that one'}."
        )
    prices = asked.get("embeddings_prices") or known_prices(model, writes=False)
    return replace(models, embeddings=model, embeddings_prices=prices)


def note_on_recall(run: JobRow, path: Path, embeddings: object) -> str:
    """Return a note that agents who recalled by meaning in the run now recall by words.

    Returns "" if nothing differs.
    """
    if embeddings is not None or run.embedding_model is None:
        return ""
    return (
        f"The agents of {str(path)!r} recalled their notes by meaning ({run.embedding_model}); as no embedding model "
        f"is named, they recall by words now. As in the run: {parameter('embeddings', run.embedding_model)}."
    )

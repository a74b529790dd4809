"""Sheets of an earlier run that are kept as they are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from populace.personas.errors import SetupError
from populace.personas.inputs import nearest
from populace.sim.runfile.reader import open_run

_SHEETS = """
SELECT emission, agent, payload, model, prompt, status FROM outputs WHERE kind = 'npc' ORDER BY emission
"""


@dataclass(frozen=True, slots=True)
class LockedSheet:
    """A sheet as it was, and what wrote it."""

    name: str
    payload: Mapping[str, Any]
    model: str
    prompt: str


def read_locked(run: str, keep: str) -> dict[str, LockedSheet]:
    """The sheets of a run that are kept, by persona: those that `keep` names, or all that were accepted.

    `keep` holds names, persona ids or numbers of emissions, with commas between. Raises `SetupError` for one that is
    none, and for a run without sheets.
    """
    with open_run(run) as file:
        rows = file.query(_SHEETS).rows
    sheets = [
        (str(emission), agent, status, LockedSheet(json.loads(payload)["name"], json.loads(payload), model, prompt))
        for emission, agent, payload, model, prompt, status in rows
    ]
    if not sheets:
        raise SetupError(f"{run!r} holds no sheets of characters; give a run of the task npc as lock.")
    wanted = [name.strip() for name in keep.split(",") if name.strip()]
    if not wanted:
        return {agent: sheet for _, agent, status, sheet in sheets if status == "accepted"}
    found: dict[str, LockedSheet] = {}
    for name in wanted:
        same = [
            (agent, sheet)
            for emission, agent, _, sheet in sheets
            if name in (emission, agent) or name.casefold() == sheet.name.casefold()
        ]
        if not same:
            names = sorted({sheet.name for *_, sheet in sheets})
            raise SetupError(f"{run!r} holds no sheet {name!r}{nearest(name, names)}; name a character, or its number.")
        found.update(same[-1:])
    return found

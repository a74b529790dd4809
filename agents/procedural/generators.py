"""What the stand-in writes for each task, which it knows by name.

A task is a prompt ("persona_to_persona") or one of the actions that a turn offers ("dialogue"). Its generator proposes
the values of an answer; `schema_fill` replaces what the schema forbids and adds what is missing, so that a task without
a generator is answered too. An action's own generator (`Action.stand_in`) comes before the one that is listed here.
"""

import random
from collections.abc import Mapping
from typing import Any

from ...personas.model import AnswerGenerator
from .enrichment import biography, profile, raised
from .growth import persona_to_persona, text_to_persona
from .situation import Situation
from .speech import dialogue, instruction, tool

__all__ = ["GENERATORS", "proposed"]

#: By the name of a prompt or an action.
GENERATORS: Mapping[str, AnswerGenerator] = {
    "text_to_persona": text_to_persona,
    "persona_to_persona": persona_to_persona,
    "profile": profile,
    "biography": biography,
    "raise": raised,
    "instruction": instruction,
    "dialogue": dialogue,
    "tool": tool,
}
#: The one spoken to answers, where this is among what can be done.
_ANSWERING = "dialogue"


def proposed(
    rng: random.Random,
    situation: Situation,
    schema: Mapping[str, Any],
    task: str,
    generators: Mapping[str, AnswerGenerator],
) -> Mapping[str, Any] | None:
    """The values that are proposed for an answer; None for a task that nothing is known of.

    `task` is the name of the prompt, or of the schema where a request came over HTTP; `generators` are those of the
    actions offered, by name.
    """
    if task in GENERATORS:
        return GENERATORS[task](rng, situation, schema)
    actions = _actions(schema)
    if not actions:
        return None
    name = _ANSWERING if situation.heard and _ANSWERING in actions else rng.choice(list(actions))
    own = generators[name](rng, situation, actions[name]) if name in generators else None
    if own is None and name in GENERATORS:
        own = GENERATORS[name](rng, situation, actions[name])
    action = {"kind": name, **(own or {})}
    return {"action": action} if "action" in schema.get("properties", {}) else action


def _actions(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The schemas of the actions offered, by the name that each of them has as its constant `kind`."""
    definitions = schema.get("$defs", {})
    offered = schema.get("properties", {}).get("action", {}).get("anyOf")
    found: dict[str, Mapping[str, Any]] = {}
    for one in [schema] if offered is None else offered:
        action = definitions.get(str(one.get("$ref", "")).rpartition("/")[2], one)
        kind = action.get("properties", {}).get("kind")
        if isinstance(kind, Mapping) and isinstance(kind.get("const"), str):
            found[kind["const"]] = {"$defs": definitions, **action}
    return found

"""What the stand-in says in conversations with tools: requests that a tool answers, and an assistant that uses it."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from populace.agents.procedural.situation import Situation
from populace.agents.procedural.speech import Speaker
from populace.scenarios.tool_code.tool_set import GivenTool

#: The share of conversations in which the first call is wrong.
_WRONG = 0.25
_BEYOND = (
    "Ring {name} for me and say that the {things} will be late on {day}.",
    "order the same {things} as last {day}, please",
    "can you go and look whether the {things} are still there on {day} morning?",
    "take a photo of the {things} and send it to {name}",
    "what did {name} say about the {things} on {day}?",
    "book {name} and me a table for {day}, we have to talk about {things}",
    "Print everything I have on {things} before {day}.",
    "please sign for the {things} when {name} brings them on {day}",
)
_NAMES = ("Ada", "Ben", "Chika", "Dana", "Emil", "Farah", "Goran", "Hilde", "Imran", "Jo")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def request(
    tool: GivenTool | None, rng: random.Random, situation: Situation, schema: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What the person asks: the question that the tool's example answers, or something that takes hands or a phone."""
    if tool is not None:
        return {"text": tool.question}
    things = rng.choice(Speaker(rng, situation).me.role.things)
    return {"text": rng.choice(_BEYOND).format(name=rng.choice(_NAMES), things=things, day=rng.choice(_DAYS))}


def next_step(
    tool: GivenTool | None,
    shown: Sequence[GivenTool],
    messages: Sequence[Mapping[str, Any]],
    rng: random.Random,
    situation: Situation,
    schema: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Call the tool, correct the call where it was wrong, and say what came out; decline where no tool fits."""
    if tool is None:
        purpose = shown[0].interface["purpose"].partition(". ")[0].rstrip(".")
        return _said("decline", f"None of my tools does that. One of them {purpose[:1].lower()}{purpose[1:]}.")
    last = messages[-1]
    if last["role"] == "tool" and not _is_error(last["content"]):
        return _said("answer", _told(json.loads(last["content"])))
    arguments = json.loads(tool.example)
    # Drawn from the request, so that the second call is another one.
    if last["role"] == "user" and random.Random(last["content"]).random() < _WRONG:  # noqa: S311 - no secret
        arguments.popitem()
    return {"does": "call", "tool": tool.name, "arguments": json.dumps(arguments), "text": ""}


def _said(does: str, text: str) -> dict[str, str]:
    return {"does": does, "tool": "", "arguments": "", "text": text}


def _is_error(content: str) -> bool:
    found = json.loads(content)
    return isinstance(found, dict) and found.keys() == {"error"}


def _told(value: Any) -> str:
    """A value in words."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "Here it is: " + "; ".join(_parts(one) for one in value) + "."
    if isinstance(value, list):
        return f"Here it is: {', '.join(map(_plain, value))}." if value else "There are none."
    return f"Here it is: {_parts(value)}." if isinstance(value, dict) else f"It comes to {_plain(value)}."


def _parts(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {_plain(one)}" for key, one in value.items())


def _plain(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return " and ".join(map(_plain, value)) or "nothing"
        case float():
            return f"{value:.10g}"
    return str(value)

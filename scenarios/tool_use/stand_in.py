"""What the stand-in says in conversations with tools: requests that tools answer, and an assistant that uses them."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from populace.agents.procedural.lexicon import frames, read_toml, split
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.speech import Speaker
from populace.scenarios.tool.kits import find_kit
from populace.scenarios.tool_code.tool_set import GivenTool

_PHRASES = Path(__file__).with_name("phrases.toml")
#: The share of requests of which the first call is wrong, and of those that take several tools and get them at once.
_WRONG, _AT_ONCE = 0.3, 0.6
#: What a further request begins with, and how two questions are put in one.
_FURTHER = ("", "ok. ", "Thanks. ", "Next one: ", "one more: ", "Good. Now this: ", "and ", "also, ")
_TOGETHER = ("1) {first} 2) {second}", "{first}\n{second}", "{first}\nand: {second}")


def request(
    needs: Sequence[GivenTool], seed: int, rng: random.Random, situation: Situation, schema: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What the person asks: the questions that the tools' examples answer, or something that takes hands or a phone."""
    if needs:
        return {"text": _asked(needs, seed, rng)}
    told = {"things": rng.choice(Speaker(rng, situation).me.role.things)}
    told |= {slot: rng.choice(split(read_toml(_PHRASES)[slot])) for slot in ("name", "day")}
    return {"text": _phrase("beyond", rng, **told)}


def _phrase(kind: str, rng: random.Random, /, **slots: str) -> str:
    return rng.choice(frames(read_toml(_PHRASES)[kind])).fill(slots.get) or ""


def further_request(
    needs: Sequence[GivenTool],
    seed: int,
    earlier: Sequence[str],
    rng: random.Random,
    situation: Situation,
    schema: Mapping[str, Any],
) -> Mapping[str, Any]:
    """The next request, or none where all that could be asked was asked earlier."""
    text = str(request(needs, seed, rng, situation, schema)["text"])
    if any(text in one for one in earlier):
        return {"done": True, "text": ""}
    opening = rng.choice(_FURTHER if needs else _FURTHER[:2])
    is_going_on = opening.endswith((", ", "and ", ": "))
    is_lowered = is_going_on and not text.startswith("I ")
    return {"done": False, "text": opening + (text[:1].lower() + text[1:] if is_lowered else text)}


def _asked(needs: Sequence[GivenTool], seed: int, rng: random.Random) -> str:
    first, *others = (question_of(tool, seed)[0] for tool in needs)
    for second in others:
        first = rng.choice(_TOGETHER).format(first=first, second=second)
    return first


def question_of(tool: GivenTool, seed: int) -> tuple[str, str]:
    """A question that the tool answers, and the arguments of the call: with other figures for another seed."""
    if (found := find_kit(tool.name)) is None:
        return tool.question, tool.example
    kit, thing = found
    made = kit.implementation(tool.name, thing, random.Random(f"figures {seed}"))  # noqa: S311 - no secret
    return made["question"], made["example"]["arguments"]


def next_step(
    needs: Sequence[GivenTool],
    seed: int,
    shown: Sequence[GivenTool],
    messages: Sequence[Mapping[str, Any]],
    rng: random.Random,
    situation: Situation,
    schema: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Call the tools, correct a call that was wrong, and say what came out; decline where no tool fits."""
    if not needs:
        purpose = rng.choice(shown).interface["purpose"].partition(". ")[0].rstrip(".")
        return _said("decline", _phrase("declined", rng, purpose=purpose[:1].lower() + purpose[1:]))
    since = messages[max(place for place, one in enumerate(messages) if one["role"] == "user") + 1 :]
    given = {one["name"]: one["content"] for one in since if one["role"] == "tool" and not _is_error(one["content"])}
    left = [tool for tool in needs if tool.name not in given]
    if not left:
        return _said("answer", "\n".join(_told(json.loads(given[tool.name]), rng) for tool in needs))
    # Drawn by the request alone, so that the second step goes on as the first one began.
    chance = random.Random(f"steps {seed}")  # noqa: S311 - no secret
    at_once = chance.random() < _AT_ONCE
    calls = [{"tool": tool.name, "arguments": question_of(tool, seed)[1]} for tool in (left if at_once else left[:1])]
    if not since and chance.random() < _WRONG:
        calls[0] = _mistaken(calls[0], left[0], shown, chance)
    return {"does": "call", "calls": calls, "text": ""}


def _mistaken(
    call: Mapping[str, str], tool: GivenTool, shown: Sequence[GivenTool], rng: random.Random
) -> dict[str, str]:
    """The call with a mistake that assistants make."""
    arguments = json.loads(call["arguments"])
    key = rng.choice(list(arguments)) if arguments else ""
    value = arguments.get(key)
    as_text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    short = tool.name.rpartition("_for_")[0] or f"{tool.name}_tool"
    mistakes = [
        {"arguments": call["arguments"].removesuffix("}")},
        {"arguments": json.dumps({**arguments, "note": "as asked"})},
        {"arguments": json.dumps({name: one for name, one in arguments.items() if name != key})},
        {"arguments": json.dumps({**arguments, key: [as_text] if isinstance(value, str) else as_text})},
    ]
    if all(one.name != short for one in shown):
        mistakes.append({"tool": short})
    if tool.refused:
        mistakes.append({"arguments": rng.choice(tool.refused)})
    return {**call, **rng.choice(mistakes)}


def _said(does: str, text: str) -> dict[str, Any]:
    return {"does": does, "calls": [], "text": text}


def _is_error(content: str) -> bool:
    found = json.loads(content)
    return isinstance(found, dict) and found.keys() == {"error"}


def _told(value: Any, rng: random.Random) -> str:
    """Return a value in words."""
    kind = "nothing" if value == [] else "parts" if isinstance(value, list | dict) else "plain"
    return _phrase(kind, rng, value=_plain(value))


def _plain(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{key.replace('_', ' ')} {_plain(one)}" for key, one in value.items())
        case []:
            return "nothing"
        case list():
            return ("; " if isinstance(value[0], dict) else ", ").join(map(_plain, value))
        case float():
            return f"{value:.10g}"
    return str(value)

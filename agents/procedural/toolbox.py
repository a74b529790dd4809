"""Tools a person would like to have."""

import random
from dataclasses import dataclass
from functools import cache
from typing import Any

from .english import polished, snake
from .frames import Frame
from .lexicon import data, entries, split
from .portrait import stable_number
from .scene import Scene
from .situation import Situation

__all__ = ["wished_tool"]

_LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class _ToolFrame:
    verbs: tuple[str, ...]
    tails: tuple[str, ...]
    purposes: tuple[Frame, ...]
    args: tuple[str, ...]
    more: tuple[str, ...]
    returns: tuple[str, Frame]


@cache
def _frames() -> tuple[_ToolFrame, ...]:
    return tuple(_frame(entry) for entry in data("tools")["frame"])


def _frame(entry: dict[str, str]) -> _ToolFrame:
    kind, _, told = entry["returns"].partition(": ")
    return _ToolFrame(
        split(entry["verbs"]),
        split(entry["tail"]),
        tuple(map(Frame, split(entry["purpose"]))),
        tuple(entry["args"].split()),
        tuple(entry["more"].split()),
        (kind, Frame(told)),
    )


@cache
def _argument(name: str) -> tuple[str, Frame]:
    kind, _, told = data("tools")["arguments"][name].partition(": ")
    return kind, Frame(told)


def wished_tool(rng: random.Random, situation: Situation) -> dict[str, Any]:
    """Name, purpose, arguments and return value of a tool; another kind of tool from one step to the next."""
    scene = Scene(rng, situation)
    frames = _frames()
    first = stable_number(situation.persona) % len(frames)
    at = rng.randrange(len(frames)) if situation.step is None else first + situation.step + 7 * situation.revisions
    frame = frames[at % len(frames)]
    verb, tail = rng.choice(frame.verbs), rng.choice(frame.tails)
    purpose = polished(_said(rng.choice(frame.purposes), scene))
    extra = rng.choice(entries("tools", "extras", "any"))
    return {
        "tool_name": f"{verb}_{snake(scene('thing') or 'work')}_{tail}"[:_LONGEST_NAME].rstrip("_"),
        "purpose": f"{purpose} {polished(_said(Frame(extra), scene))}",
        "arguments": _arguments(rng, frame, scene),
        "returns": {"type": frame.returns[0], "description": _said(frame.returns[1], scene) + "."},
    }


def _arguments(rng: random.Random, frame: _ToolFrame, scene: Scene) -> list[dict[str, Any]]:
    optional = rng.sample(frame.more, rng.randint(0, min(2, len(frame.more))))
    names = [*frame.args, *(name for name in frame.more if name in optional)]
    return [
        {"name": name, "type": kind, "description": _said(told, scene) + ".", "required": name in frame.args}
        for name in names
        for kind, told in (_argument(name),)
    ]


def _said(frame: Frame, scene: Scene) -> str:
    return frame.fill(scene) or ""

"""Interfaces of tools: for what a person needs and a language model alone does badly."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from string import Template
from typing import Any, ClassVar

from populace.agents.actions import Action, Check
from populace.agents.checks import TEXT_CHECKS
from populace.agents.procedural.lexicon import read_toml, snake_case
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.speech import Speaker
from populace.agents.tool_spec import ToolSpec
from populace.agents.tools import CallableTool
from populace.core.prompt import Prompt, read_prompt
from populace.sim.tasks.task import Task

_LONGEST_NAME = 63
_TRIES = 8


@dataclass(frozen=True)
class Kit:
    """A tool that can be made for many people: a kit of the file with one combination of its variants."""

    entry: Mapping[str, Any]
    slots: Mapping[str, str]

    @property
    def is_for_work(self) -> bool:
        """Whether only people who have work need it."""
        return self.entry.get("who") == "working"

    def name(self, thing: str, role: str) -> str:
        """The name of the tool for somebody of this role who deals with this thing, both in snake_case."""
        return self._fill_key("name", thing=thing, role=role)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the names it gives."""
        named = re.escape(self.name("THING", "ROLE"))
        return re.compile(named.replace("THING", r"(?P<thing>\w+)").replace("ROLE", r"(?P<role>\w+)"))

    def interface(self, name: str, thing: str, a_noun: str) -> dict[str, Any]:
        """The fields of a `ToolSpec`."""
        told = {"things": thing.replace("_", " "), "a_noun": a_noun}
        return {
            "purpose": self._fill_key("purpose", **told),
            "signature": name + self._fill_key("signature"),
            "meanings": [self._fill_text(line, told) for line in self.entry["meanings"]],
            "depend": [],
        }

    def write_implementation(self, name: str, thing: str, rng: random.Random) -> dict[str, Any]:
        """Return code, question, example and tests for a tool of this name; running the code here tells the results."""
        numbers = {key: str(rng.randint(*bounds)) for key, bounds in self.entry["numbers"].items()}
        told = {"things": thing.replace("_", " "), "name": name, **numbers}
        code = self._fill_key("code", **told).strip() + "\n"
        space: dict[str, Any] = {}
        exec(compile(code, name, "exec"), space)  # noqa: S102 - it is our own
        calls = (self.entry["example"], *self.entry["tests"], *self.entry["wrong"])
        example, *tests = (_make_case(space[name], json.loads(self._fill_text(one, told))) for one in calls)
        return {"code": code, "question": self._fill_key("question", **told), "example": example, "tests": tests}

    def _fill_key(self, key: str, **slots: str) -> str:
        return self._fill_text(self.entry[key], slots)

    def _fill_text(self, text: str, slots: Mapping[str, str]) -> str:
        return Template(text).substitute(self.slots, **slots)


@cache
def list_kits() -> Sequence[Kit]:
    """Every kit with each combination of its variants."""
    entries = read_toml(Path(__file__).with_name("kits.toml"))["kit"]
    return [Kit(entry, slots) for entry in entries for slots in _list_variants(entry)]


def find_kit(name: str) -> tuple[Kit, str] | None:
    """The kit that a tool of this name is made from, and its thing; None for a tool of somebody else."""
    for kit in list_kits():
        if found := kit.pattern.fullmatch(name):
            return kit, found.groupdict().get("thing", "")
    return None


def draw_kit(rng: random.Random, speaker: Speaker) -> tuple[Kit, str, str]:
    """A kit for the person who speaks, the thing it is about, and the name of the tool."""
    me = speaker.me
    fitting = [kit for kit in list_kits() if me.is_working or not kit.is_for_work]
    role = snake_case(me.noun)
    kit, thing, name = fitting[0], snake_case(me.role.things[0]), ""
    for _ in range(_TRIES):
        kit, thing = rng.choice(fitting), snake_case(rng.choice(me.role.things))
        # A long role gives way to its last word, which is what the person is.
        names = [kit.name(thing, one) for one in (role, role.rpartition("_")[2])]
        short = [one for one in names if len(one) <= _LONGEST_NAME]
        name = (short or [names[-1][:_LONGEST_NAME].rstrip("_")])[0]
        if short and not speaker.has_said(name):
            break
    return kit, thing, name


def _list_variants(entry: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    """Each combination of the values of the slots; a key of several words names the slots of lists."""
    choices = [
        [dict(zip(key.split(), [value] if isinstance(value, str) else value, strict=True)) for value in values]
        for key, values in entry["variants"][0].items()
    ]
    return [{key: value for part in parts for key, value in part.items()} for parts in product(*choices)]


def _make_case(function: Any, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return a call and what it returns; nothing where it is refused."""
    try:
        returns = json.dumps(function(**arguments))
    except (ValueError, TypeError):
        returns = ""
    return {"arguments": json.dumps(arguments), "returns": returns}


_FOLDER = Path(__file__).parent


class Tool(ToolSpec):  # noqa: D101 - the same words as in a society
    __doc__ = ToolSpec.__doc__

    prompt: ClassVar[str | Prompt] = read_prompt(_FOLDER / "tool.v2.toml")
    unique: ClassVar[str] = "name"
    checks: ClassVar[tuple[Check, ...]] = (*TEXT_CHECKS, CallableTool())

    @staticmethod
    def stand_in(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A tool whose implementation the stand-in knows too."""
        speaker = Speaker(rng, situation)
        kit, thing, name = draw_kit(rng, speaker)
        return kit.interface(name, thing, speaker("a_noun") or "somebody")


class ToolTask(Task):
    """Tool interfaces for what a model does badly alone; names are unique."""

    name = "tool"
    actions: tuple[type[Action], ...] = (Tool,)

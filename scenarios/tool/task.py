"""Interfaces of tools: for what a person needs and a language model alone does badly."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from populace.agents.actions import Action, Check
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.speech import Speaker
from populace.agents.text_checks import TEXT_CHECKS
from populace.agents.tool_spec import ToolSpec
from populace.agents.tools import CallableTool
from populace.personas.prompt import Prompt, read_prompt
from populace.sim.tasks.task import Task

from .kits import draw_kit

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

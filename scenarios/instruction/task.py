"""What the people of a hub would ask an assistant, as they would type it."""

from pathlib import Path
from typing import ClassVar

from populace.agents.actions import Instruction
from populace.personas.prompt import Prompt, read_prompt
from populace.sim.task import Task

_FOLDER = Path(__file__).parent


class Request(Instruction):  # noqa: D101 - the same words as in a society
    __doc__ = Instruction.__doc__

    prompt: ClassVar[str | Prompt] = read_prompt(_FOLDER / "instruction.v1.toml")


class InstructionTask(Task):
    """Requests to an assistant, as this person would type them."""

    name = "instruction"
    actions = (Request,)

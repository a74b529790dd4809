"""Tools that were made before: those of a run, with their implementations where it has them, or PersonaHub's rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import Field

from populace.agents.sandbox import confinement
from populace.agents.tools import read_tool_rows, tool_faults
from populace.core.errors import RunFileError, SetupError, SourceError, parameter
from populace.core.inputs import resolve_file
from populace.sim.resident import Resident
from populace.sim.runfile.reader import open_run
from populace.sim.scenario import Settings
from populace.sim.tasks.task import Task, TaskSettings

if TYPE_CHECKING:
    import random

    from populace.sim.growth import Growth
    from populace.sim.resident import SocietyView

_ACCEPTED = """
SELECT agent, kind, payload FROM outputs
WHERE status = 'accepted' AND kind IN ('tool', 'tool_code') ORDER BY emission
"""


@dataclass(frozen=True)
class GivenTool:
    """A tool, and who it was made for."""

    #: As the payload of a `ToolSpec`.
    interface: Mapping[str, Any]
    #: Id of the persona; empty where the tools are of no run.
    agent: str = ""
    code: str = ""
    #: A question that its example answers, and the example's arguments, as JSON; empty without code.
    question: str = ""
    example: str = ""
    #: Arguments that the code is to refuse, as JSON.
    refused: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The tool's name."""
        return str(self.interface["name"])


@dataclass(frozen=True)
class ToolSet:
    """The tools of a file."""

    tools: Sequence[GivenTool]
    #: Why rows of the file gave no tool, by the number of the row, from 1.
    unread: Mapping[int, str]


@cache
def read_tools(path: str) -> ToolSet:
    """The accepted tools of a run of `tool` or `tool-code`, or the tools of a JSONL file of PersonaHub.

    Raises `SourceError` for a file without any that is valid.
    """
    file = resolve_file(Path(path))
    with file.open("rb") as opened:
        is_run = opened.read(12)[8:] == b"DUCK"
    found = _of_run(file) if is_run else _of_persona_hub(file)
    if not found.tools:
        raise SourceError(
            f"{path!r} holds no tools; give a run of `populace make tool` or `tool-code`, or a JSONL file of tools as "
            f"PersonaHub has them."
        )
    return found


def _of_run(file: Path) -> ToolSet:
    try:
        rows = open_run(file).query(_ACCEPTED).rows
    except RunFileError as error:
        raise SourceError(str(error)) from error
    given = [_make_given(agent, kind, json.loads(payload)) for agent, kind, payload in rows]
    faults = {number: tool_faults(tool.interface) for number, tool in enumerate(given, start=1)}
    valid = [tool for number, tool in enumerate(given, start=1) if not faults[number]]
    return ToolSet(valid, {number: " ".join(some[:2]) for number, some in faults.items() if some})


def _of_persona_hub(file: Path) -> ToolSet:
    rows = read_tool_rows(file)
    unread = {number: row.reason for number, row in enumerate(rows, start=1) if row.payload is None}
    return ToolSet([GivenTool(row.payload) for row in rows if row.payload is not None], unread)


def _make_given(agent: str, kind: str, payload: Mapping[str, Any]) -> GivenTool:
    if kind == "tool":
        return GivenTool(payload, agent)
    example = payload["example"]
    refused = [one["arguments"] for one in payload["tests"] if not one["returns"]]
    return GivenTool(payload["tool"], agent, payload["code"], payload["question"], example["arguments"], refused)


class ToolSetSettings(TaskSettings):
    """Which tools are used, and whether code is run."""

    tools: str = Field("", description="Run of tool or tool-code, or JSONL of PersonaHub, whose tools are used")
    execute: bool = Field(False, description="Run the code of tools in a sandbox")


class ToolSetTask(Task):
    """The base of tasks that use tools that were made before, for the people whom they were made for."""

    settings_type: ClassVar[type[Settings]] = ToolSetSettings
    settings: ToolSetSettings
    #: Whether people use the tools that were made for others too.
    for_anybody: ClassVar[bool] = False

    @cached_property
    def given_tools(self) -> Sequence[GivenTool]:
        """The tools that were given. Raises `SourceError`."""
        return read_tools(self.settings.tools).tools if self.settings.tools else ()

    @property
    def notices(self) -> Sequence[str]:
        """Which rows of the file gave no tool, and what confines the code where it is run."""
        unread = read_tools(self.settings.tools).unread if self.settings.tools else {}
        told = [*super().notices, *([confinement().sentence] if self.settings.execute else [])]
        if unread:
            number, reason = next(iter(unread.items()))
            rows = f"{len(unread)} rows" if len(unread) > 1 else "1 row"
            told.append(f"{rows} of {self.settings.tools!r} gave no tool; row {number}: {reason}")
        return told

    def growth(self, growth: "Growth", *, is_counted: bool) -> "Growth":
        """The people whom the given tools were made for.

        Raises `SetupError` where others are named and the tools are for their own people alone.
        """
        if not any(tool.agent for tool in self.given_tools):
            return super().growth(growth, is_counted=is_counted)
        if named := sorted(growth.model_fields_set & {"hub", "seeds", "sources"}):
            if self.for_anybody:
                return super().growth(growth, is_counted=is_counted)
            raise SetupError(
                f"The tools in {self.settings.tools!r} are for the people of that run; leave {parameter(named[0])} out."
            )
        agents = growth.agents if is_counted else None
        return growth.model_copy(update={"hub": Path(self.settings.tools), "agents": agents, "hops": 0})

    def given(self, resident: Resident) -> Sequence[GivenTool]:
        """The tools that were made for a person; those of no person go to people in their order."""
        if (made := self._by_person.get(resident.id)) is not None:
            return made
        place, others = resident.unique_id - 1, self._by_person.get("", ())
        return others[place : place + 1]

    def active(self, society: "SocietyView", rng: "random.Random") -> Sequence[Resident]:
        """As in any task; those for whom there is no tool are not asked."""
        return super().active(self._askable_people(society), rng)

    def ended(self, society: "SocietyView") -> bool:
        """As in any task; those for whom there is no tool do not count."""
        return super().ended(self._askable_people(society))

    @cached_property
    def _by_person(self) -> Mapping[str, Sequence[GivenTool]]:
        found: dict[str, list[GivenTool]] = {}
        for tool in self.given_tools:
            found.setdefault(tool.agent, []).append(tool)
        return found

    def _askable_people(self, society: "SocietyView") -> "SocietyView":
        if not self.settings.tools or self.for_anybody:
            return society
        residents = [one for one in society.residents if self.given(one)]
        return cast("SocietyView", SimpleNamespace(residents=residents, newest=society.newest))

"""Tools that were made before: those of a run, with their implementations where it has them, or PersonaHub's rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from populace.agents.persona_hub_tools import read_tool_rows
from populace.agents.tools import tool_faults
from populace.personas.errors import RunFileError, SourceError
from populace.personas.inputs import resolve_file
from populace.sim.runfile.reader import open_run

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

    @property
    def name(self) -> str:
        """The tool's name."""
        return str(self.interface["name"])


@cache
def read_tools(path: str) -> Sequence[GivenTool]:
    """The accepted tools of a run of `tool` or `tool-code`, or the tools of a JSONL file of PersonaHub.

    Raises `SourceError` for a file without any that is valid.
    """
    file = resolve_file(Path(path))
    is_run = file.read_bytes()[8:12] == b"DUCK"
    found = _of_run(file) if is_run else [GivenTool(tool) for tool in read_tool_rows(file).tools]
    tools = [tool for tool in found if not tool_faults(tool.interface)]
    if not tools:
        raise SourceError(
            f"{path!r} holds no tools; give a run of `populace make tool` or `tool-code`, or a JSONL file of tools as "
            f"PersonaHub has them."
        )
    return tools


def _of_run(file: Path) -> list[GivenTool]:
    try:
        rows = open_run(file).query(_ACCEPTED).rows
    except RunFileError as error:
        raise SourceError(str(error)) from error
    return [_given(agent, kind, json.loads(payload)) for agent, kind, payload in rows]


def _given(agent: str, kind: str, payload: Mapping[str, Any]) -> GivenTool:
    if kind == "tool":
        return GivenTool(payload, agent)
    example = payload["example"]
    return GivenTool(payload["tool"], agent, payload["code"], payload["question"], example["arguments"])

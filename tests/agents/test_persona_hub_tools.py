"""PersonaHub's rows of tools, with all the ways in which they are written; the rows here are our own."""

import json
from pathlib import Path
from typing import Any

import pytest
from strict_mode import faults_of

from populace.agents.tools import as_openai, read_tool_row, read_tool_rows

TOOL: dict[str, Any] = {
    "name": "Tide Table",
    "description": "Tells when the tide is high.",
    "function_name": "tide_table",
    "input_args": [{"name": "harbour", "type": "str", "description": "Where."}],
    "return": {"type": "list", "description": "Times."},
    "depend": "a harbour's almanac",
}


def row(tool: object, persona: str = "A harbour master") -> str:
    return json.dumps({"input persona": persona, "synthesized text": tool, "description": "tool"})


def read(**changed: Any) -> dict[str, Any]:
    found = read_tool_row(row(json.dumps(TOOL | changed)))
    assert found.payload is not None, found.reason
    assert faults_of(found.payload) == []
    return found.payload


def properties(**changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = read(**changed)["parameters"]["properties"]
    return found


def test_a_row_becomes_a_tool_that_endpoints_take() -> None:
    found = read_tool_row(row(json.dumps(TOOL)))
    assert found.payload == {
        "name": "tide_table",
        "purpose": "Tells when the tide is high.",
        "parameters": {
            "type": "object",
            "properties": {"harbour": {"type": "string", "description": "Where."}},
            "required": ["harbour"],
            "additionalProperties": False,
        },
        "returns": {
            "type": "array",
            "description": "Times.",
            "items": {"type": "string", "description": "one of them"},
        },
        "depend": ["a harbour's almanac"],
    }
    assert as_openai(found.payload)["function"]["strict"]


@pytest.mark.parametrize(
    "written",
    [json.dumps(json.dumps(TOOL)), f"```json\n{json.dumps(TOOL, indent=1)}\n```", json.dumps([TOOL]), TOOL],
    ids=["twice", "fenced", "list", "object"],
)
def test_a_tool_is_taken_out_of_what_it_is_wrapped_in(written: object) -> None:
    found = read_tool_row(row(written))
    assert found.payload is not None
    assert found.payload["name"] == "tide_table"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (
            {"harbour": "Where.", "day": {"type": "int", "description": "When."}},
            {"harbour": "string", "day": "integer"},
        ),
        ({"type": "object", "properties": {"day": {"type": "integer"}}}, {"day": "integer"}),
        ([{"harbour": "str"}, {"name": "depth", "type": "float"}], {"harbour": "string", "depth": "number"}),
        (["harbour", "day of the month"], {"harbour": "string", "day_of_the_month": "string"}),
        ("harbour (str): where; day (int): when", {"harbour": "string", "day": "integer"}),
        ('{"harbour": "str"}', {"harbour": "string"}),
        ("{broken", {"broken": "string"}),
        (None, {}),
        ([{"name": "at", "type": "List[int]"}, {"name": "at", "type": "dict"}], {"at": "array", "at_2": "object"}),
        ({"shipNames": {"type": "array", "items": {"type": "int"}}}, {"ship_names": "array"}),
        ({"mood": {"type": "string", "enum": ["calm", "rough", "calm"]}}, {"mood": "string"}),
        ([3, {"type": "???"}], {"3": "string", "value": "string"}),
    ],
)
def test_arguments_of_any_form_are_read(arguments: object, names: dict[str, str]) -> None:
    found = properties(input_args=arguments)
    assert {name: schema["type"] for name, schema in found.items()} == {
        "tool_3" if name == "3" else name: kind for name, kind in names.items()
    }


def test_names_returns_and_dependencies_of_any_form_are_read() -> None:
    assert read(function_name=["Tide Table", "tides"])["name"] == "tide_table"
    assert read(function_name="getTides(harbour)")["name"] == "get_tides"
    assert read(function_name="3rd tide")["name"] == "tool_3rd_tide"
    assert read(**{"return": "the times"})["returns"] == {"type": "string", "description": "the times"}
    assert read(**{"return": [{"name": "time", "type": "str"}, {"name": "metres", "type": "float"}]})["returns"][
        "properties"
    ].keys() == {"time", "metres"}
    assert read(**{"return": {"time": "str"}})["returns"]["type"] == "object"
    assert read(**{"return": None})["returns"]["type"] == "string"
    assert read(depend=["numpy", "numpy", "None"])["depend"] == ["numpy"]
    assert read(depend={"pandas": "2"})["depend"] == ["pandas"]
    assert read(depend=None)["depend"] == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "The line is not JSON"),
        ("[1]", "The row has no text of a tool."),
        (row(None), "The row has no text of a tool."),
        (row("a tool that tells the tide"), "The text of the tool is not JSON"),
        (row('{"name": "x", '), "The text of the tool is not JSON"),
        (row("[1, 2]"), "The text is no tool but list."),
        (row(json.dumps({"description": "nameless"})), "The name '' must be"),
        (row(json.dumps({"name": "飛行計画", "description": "x"})), "The name '' must be"),
        (row(json.dumps({"name": "tides"})), "The purpose must be"),
        (row("[" * 100_000), "The text of the tool is not JSON"),
    ],
)
def test_a_row_without_a_tool_says_why(line: str, reason: str) -> None:
    found = read_tool_row(line)
    assert found.payload is None
    assert found.reason.startswith(reason)


def test_a_file_keeps_the_rows_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "tool.jsonl"
    apart = row(json.dumps(TOOL)).replace("{", '{"note": "a\u2028b", ', 1)
    path.write_bytes(f"\ufeff{row(json.dumps(TOOL))}\r\n\n{{broken\n{apart}\n".encode() + b'{"caf\xe9": 1}')
    found = read_tool_rows(path)
    assert [one.payload is not None for one in found] == [True, False, True, False]
    assert "UTF-8" in found[3].reason

"""Tools that endpoints take: the interface, what strict mode refuses, and the forms of others."""

import json
import random
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from populace.agents.action_schema import answer_schema
from populace.agents.procedural.growth import Sketch, describe
from populace.agents.procedural.lexicon import lexicon
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.speech import tool
from populace.agents.schema_fill import fill_schema
from populace.agents.tool_spec import ToolSpec
from populace.agents.tools import as_langchain, as_mcp, as_openai, tool_faults

TEXT = {"type": "string", "description": "A name."}
TOOL: dict[str, Any] = {
    "kind": "tool",
    "tool_name": "proofing_clock",
    "purpose": "Says when the doughs are ready.",
    "arguments": [
        {
            "name": "doughs",
            "required": True,
            "value": {
                "type": "array",
                "description": "The doughs.",
                "items": {
                    "type": "object",
                    "description": "One dough.",
                    "properties": [
                        {
                            "name": "grams",
                            "required": True,
                            "value": {"type": "integer", "description": "Weight.", "minimum": 1, "maximum": 50_000},
                        },
                        {
                            "name": "flours",
                            "required": True,
                            "value": {"type": "array", "description": "Flours.", "items": TEXT},
                        },
                        {
                            "name": "kind",
                            "required": False,
                            "value": {"type": "string", "description": "Which.", "enum": ["rye", "wheat"]},
                        },
                    ],
                },
            },
        },
        {
            "name": "degrees",
            "required": False,
            "value": {"type": "number", "description": "Of the room.", "minimum": 0.5},
        },
    ],
    "returns": {"type": "array", "description": "Times.", "items": {"type": "string", "description": "As HH:MM."}},
    "depend": ["a clock"],
}
PAYLOAD = ToolSpec.model_validate(TOOL).payload


def changed(change: Callable[[Any], Any]) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(json.dumps(PAYLOAD))
    change(payload)
    return payload


def test_the_payload_of_a_tool_holds_json_schemas_that_arguments_can_be_checked_with() -> None:
    dough = {"grams": 800, "flours": ["strong"], "kind": None}
    jsonschema.validate({"doughs": [dough], "degrees": None}, PAYLOAD["parameters"])
    jsonschema.validate({"doughs": [dough | {"kind": "rye"}], "degrees": 21.5}, PAYLOAD["parameters"])
    for wrong in ({"kind": "oat"}, {"grams": 0}, {"grams": 2.5}, {"salt": 1}, {"flours": "strong"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"doughs": [dough | wrong], "degrees": None}, PAYLOAD["parameters"])
    assert tool_faults(PAYLOAD) == []


def test_a_tool_is_read_back_from_its_payload() -> None:
    assert ToolSpec.from_payload(json.loads(json.dumps(PAYLOAD))) == ToolSpec.model_validate(TOOL)
    for wrong in ({}, {"name": "x"}, PAYLOAD | {"returns": {"type": "array", "description": "No items."}}):
        with pytest.raises((KeyError, ValidationError)):
            ToolSpec.from_payload(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arguments": TOOL["arguments"] * 2}, "argument names must differ"),
        ({"returns": {"type": "array", "description": "Of what?"}}, "items"),
        ({"returns": {"type": "object", "description": "Of what?", "properties": []}}, "at least 1 item"),
        ({"returns": {"type": "string", "description": "x", "enum": ["a", "a"]}}, "must differ"),
        (
            {"returns": {"type": "number", "description": "x", "minimum": 2, "maximum": 1}},
            "minimum 2 is above the maximum 1",
        ),
        ({"returns": {"type": "integer", "description": "x", "minimum": 0.5}}, "must be whole numbers"),
        ({"tool_name": "no hyphens-or blanks"}, "pattern"),
    ],
)
def test_tools_that_no_endpoint_would_take_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ToolSpec.model_validate(TOOL | change)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda p: p.update(name="two words"), "1 to 64 letters"),
        (lambda p: p.update(purpose=" "), "purpose must be a text"),
        (lambda p: p.update(parameters="nothing"), "parameters must be a JSON Schema"),
        (lambda p: p["parameters"].update(type="strin"), "parameters is no valid JSON Schema"),
        (lambda p: p["parameters"].update(type="array", items={"type": "string"}), "object at its root"),
        (lambda p: p["parameters"].pop("additionalProperties"), "additionalProperties: false"),
        (lambda p: p["parameters"].update(required=["doughs"]), "list all of its properties in required"),
        (lambda p: p["parameters"]["properties"]["doughs"].pop("items"), "parameters.doughs: an array needs items"),
        (
            lambda p: p["parameters"]["properties"].update(degrees={"type": "object"}),
            "parameters.degrees: an object needs",
        ),
        (lambda p: p["parameters"]["properties"].update(degrees={}), "parameters.degrees: it has no type"),
        (lambda p: p["parameters"]["properties"]["degrees"].update(minLength=3), "strict mode knows no minLength"),
        (lambda p: p["parameters"]["properties"].update(degrees={"$ref": "#/$defs/no"}), "leads nowhere"),
        (lambda p: p["returns"].pop("items"), "returns: an array needs items"),
        (lambda p: p["returns"].update(items=3), "is no valid JSON Schema"),
        (
            lambda p: p["parameters"]["properties"]["degrees"].update(enum=list(range(1001))),
            "1,004 values to choose from",
        ),
    ],
)
def test_every_fault_of_a_tool_is_said(change: Callable[[Any], Any], fault: str) -> None:
    faults = " ".join(tool_faults(changed(change)))
    assert fault in faults


def test_a_schema_may_not_nest_too_deep() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(10):
        deep = {"type": "array", "items": deep}
    assert any("nests deeper than 10 levels" in fault for fault in tool_faults(PAYLOAD | {"returns": deep}))
    assert tool_faults(PAYLOAD | {"returns": deep["items"]}) == []


@pytest.mark.slow
def test_tools_of_the_stand_in_are_valid_by_both_rules_and_are_what_it_proposed() -> None:
    schema, rng = answer_schema((ToolSpec,), ()), random.Random(1)
    roles, names = list(lexicon().roles.values()), set()
    for number in range(100):
        role = roles[number % len(roles)]
        person = describe(rng, Sketch(role, role.ages[0], rng.choice("fm")))
        proposed = {"kind": "tool", **tool(rng, Situation(persona=person), {})}
        answer = fill_schema(schema.json_schema, rng, lambda shortest, longest: "x", proposed)
        spec: Any = schema.validate(answer)
        assert answer == proposed
        assert tool_faults(spec.payload) == []
        names.add(spec.tool_name)
    assert len(names) > 90


def test_a_tool_as_a_function_of_openai() -> None:
    function = as_openai(PAYLOAD)
    assert function["type"] == "function"
    assert function["function"] == {
        "name": "proofing_clock",
        "description": "Says when the doughs are ready.",
        "parameters": PAYLOAD["parameters"],
        "strict": True,
    }


def test_a_tool_as_one_of_langchain_is_called_with_its_arguments() -> None:
    from langchain_core.utils.function_calling import convert_to_openai_tool

    made = as_langchain(PAYLOAD, lambda doughs, degrees: [len(doughs), degrees])
    assert made.invoke({"doughs": [1, 2], "degrees": 20}) == [2, 20]
    assert convert_to_openai_tool(made)["function"]["parameters"]["properties"].keys() == {"doughs", "degrees"}
    with pytest.raises(NotImplementedError, match="proofing_clock is an interface"):
        as_langchain(PAYLOAD).invoke({"doughs": [], "degrees": None})


def test_a_tool_as_one_of_mcp_takes_and_gives_objects() -> None:
    told = as_mcp(PAYLOAD)
    assert told.keys() == {"name", "description", "inputSchema", "outputSchema"}
    for schema in (told["inputSchema"], told["outputSchema"]):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
    jsonschema.validate({"result": ["08:30"]}, told["outputSchema"])
    given = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert as_mcp(PAYLOAD | {"returns": given})["outputSchema"] == given

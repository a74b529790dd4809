"""Tools that endpoints take: the interface, what strict mode refuses, and the forms of others."""

import json
import random
from collections.abc import Callable
from typing import Any, cast

import jsonschema
import pytest
from pydantic import ValidationError
from strict_mode import faults_of

from populace.agents.action_schema import answer_schema
from populace.agents.procedural.growth import Sketch, describe
from populace.agents.procedural.lexicon import read_lexicon
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.speech import tool
from populace.agents.schema_fill import fill_schema
from populace.agents.tool_spec import ToolSpec
from populace.agents.tools import CallableTool, as_langchain, as_mcp, as_openai, tool_faults

TOOL: dict[str, Any] = {
    "kind": "tool",
    "purpose": "Says when the doughs are ready.",
    "signature": 'proofing_clock(doughs: list[{grams: int, flours: list[str], kind: "rye" | "wheat" | None}], '
    "degrees: float = 21.5) -> list[str]",
    "meanings": [
        "doughs: The doughs.",
        "doughs.grams (1..50000): Weight.",
        "doughs.flours[]: A name.",
        "doughs.kind: Which.",
        "degrees (0.5..): Of the room.",
        "return: Times, as HH:MM.",
    ],
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
    assert faults_of(PAYLOAD) == []


async def test_a_tool_for_training_describes_each_argument_and_a_wish_need_not() -> None:
    bare = ToolSpec.model_validate(TOOL | {"meanings": ["doughs.grams: Weight."]})
    assert bare.emitted_text.endswith("(doughs; degrees: (default: 21.5))")
    said = await CallableTool().judge(bare, cast("Any", None))
    assert said.reason == (
        "The argument 'doughs' has no line of meaning; add it. The argument 'degrees' has no line of meaning; add it."
    )
    assert (await CallableTool().judge(ToolSpec.model_validate(TOOL), cast("Any", None))).reason == ""


async def test_a_tool_for_training_has_arguments_of_its_own() -> None:
    signature = "cut_kite(day: str, seats: int = 4) -> float"
    copied = TOOL | {"signature": signature, "meanings": ["day: The day.", "seats: Seats.", "returns: Metres."]}
    said = await CallableTool().judge(ToolSpec.model_validate(copied), cast("Any", None))
    assert said.reason == "The arguments day and seats are those of the example; give what this tool needs."
    own = copied | {"signature": "cut_kite(day: str) -> float", "meanings": ["day: The day.", "returns: Metres."]}
    assert (await CallableTool().judge(ToolSpec.model_validate(own), cast("Any", None))).reason == ""


def test_a_tool_is_read_back_from_its_payload() -> None:
    read = ToolSpec.from_payload(json.loads(json.dumps(PAYLOAD)))
    assert read.payload == PAYLOAD
    assert ToolSpec.model_validate(TOOL).emitted_text == read.emitted_text
    assert ToolSpec.from_payload(read.payload) == read
    for wrong in ({}, {"name": "x"}, PAYLOAD | {"returns": {"type": "array", "description": "No items."}}):
        with pytest.raises((KeyError, ValidationError)):
            ToolSpec.from_payload(wrong)


def test_a_payload_of_an_older_run_is_read_back_as_it_is() -> None:
    choices = [f"{'long ' * 15}{number}" for number in range(20)]
    named = {"from": {"type": "string", "description": "A word of Python."}}
    objects = {"type": "object", "properties": named, "required": ["from"], "additionalProperties": False}
    arguments: dict[str, dict[str, Any]] = {
        f"argument_{number}": {
            "type": ["string", "null"],
            "description": "One\nof these: (1..3).",
            "enum": [*choices, None],
        }
        for number in range(7)
    }
    arguments["in"] = {"type": "integer", "description": "x", "minimum": -1, "maximum": 10**25 + 1}
    parameters = {"type": "object", "properties": arguments, "required": [*arguments], "additionalProperties": False}
    items = {"description": "An item.", **objects}
    kept = PAYLOAD | {"parameters": parameters, "returns": {"type": "array", "description": "All.", "items": items}}
    assert ToolSpec.from_payload(kept).payload == kept


def test_a_signature_is_read_as_people_write_it() -> None:
    tool = ToolSpec.model_validate(
        TOOL
        | {
            "signature": "`def find_boat(day: str, kind: Literal['sail', 'motor'], by: Optional[bool] = None, *, "
            'sizes: List[int] = [1, 2]) -> {name: str, "metres": float} | None:`',
            "meanings": [
                "`day` (str): The day",
                "- kind: Which",
                "**by**: Whether",
                "sizes (1..9): Sizes",
                "metres: m",
            ],
        }
    ).payload
    properties = tool["parameters"]["properties"]
    assert properties["kind"] == {"type": "string", "description": "Which", "enum": ["sail", "motor"]}
    assert properties["by"] == {"type": ["boolean", "null"], "description": "Whether"}
    assert properties["sizes"]["description"] == "Sizes (default: [1, 2])"
    assert properties["sizes"]["items"] == {"type": "integer", "minimum": 1, "maximum": 9}
    assert tool["returns"]["type"] == ["object", "null"]
    assert tool["returns"]["properties"] == {
        "name": {"type": "string"},
        "metres": {"type": "number", "description": "m"},
    }
    assert faults_of(tool) == []


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("proofing_clock", "is not a line as `name"),
        ("proofing_clock(day: str)", "does not say what is returned"),
        ("proofing_clock() -> str", "the tool has 0 names"),
        ("proofing_clock(day) -> str", "'day' has no type"),
        ("proofing_clock(day: date) -> str", "the type 'date' of 'day' is not known; write one of str"),
        ("proofing_clock(day: list) -> str", "the type 'list' of 'day'"),
        ("proofing_clock(a: {b: {c: list[list[str]]}}) -> str", "'c\\[\\]' lies deeper than 3"),
        ("proofing_clock(a: str, a: str) -> str", "must be in snake_case and stand there once"),
        ("proofing_clock(aDay: str) -> str", "the name 'aDay' of the tool must be in snake_case"),
        ("proofing_clock(a: 'x' | 'x') -> str", "the choices of 'a' must differ"),
        ("proofing_clock(a: ' ') -> str", "must have 1 to 80 characters"),
        ("proofing_clock(*days: str) -> str", "name each argument"),
        ("ProofingClock(a: str) -> str", "needs a name in snake_case"),
        ("proofing_clock(a: str) -> str: pass\ndef other(a: str) -> str", "more than one line"),
        (f"proofing_clock(a: {'(' * 500}) -> str", "too many nested parentheses"),
        (f"proofing_clock(a: {'b | ' * 9000} b) -> str", "nests too deep"),
    ],
)
def test_a_signature_that_cannot_be_read_is_complained_of_in_its_column(signature: str, message: str) -> None:
    schema = answer_schema((ToolSpec,), ())
    with pytest.raises(ValidationError, match=message) as caught:
        schema.validate(TOOL | {"signature": signature})
    assert schema.complaint(caught.value).startswith("signature: ")


@pytest.mark.parametrize(
    ("meanings", "message"),
    [
        (["the doughs"], "is not a line as `seats"),
        (["dough: One.", "degrees: Warmth."], "'dough' is not in the signature; there are doughs, "),
        (["doughs: x", "degrees (3..2): y"], "the bounds of 'degrees' go from 3 to 2"),
        (["doughs: x", "degrees: y", "grams (0.5..): z"], "must be whole numbers"),
        (["doughs (1..3): x", "degrees: y"], "'doughs\\[\\]' has bounds, which only int and float"),
    ],
)
def test_lines_that_do_not_fit_the_signature_are_complained_of_in_their_column(
    meanings: list[str], message: str
) -> None:
    schema = answer_schema((ToolSpec,), ())
    with pytest.raises(ValidationError, match=message) as caught:
        schema.validate(TOOL | {"meanings": meanings})
    assert schema.complaint(caught.value).startswith("meanings: ")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda p: p.update(name="two words"), "1 to 64 letters"),
        (lambda p: p.update(purpose=" "), "purpose must be a text"),
        (lambda p: p.update(parameters="nothing"), "parameters must be a JSON Schema"),
        (lambda p: p["parameters"].update(type="strin"), "parameters is no valid JSON Schema"),
        (lambda p: p["parameters"].update(type="array", items={"type": "string"}), "object at its root"),
        (lambda p: p["returns"].update(items=3), "is no valid JSON Schema"),
    ],
)
def test_every_fault_of_a_tool_is_said(change: Callable[[Any], Any], fault: str) -> None:
    faults = " ".join(tool_faults(changed(change)))
    assert fault in faults


@pytest.mark.slow
def test_tools_of_the_stand_in_are_valid_by_both_rules_and_are_what_it_proposed() -> None:
    schema, rng = answer_schema((ToolSpec,), ()), random.Random(1)
    roles, names = list(read_lexicon().roles.values()), set()
    for number in range(100):
        role = roles[number % len(roles)]
        person = describe(rng, Sketch(role, role.ages[0], rng.choice("fm")))
        proposed = {"kind": "tool", **tool(rng, Situation(persona=person), {})}
        answer = fill_schema(schema.json_schema, rng, lambda shortest, longest: "x", proposed)
        spec: Any = schema.validate(answer)
        assert answer == proposed
        assert faults_of(spec.payload) == []
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

import jsonschema
import pytest
from pydantic import ValidationError

from populace.agents.actions import (
    Action,
    DialogueLine,
    Instruction,
    ToolSpec,
    answer_schema,
    possible_actions,
)

TOOL = {
    "kind": "tool",
    "tool_name": "proofing_clock",
    "purpose": "Says when the dough is ready.",
    "arguments": [{"name": "dough_weight", "type": "number", "description": "In grams.", "required": True}],
    "returns": {"type": "string", "description": "A time of day."},
}


def test_one_action_is_asked_for_as_it_is_and_several_in_an_envelope() -> None:
    assert answer_schema((Instruction,), ()).validate({"kind": "instruction", "text": "Help."}).name == "instruction"
    several = answer_schema((Instruction, ToolSpec), ())
    assert several.validate({"action": TOOL}).name == "tool"
    with pytest.raises(ValueError, match='the one key "action"'):
        several.validate(TOOL)


def test_a_line_can_only_be_spoken_to_somebody_who_is_there() -> None:
    schema = answer_schema((DialogueLine,), ("n1", "player"))
    assert schema.json_schema["properties"]["to"]["enum"] == ["n1", "player"]
    with pytest.raises(ValueError, match="'n2' is not there; choose one of n1, player"):
        schema.validate({"kind": "dialogue", "to": "n2", "text": "Hello."})


def test_nothing_is_spoken_where_nobody_is_there() -> None:
    assert possible_actions((DialogueLine, Instruction), ()) == (Instruction,)
    with pytest.raises(ValueError, match="no action can be offered"):
        answer_schema((DialogueLine,), ())


def test_every_schema_that_is_sent_is_strict_and_valid() -> None:
    for offered in ((Instruction,), (ToolSpec,), (Instruction, DialogueLine, ToolSpec)):
        schema = answer_schema(offered, ("n1",)).json_schema
        jsonschema.Draft202012Validator.check_schema(schema)
        assert "oneOf" not in str(schema)
        assert "'default'" not in str(schema)
        assert schema["additionalProperties"] is False


def test_the_payload_of_a_tool_holds_a_json_schema_of_its_arguments() -> None:
    parameters = ToolSpec.model_validate(TOOL).payload["parameters"]
    jsonschema.Draft202012Validator.check_schema(parameters)
    jsonschema.validate({"dough_weight": 800.5}, parameters)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"weight": 800.5}, parameters)


def test_arguments_with_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="argument names must differ"):
        ToolSpec.model_validate(TOOL | {"arguments": TOOL["arguments"] * 2})  # type: ignore[operator]


def test_a_kind_that_does_not_say_its_text_is_refused_with_the_way_out() -> None:
    with pytest.raises(TypeError, match="define emitted_text"):
        Action().emitted_text  # noqa: B018

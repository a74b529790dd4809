from dataclasses import replace
from typing import Any

import pytest

from populace.agents.endpoint.errors import RequestError
from populace.agents.endpoint.response import ModelResponse
from populace.agents.gateway.capabilities import OutputMode, OutputModes
from populace.core.model import AnswerSchema, NativeTools, Outcome
from populace.core.prompt import RenderedPrompt

LINE: AnswerSchema[object] = AnswerSchema("Line!", {"type": "object"}, lambda answer: answer)
OTHER: AnswerSchema[object] = AnswerSchema("Other", {"type": "object"}, lambda answer: answer)
PROMPT = RenderedPrompt("turn", 1, (("system", "Be brief."), ("user", "Speak.")))
ABOUT_FORM = RequestError(Outcome.BAD_REQUEST, "response_format is not supported")
TOO_LONG = RequestError(Outcome.BAD_REQUEST, "maximum context length is 8 tokens")


def test_strict_form_sends_the_schema_and_leaves_the_prompt_alone() -> None:
    messages, kwargs = OutputModes().arguments(OutputMode.STRICT, PROMPT, LINE)
    assert [m.content for m in messages] == ["Be brief.", "Speak."]
    form = kwargs["response_format"]["json_schema"]
    assert form == {"name": "Line_", "schema": {"type": "object"}, "strict": True}


@pytest.mark.parametrize(
    ("mode", "kwargs"),
    [(OutputMode.JSON, {"response_format": {"type": "json_object"}}), (OutputMode.PROMPT, {})],
)
def test_lower_forms_put_the_schema_into_the_system_message(mode: OutputMode, kwargs: dict[str, Any]) -> None:
    messages, sent = OutputModes().arguments(mode, PROMPT, LINE)
    assert sent == kwargs
    assert str(messages[0].content).startswith("Be brief.")
    assert '"type": "object"' in str(messages[0].content)


def test_a_prompt_without_a_system_message_gets_one_in_lower_forms() -> None:
    messages, _ = OutputModes().arguments(OutputMode.PROMPT, RenderedPrompt("p", 1, (("user", "Speak."),)), LINE)
    assert [m.type for m in messages] == ["system", "human"]


def test_a_refused_form_is_followed_by_the_next_down_to_the_prompt() -> None:
    form = OutputModes()
    assert form.choose_fallback(OutputMode.STRICT, TOO_LONG, LINE) is OutputMode.PLAIN
    assert form.choose_fallback(OutputMode.PLAIN, TOO_LONG, LINE) is OutputMode.JSON
    assert form.choose_fallback(OutputMode.JSON, TOO_LONG, LINE) is OutputMode.PROMPT
    assert form.choose_fallback(OutputMode.PROMPT, ABOUT_FORM, LINE) is None


def test_a_form_is_settled_only_by_an_answer_in_it() -> None:
    form, kinds = OutputModes(), []
    for _ in range(2):
        form.choose_fallback(OutputMode.STRICT, ABOUT_FORM, LINE)
        kinds.append(form.mode)
        form.learn(OutputMode.JSON, LINE)
    assert kinds == [OutputMode.STRICT, OutputMode.JSON]


def test_a_form_that_was_answered_before_is_not_blamed_for_another_refusal() -> None:
    form = OutputModes()
    form.learn(OutputMode.STRICT, LINE)
    assert form.choose_fallback(OutputMode.STRICT, TOO_LONG, LINE) is None


def test_a_schema_that_alone_is_refused_goes_down_alone() -> None:
    form = OutputModes()
    form.learn(OutputMode.STRICT, LINE)
    assert form.choose_fallback(OutputMode.STRICT, ABOUT_FORM, OTHER) is OutputMode.PLAIN
    form.learn(OutputMode.JSON, OTHER)
    assert (form.mode_for(LINE), form.mode_for(OTHER)) == (OutputMode.STRICT, OutputMode.JSON)


def test_a_call_that_was_under_way_when_the_form_fell_is_repeated_in_the_new_form() -> None:
    form = OutputModes()
    form.learn(OutputMode.PROMPT, LINE)
    assert form.choose_fallback(OutputMode.STRICT, TOO_LONG, LINE) is OutputMode.PROMPT


def test_an_endpoint_that_takes_the_strict_form_after_all_is_asked_in_it() -> None:
    form = OutputModes()
    form.learn(OutputMode.JSON, OTHER)
    form.learn(OutputMode.STRICT, LINE)
    assert (form.mode_for(LINE), form.mode_for(OTHER)) == (OutputMode.STRICT, OutputMode.JSON)


@pytest.mark.parametrize("outcome", [Outcome.RATE_LIMITED, Outcome.DROPPED, Outcome.AUTH])
def test_weather_says_nothing_about_the_form(outcome: Outcome) -> None:
    assert OutputModes().choose_fallback(OutputMode.STRICT, RequestError(outcome, "schema"), LINE) is None


def test_the_plain_form_leaves_bounds_out_and_keeps_properties_that_are_called_like_one() -> None:
    text = {"type": "string", "minLength": 1, "pattern": "^a"}
    schema: AnswerSchema[object] = AnswerSchema(
        "Bounds",
        {"type": "object", "properties": {"pattern": text, "all": {"type": "array", "items": text, "maxItems": 2}}},
        lambda answer: answer,
    )
    _, kwargs = OutputModes().arguments(OutputMode.PLAIN, PROMPT, schema)
    sent = kwargs["response_format"]["json_schema"]["schema"]
    bare = {"type": "string"}
    assert sent == {"type": "object", "properties": {"pattern": bare, "all": {"type": "array", "items": bare}}}


def test_a_bound_that_is_refused_by_its_name_is_left_out_alone() -> None:
    text = {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a"}
    schema: AnswerSchema[object] = AnswerSchema("Bounds", {"type": "object", "properties": {"a": text}}, lambda a: a)
    form = OutputModes()

    def refused(words: str, left_out: frozenset[str] | None = None) -> OutputMode | None:
        return form.choose_fallback(OutputMode.STRICT, RequestError(Outcome.BAD_REQUEST, words), schema, left_out)

    def sent() -> Any:
        _, kwargs = form.arguments(OutputMode.STRICT, PROMPT, schema)
        return kwargs["response_format"]["json_schema"]["schema"]["properties"]["a"]

    assert refused("schema: 'maxLength' is not permitted") is OutputMode.STRICT
    assert sent() == {"type": "string", "minLength": 1, "pattern": "^a"}
    # Another request was under way with it, and is sent again as the endpoint takes it.
    assert refused("schema: 'maxLength' is not permitted", frozenset()) is OutputMode.STRICT
    assert refused("schema: 'pattern' and minLength are not permitted") is OutputMode.STRICT
    assert sent() == {"type": "string"}
    assert refused("schema: 'pattern' is not permitted") is OutputMode.PLAIN
    assert refused("the maximum context length is 8 tokens") is OutputMode.PLAIN


def test_a_length_that_is_too_long_for_grammars_is_not_sent() -> None:
    texts = {name: {"type": "string", "maxLength": most} for name, most in (("a", 1_500), ("maxLength", 1_501))}
    schema: AnswerSchema[object] = AnswerSchema("Long", {"type": "object", "properties": texts}, lambda a: a)
    _, kwargs = OutputModes().arguments(OutputMode.STRICT, PROMPT, schema)
    sent = kwargs["response_format"]["json_schema"]["schema"]["properties"]
    assert sent == {"a": texts["a"], "maxLength": {"type": "string"}}


def test_tools_are_asked_for_until_they_are_refused_or_never_called() -> None:
    native = NativeTools(
        ({"role": "user", "content": "Half of 4?"},),
        ({"type": "function"},),
        lambda calls, text: {"made": 1} if calls else None,
    )
    schema = replace(LINE, native=native)
    called = ModelResponse("", "tool_calls", tool_calls='[["half", "{}"]]')
    said = ModelResponse("It is 2.", "stop")

    def mode(form: OutputModes) -> OutputMode:
        return form.mode_for(schema, native=True)

    form = OutputModes()
    assert (mode(form), form.mode_for(schema), form.mode_for(LINE, native=True)) == (
        OutputMode.TOOLS,
        OutputMode.STRICT,
        OutputMode.STRICT,
    )
    messages, kwargs = form.arguments(OutputMode.TOOLS, PROMPT, schema)
    assert ([one.content for one in messages], kwargs) == (["Half of 4?"], {"tools": [{"type": "function"}]})
    assert [form.read_native(native, one).raw for one in (said, said, called)] == ["It is 2.", "It is 2.", '{"made":1}']
    for _ in range(3):
        form.read_native(native, said)
    assert mode(form) is OutputMode.TOOLS
    assert form.choose_fallback(OutputMode.TOOLS, TOO_LONG, schema) is None
    silent = OutputModes()
    for _ in range(3):
        assert mode(silent) is OutputMode.TOOLS
        silent.read_native(native, said)
    assert mode(silent) is OutputMode.STRICT


@pytest.mark.parametrize(
    ("outcome", "words", "fallback", "settled"),
    [
        (Outcome.BAD_REQUEST, "'tools' is not supported", OutputMode.STRICT, OutputMode.STRICT),
        (Outcome.SERVER_ERROR, "tools param requires --jinja flag", OutputMode.STRICT, OutputMode.STRICT),
        (Outcome.BAD_REQUEST, "an unknown field", OutputMode.STRICT, OutputMode.TOOLS),
        (Outcome.SERVER_ERROR, "toolbox on fire", None, OutputMode.TOOLS),
        (Outcome.RATE_LIMITED, "too many calls of tools", None, OutputMode.TOOLS),
    ],
)
def test_a_refusal_of_tools_goes_on_in_json(
    outcome: Outcome, words: str, fallback: OutputMode | None, settled: OutputMode
) -> None:
    form, schema = OutputModes(), replace(LINE, native=NativeTools((), (), lambda calls, text: None))
    assert form.choose_fallback(OutputMode.TOOLS, RequestError(outcome, words), schema) is fallback
    assert form.mode_for(schema, native=True) is settled

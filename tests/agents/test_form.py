from typing import Any

import pytest

from populace.agents.endpoint.errors import RequestError
from populace.agents.gateway.form import Form, FormKind
from populace.personas.model import AnswerSchema, Outcome
from populace.personas.prompt import RenderedPrompt

LINE: AnswerSchema[object] = AnswerSchema("Line!", {"type": "object"}, lambda answer: answer)
OTHER: AnswerSchema[object] = AnswerSchema("Other", {"type": "object"}, lambda answer: answer)
PROMPT = RenderedPrompt("turn", 1, (("system", "Be brief."), ("user", "Speak.")))
ABOUT_FORM = RequestError(Outcome.BAD_REQUEST, "response_format is not supported")
TOO_LONG = RequestError(Outcome.BAD_REQUEST, "maximum context length is 8 tokens")


def test_strict_form_sends_the_schema_and_leaves_the_prompt_alone() -> None:
    messages, kwargs = Form().told(FormKind.STRICT, PROMPT, LINE)
    assert [m.content for m in messages] == ["Be brief.", "Speak."]
    form = kwargs["response_format"]["json_schema"]
    assert form == {"name": "Line_", "schema": {"type": "object"}, "strict": True}


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [(FormKind.JSON, {"response_format": {"type": "json_object"}}), (FormKind.PROMPT, {})],
)
def test_lower_forms_put_the_schema_into_the_system_message(kind: FormKind, kwargs: dict[str, Any]) -> None:
    messages, sent = Form().told(kind, PROMPT, LINE)
    assert sent == kwargs
    assert str(messages[0].content).startswith("Be brief.")
    assert '"type": "object"' in str(messages[0].content)


def test_a_prompt_without_a_system_message_gets_one_in_lower_forms() -> None:
    messages, _ = Form().told(FormKind.PROMPT, RenderedPrompt("p", 1, (("user", "Speak."),)), LINE)
    assert [m.type for m in messages] == ["system", "human"]


def test_a_refused_form_is_followed_by_the_next_down_to_the_prompt() -> None:
    form = Form()
    assert form.below(FormKind.STRICT, TOO_LONG, LINE) is FormKind.PLAIN
    assert form.below(FormKind.PLAIN, TOO_LONG, LINE) is FormKind.JSON
    assert form.below(FormKind.JSON, TOO_LONG, LINE) is FormKind.PROMPT
    assert form.below(FormKind.PROMPT, ABOUT_FORM, LINE) is None


def test_a_form_is_settled_only_by_an_answer_in_it() -> None:
    form, kinds = Form(), []
    for _ in range(2):
        form.below(FormKind.STRICT, ABOUT_FORM, LINE)
        kinds.append(form.kind)
        form.learn(FormKind.JSON, LINE)
    assert kinds == [FormKind.STRICT, FormKind.JSON]


def test_a_form_that_was_answered_before_is_not_blamed_for_another_refusal() -> None:
    form = Form()
    form.learn(FormKind.STRICT, LINE)
    assert form.below(FormKind.STRICT, TOO_LONG, LINE) is None


def test_a_schema_that_alone_is_refused_goes_down_alone() -> None:
    form = Form()
    form.learn(FormKind.STRICT, LINE)
    assert form.below(FormKind.STRICT, ABOUT_FORM, OTHER) is FormKind.PLAIN
    form.learn(FormKind.JSON, OTHER)
    assert (form.kind_for(LINE), form.kind_for(OTHER)) == (FormKind.STRICT, FormKind.JSON)


def test_a_call_that_was_under_way_when_the_form_fell_is_repeated_in_the_new_form() -> None:
    form = Form()
    form.learn(FormKind.PROMPT, LINE)
    assert form.below(FormKind.STRICT, TOO_LONG, LINE) is FormKind.PROMPT


def test_an_endpoint_that_takes_the_strict_form_after_all_is_asked_in_it() -> None:
    form = Form()
    form.learn(FormKind.JSON, OTHER)
    form.learn(FormKind.STRICT, LINE)
    assert (form.kind_for(LINE), form.kind_for(OTHER)) == (FormKind.STRICT, FormKind.JSON)


@pytest.mark.parametrize("outcome", [Outcome.RATE_LIMITED, Outcome.DROPPED, Outcome.AUTH])
def test_weather_says_nothing_about_the_form(outcome: Outcome) -> None:
    assert Form().below(FormKind.STRICT, RequestError(outcome, "schema"), LINE) is None


def test_the_plain_form_leaves_bounds_out_and_keeps_properties_that_are_called_like_one() -> None:
    text = {"type": "string", "minLength": 1, "pattern": "^a"}
    schema: AnswerSchema[object] = AnswerSchema(
        "Bounds",
        {"type": "object", "properties": {"pattern": text, "all": {"type": "array", "items": text, "maxItems": 2}}},
        lambda answer: answer,
    )
    _, kwargs = Form().told(FormKind.PLAIN, PROMPT, schema)
    sent = kwargs["response_format"]["json_schema"]["schema"]
    bare = {"type": "string"}
    assert sent == {"type": "object", "properties": {"pattern": bare, "all": {"type": "array", "items": bare}}}

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from populace.agents.gateway.request import judge
from populace.core.model import AnswerSchema, Outcome


class Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    mood: int = 0


LINE = AnswerSchema.of(Line)
VALID = '{"text":"good morning","mood":2}'

#: No text of an answer holds control characters.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n\r"), max_size=12)
json_objects = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    ),
    min_size=1,
    max_size=4,
)


def schema_of(check: Callable[[object], Any]) -> AnswerSchema[Any]:
    return AnswerSchema("Any", {"type": "object"}, check)


ANYTHING = schema_of(lambda answer: answer)


def test_a_valid_answer_is_the_value() -> None:
    verdict = judge(VALID, LINE, finish_reason="stop")
    assert verdict.outcome is Outcome.OK
    assert verdict.value == Line(text="good morning", mood=2)
    assert verdict.reason == ""


def test_a_complete_answer_counts_even_at_the_limit_of_tokens() -> None:
    assert judge(VALID, LINE, finish_reason="length").outcome is Outcome.OK


@pytest.mark.parametrize("text", ["", VALID[:9], "Well, let me think about"])
def test_an_incomplete_answer_at_the_limit_of_tokens_is_length(text: str) -> None:
    verdict = judge(text, LINE, finish_reason="length")
    assert verdict.outcome is Outcome.LENGTH
    assert "limit of tokens" in verdict.reason


@pytest.mark.parametrize("finish_reason", ["content_filter", "refusal"])
def test_a_refusal_is_no_answer_whatever_stands_in_it(finish_reason: str) -> None:
    verdict = judge(VALID, LINE, finish_reason=finish_reason)
    assert verdict.outcome is Outcome.REFUSAL
    assert verdict.value is None


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_white_space_is_an_empty_answer(text: str) -> None:
    assert judge(text, LINE).outcome is Outcome.EMPTY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!DOCTYPE html><html><style>p {}</style></html>", "HTML"),
        ("I would rather not say.", "rather not say"),
        ("{'text': 'single quotes'}", "malformed JSON"),
        ('{"text": NaN}', "The answer is JSON with NaN"),
        ('{"text": ' + "[" * 5_000 + "]" * 5_000 + "}", "The answer is JSON that nests too deeply"),
        (f"{VALID} or {VALID}", "2 JSON objects"),
    ],
)
def test_text_without_one_json_object_is_not_json(text: str, said: str) -> None:
    verdict = judge(text, LINE)
    assert verdict.outcome is Outcome.NOT_JSON
    assert said in verdict.reason


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{VALID}\n```",
        f"Here you are:\n{VALID}\nI hope that helps!",
        f'She said "well, [sic]: {VALID}',
    ],
)
def test_what_stands_around_the_one_object_is_cut_away(text: str) -> None:
    assert judge(text, LINE).value == Line(text="good morning", mood=2)


def test_an_object_of_another_form_names_every_mistake() -> None:
    verdict = judge('{"mood":"high","tone":1}', LINE)
    assert verdict.outcome is Outcome.SCHEMA_MISMATCH
    for place in ("text", "mood", "tone"):
        assert f"{place}:" in verdict.complaint
    assert "\n" not in verdict.reason


@pytest.mark.parametrize("error", [KeyError("x"), ZeroDivisionError(), RecursionError("deep"), ValueError("")])
def test_whatever_a_check_raises_is_a_mismatch(error: Exception) -> None:
    def check(answer: object) -> None:
        raise error

    verdict = judge(VALID, schema_of(check))
    assert verdict.outcome is Outcome.SCHEMA_MISMATCH
    assert verdict.complaint


@given(json_objects)
def test_any_json_object_is_read_as_it_is(value: dict[str, Any]) -> None:
    assert judge(json.dumps(value), ANYTHING).value == value


@given(json_objects, st.data())
def test_any_cut_json_object_is_cut_json(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=False)
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    assert judge(cut, ANYTHING).outcome is Outcome.CUT_JSON


@given(st.text() | st.text('{}[]"\\:,<>a \n'), st.none() | st.text() | st.sampled_from(["stop", "length"]))
def test_no_text_makes_the_judgement_raise(text: str, finish_reason: str | None) -> None:
    verdict = judge(text, LINE, finish_reason=finish_reason)
    assert (verdict.outcome is Outcome.OK) == (verdict.value is not None)
    assert (verdict.outcome is Outcome.OK) == (verdict.reason == "")


@pytest.mark.parametrize("text", ['"\\' * 50_000, "{" * 100_000, '{"' + '\\"' * 50_000, "[1] " * 20_000])
def test_hostile_text_is_judged_in_one_pass(text: str) -> None:
    assert judge(text, LINE).outcome in (Outcome.NOT_JSON, Outcome.CUT_JSON)

"""The procedural model as a chat model: what it honours, and that it answers alike everywhere."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from populace.agents.procedural import ProceduralModel
from populace.agents.schema_fill import UnsatisfiableSchemaError
from populace.core.model import PROCEDURAL_NOTICE

BAKER = "A night-shift baker who worries about an oven that loses heat."
ASKED: list[BaseMessage] = [
    SystemMessage("A village by a river.\n\nYou play one person of this world."),
    HumanMessage(f"<persona>\n{BAKER}\n</persona>\n\nIt is step 3. What do you do now?"),
]
OPINION = {
    "type": "object",
    "properties": {"opinion": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["opinion", "age"],
    "additionalProperties": False,
}


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema), "strict": True}}


def ask(messages: list[BaseMessage], **options: Any) -> AIMessage:
    answer = ProceduralModel().invoke(messages, **options)
    assert isinstance(answer, AIMessage)
    return answer


def test_the_same_request_gives_the_same_answer_from_any_instance() -> None:
    options = {"response_format": response_format(OPINION), "seed": 5}
    assert ask(ASKED, **options).content == ask(ASKED, **options).content


@pytest.mark.slow
def test_the_same_request_gives_the_same_answer_in_any_process() -> None:
    script = (
        "from langchain_core.messages import HumanMessage\n"
        "from populace.agents.procedural import ProceduralModel\n"
        "print(ProceduralModel().invoke([HumanMessage('Is there bread by the bridge?')], seed=3).content)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "4242")
    }
    assert len(said) == 1
    assert len(said.pop().split()) > 8


def test_another_seed_or_another_message_gives_another_answer() -> None:
    seeded = {ask(ASKED, seed=seed).content for seed in range(20)}
    longer = ask([*ASKED, AIMessage("Bread."), HumanMessage("Once more, something else.")], seed=0)
    assert len(seeded) > 15
    assert longer.content not in seeded


def test_options_it_does_not_know_change_nothing() -> None:
    assert ask(ASKED, temperature=1.3, max_tokens=50, seed=1).content == ask(ASKED, seed=1).content


def test_it_says_that_it_is_no_language_model_and_counts_words() -> None:
    answer = ask(ASKED)
    assert answer.response_metadata["is_language_model"] is False
    assert answer.response_metadata["finish_reason"] == "stop"
    assert "no-language-model" in ProceduralModel()._llm_type
    assert "not a language model" in PROCEDURAL_NOTICE
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == len(str(answer.content).split())
    assert answer.usage_metadata["input_tokens"] == sum(len(str(m.content).split()) for m in ASKED)


def test_prose_draws_on_the_persona() -> None:
    said = " ".join(str(ask(ASKED, seed=seed).content) for seed in range(5))
    assert "an oven that loses heat" in said
    assert "three hundred loaves" in said


async def test_the_async_call_answers_alike_and_starts_no_thread() -> None:
    before = set(threading.enumerate())
    result = await ProceduralModel()._agenerate(ASKED, seed=4)
    assert result.generations[0].message.content == ask(ASKED, seed=4).content
    assert not set(threading.enumerate()) - before


def test_a_schema_in_the_prompt_is_honoured_in_json_mode() -> None:
    form = SystemMessage(f"It must be valid under this JSON Schema:\n\n{json.dumps(OPINION)}")
    answer = json.loads(str(ask([form, ASKED[1]], response_format={"type": "json_object"}).content))
    assert answer.keys() == {"opinion", "age"}


def test_json_mode_without_a_schema_gives_an_object() -> None:
    answer = json.loads(str(ask(ASKED, response_format={"type": "json_object"}).content))
    assert isinstance(answer, dict)


def test_a_schema_that_nothing_satisfies_is_refused_with_its_place() -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"type": "integer", "minimum": 3, "maximum": 2}},
        "required": ["x"],
    }
    with pytest.raises(UnsatisfiableSchemaError, match=r"properties/x.*minimum 3, maximum 2"):
        ask(ASKED, response_format=response_format(schema))

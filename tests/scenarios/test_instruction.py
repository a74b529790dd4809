"""The task instruction: requests, the teacher's responses, and those that are kept apart."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

from populace.agents.procedural.lexicon import read_lexicon
from populace.agents.responses import Response, read_text
from populace.core.errors import SetupError
from populace.core.model import Answer, Outcome
from populace.personas.dedup import find_duplicates
from populace.scenarios.instruction.task import InstructionTask, response_to, write_request

type Made = Callable[..., Path]
type Rows = Callable[[Path, str], Sequence[tuple[Any, ...]]]

PAIRS = "SELECT text, payload ->> '$.response', payload ->> '$.response_outcome' FROM outputs WHERE status = 'accepted'"


@pytest.mark.parametrize(
    "prompting", ["zero-shot", pytest.param("few-shot", marks=pytest.mark.slow), "persona-few-shot"]
)
def test_each_row_is_a_request_with_its_response(made: Made, rows: Rows, prompting: str) -> None:
    path = made(InstructionTask({"n": 6, "prompting": prompting}))
    found = rows(path, PAIRS)
    assert len(found) == 6
    assert all(text and response and outcome == "ok" for text, response, outcome in found)
    assert rows(path, "SELECT DISTINCT \"check\" FROM checks ORDER BY 1") == [
        ("degenerate",), ("language",), ("leak",), ("refusal",), ("response",), ("voice",)
    ]  # fmt: skip


def test_responses_can_be_left_out(made: Made, rows: Rows) -> None:
    path = made(InstructionTask({"n": 4, "response": "off"}))
    assert {pair[1:] for pair in rows(path, PAIRS)} == {("", "")}
    assert rows(path, "SELECT count(*) FROM calls WHERE phase = 'step'") == [(4,)]


def test_the_teacher_is_told_who_asks_only_where_that_is_wanted(
    made: Made, rows: Rows, openai_server: OpenAIServer
) -> None:
    model = {"model": "openai:test", "base_url": openai_server.base_url, "people": 3}
    made(InstructionTask({"n": 2}), **model)
    path = made(InstructionTask({"n": 2, "persona_in": "system"}), **model)
    asked = [str(body["messages"]) for body in openai_server.bodies]
    shown = ["<persona>" in messages for messages in asked if "<request>\\n" in messages]
    assert sorted(shown) == [False] * 2 + [True] * 2
    assert len(rows(path, PAIRS)) == 2


def test_a_refused_response_rejects_the_row_and_keeps_the_request(
    made: Made, rows: Rows, openai_server: OpenAIServer
) -> None:
    openai_server.fault("refusal", containing=r"<request>\n")
    path = made(InstructionTask({"n": 2}), people=3, model="openai:test", base_url=openai_server.base_url)
    outcomes = "SELECT DISTINCT stage, payload ->> '$.response_outcome', text <> '' FROM outputs WHERE stage <> 'leak'"
    assert rows(path, outcomes) == [("response", "refusal", True)]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(Outcome.OK, Response(text="Use rye.")), "ok"),
        (Answer(Outcome.OK, Response(text="  ")), "empty"),
        (Answer(Outcome.OK, Response(text="I'm sorry, but I can't help with that.")), "refusal"),
        (Answer[Response](Outcome.LENGTH, reason="It was cut."), "length"),
        (Answer[Response](Outcome.CUT_JSON), "cut_json"),
    ],
)
def test_what_a_response_came_to_has_a_code(answer: Answer[Response], outcome: str) -> None:
    assert read_text(answer).outcome == outcome


def test_the_stand_in_responds_to_what_was_asked() -> None:
    rng = random.Random(1)
    assert "rye loaves" in response_to(rng, "4 lines for a song about rye loaves, warm, it is for my aunt. thx")
    assert response_to(rng, "何でもいいから教えて")


def test_requests_of_the_stand_in_rarely_repeat_one_another() -> None:
    rng, people = random.Random(1), [f"A {name} who lives by the river." for name in read_lexicon().roles]
    texts = [write_request(rng, person) for person in people for _ in range(10)]
    assert len(texts) >= 2_000
    assert len(find_duplicates(texts)) <= 0.005 * len(texts)


def test_a_length_that_there_is_not_is_one_sentence() -> None:
    with pytest.raises(SetupError, match="'length'"):
        InstructionTask({"length": "huge"})

"""Long answers in plain text: what each form reads, and what it refuses with a reason."""

import json
from typing import Any

import pytest
from memory_ledger import MemoryLedger

from asking import context_of, prompt_of, scripted  # isort: skip
from populace.agents.gateway.request import judge
from populace.agents.responses import Line, Response, schema_of
from populace.agents.text_forms import MESSAGE, PROGRAM, SOLUTION, WHOLE, code_with_fields, text_under_header
from populace.core.model import AnswerGenerator, AnswerSchema, Outcome
from populace.scenarios.tool_code.task import dump_values, parse_values
from populace.sim.tasks.solving import WrittenProgram, WrittenSolution


def nothing(rng: Any, situation: Any, schema: Any) -> None:
    return None


GENERATE: AnswerGenerator = nothing
RESPONSE = schema_of(Response, "respond", GENERATE, WHOLE)
LINE = schema_of(Line, "user", GENERATE, MESSAGE)
STEPS = AnswerSchema("WrittenSolution", {}, WrittenSolution.model_validate, text_form=SOLUTION)
CODE = AnswerSchema("WrittenProgram", {}, WrittenProgram.model_validate, text_form=PROGRAM)


@pytest.mark.parametrize(
    "text",
    [
        r"Use $\frac{1}{2}$ and \beta." + "\n\nThen C:\\new\\table.",
        '{"text": "a response may be JSON"}',
        "```python\nprint('\\n')\n```",
        "你好。\n第二行",
    ],
)
def test_a_response_is_the_text_as_it_stands(text: str) -> None:
    verdict = judge(text, RESPONSE, finish_reason="stop")
    assert verdict.value == Response(text=text)


HEADED = text_under_header("text", ("title", "audience"), {"kind": "knowledge"})


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        ("title: Knots\naudience: Crews\n\nOne.\n\nTitle: no header", ("Knots", "Crews", "One.\n\nTitle: no header")),
        ("**Title:** Der Fluss: ein Anfang\n\n**Audience:** Alle\n\n„So“", ("Der Fluss: ein Anfang", "Alle", "„So“")),
        ("audience：老人\ntitle：河\n\n河边", ("河", "老人", "河边")),
    ],
)
def test_a_text_stands_below_its_header(answer: str, fields: tuple[str, str, str]) -> None:
    found = HEADED.read(answer)
    assert found == dict(zip(("title", "audience", "text"), fields, strict=True)) | {"kind": "knowledge"}
    assert HEADED.read(HEADED.write(found)) == found


@pytest.mark.parametrize("answer", ["A text.", "title: Knots\n\nA text.", "title:\naudience: Crews\n\nA text."])
def test_a_header_that_is_incomplete_is_named(answer: str) -> None:
    with pytest.raises(ValueError, match=r"the line `(title|audience): \.\.\.` is missing at the beginning"):
        HEADED.read(answer)


@pytest.mark.parametrize(
    ("text", "is_done", "line"),
    [
        ("And in the evening?", False, "And in the evening?"),
        ("done: yes", True, ""),
        ("Done: Yes.", True, ""),
        ("**done:** yes", True, ""),
        ("done", True, ""),
        ("done: no\n\nAnd then?", False, "And then?"),
        ("Thanks.\n\ndone: yes", True, "Thanks."),
        ("done\nwith the dishes", False, "done\nwith the dishes"),
        ("No.", False, "No."),
        ("I am done: yes or no?", False, "I am done: yes or no?"),
    ],
)
def test_a_message_may_say_that_nothing_is_left(text: str, is_done: bool, line: str) -> None:
    verdict = judge(text, LINE)
    assert verdict.value is not None
    assert (verdict.value.done, verdict.value.text) == (is_done, line)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2 + 2 = 4.\n\n\\boxed{4}", "4"),
        ("So \\boxed{\\frac{1}{2}}.", r"\frac{1}{2}"),
        ("Thus the answer is 12.", "12"),
        ("The length of the rope is missing, and 12 m of it are not enough.", ""),
        ("I'm sorry, I can't help with that.", ""),
        ("Then \\boxed{1 +", ""),
    ],
)
def test_a_solution_ends_in_its_answer_or_has_none(text: str, answer: str) -> None:
    verdict = judge(text, STEPS)
    assert verdict.value == WrittenSolution(solution=text, answer=answer)


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("```python\nprint(4)\n```", "print(4)\n"),
        ("Here:\n```py\nprint('a\\nb')\n```\nIt prints.", "print('a\\nb')\n"),
        ("```\nprint(4)\n```", "print(4)\n"),
        ("```python\nprint(4)\n```\nIt prints\n```\n4\n```", "print(4)\n"),
        ("```python\nwrong(\n```\nNo:\n```python\nprint(4)\n```", "print(4)\n"),
        ("print(4)", "print(4)"),
        ("~~~python\nprint('```')\n~~~", "print('```')\n"),
    ],
)
def test_a_program_stands_in_its_block(text: str, program: str) -> None:
    assert judge(text, CODE).value == WrittenProgram(program=program)


@pytest.mark.parametrize(
    ("text", "schema", "outcome", "reason"),
    [
        ("It is easy, just add.", CODE, Outcome.SCHEMA_MISMATCH, "no fenced block of Python"),
        ("```python\nprint(4)", CODE, Outcome.SCHEMA_MISMATCH, "not closed"),
        ("no", LINE, Outcome.SCHEMA_MISMATCH, "'no' is no message"),
        (" \n", RESPONSE, Outcome.EMPTY, "empty"),
        ("Red \x1b[31m.", RESPONSE, Outcome.CONTROL_CHARACTERS, "U+001B"),
        ("x" * 30_000, RESPONSE, Outcome.SCHEMA_MISMATCH, "text"),
    ],
)
def test_what_is_no_answer_has_its_outcome_and_reason(
    text: str, schema: AnswerSchema[Any], outcome: Outcome, reason: str
) -> None:
    verdict = judge(text, schema, finish_reason="stop")
    assert (verdict.outcome, verdict.value) == (outcome, None)
    assert reason in verdict.reason


def test_a_text_that_reached_the_limit_of_tokens_is_cut() -> None:
    assert judge("Once upon a time there was", RESPONSE, finish_reason="length").outcome is Outcome.LENGTH
    assert judge("I cannot help.", RESPONSE, finish_reason="content_filter").outcome is Outcome.REFUSAL


def test_code_and_short_fields_stand_in_two_blocks_either_way() -> None:
    form = code_with_fields("code", {"kind": "tool_code"}, read_fields=dump_values, write_fields=parse_values)
    call = {"arguments": '{"pattern": "\\\\d+"}', "returns": '"a\\nb"'}
    values = {
        "kind": "tool_code",
        "code": 'def find(pattern):\n    return "```\\n" + pattern',
        "question": "Which?",
        "example": call,
        "tests": [{"arguments": "{}", "returns": ""}],
    }
    read = form.read(f"Of course.\n\n{form.write(values)}\n\nDone.")
    assert read["code"].rstrip("\n") == values["code"]
    assert json.loads(read["example"]["returns"]) == "a\nb"
    assert {**read, "code": values["code"]} == values


async def test_no_schema_is_sent_for_plain_text_and_a_complaint_asks_for_the_form() -> None:
    gateway, chat = scripted(["I would just add.", "```python\nprint(4)\n```"], MemoryLedger())
    answer = await gateway.ask(prompt_of(1), CODE, context_of(1))
    assert answer.value == WrittenProgram(program="print(4)\n")
    assert not any("response_format" in seen for seen in chat.seen)
    said = str(chat.seen[1]["messages"][-1].content)
    assert "no fenced block of Python" in said
    assert "JSON" not in said

from dataclasses import replace

import pytest
from asking import LINE, QUICK, VALID, Line, Open, ask, ask_all, context_of, prompt_of, scripted
from memory_ledger import MemoryLedger
from openai_faults import FaultKind, Latency
from openai_server import OpenAIServer

from populace.agents.endpoint.errors import error_of_status
from populace.agents.endpoint.models import open_model
from populace.agents.gateway.capabilities import OutputMode
from populace.agents.gateway.client import Gateway
from populace.agents.gateway.limits import Limits
from populace.core.errors import EndpointError
from populace.core.model import AnswerSchema, Outcome


@pytest.mark.parametrize(
    ("refused", "learnt"),
    [
        (["no_min_length"], OutputMode.STRICT),
        (["no_bounds"], OutputMode.PLAIN),
        (["no_json_schema"], OutputMode.JSON),
        (["no_json_schema", "no_json_object"], OutputMode.PROMPT),
    ],
)
async def test_the_form_falls_to_what_the_endpoint_takes(
    opened: Open, openai_server: OpenAIServer, refused: list[FaultKind], learnt: OutputMode
) -> None:
    for kind in refused:
        openai_server.fault(kind)
    gateway = opened()
    assert (await ask(gateway, 1)).outcome is Outcome.OK
    assert gateway.endpoints[0].output_modes.mode is learnt
    before = gateway.calls
    assert (await ask(gateway, 2)).attempts == gateway.calls - before == 1


async def test_an_answer_that_the_endpoint_itself_could_not_read_is_asked_for_with_another_seed(
    opened: Open, openai_server: OpenAIServer
) -> None:
    words = "The model produced output that does not match the expected peg-native format"
    openai_server.script({"error": {"code": 500, "message": words}}, status=500)
    gateway = opened()
    answer = await ask(gateway, 1)
    assert (answer.outcome, answer.attempts) == (Outcome.OK, 2)
    assert gateway.meter.outcomes == {Outcome.CUT_JSON: 1, Outcome.OK: 1}
    first, second = (body["seed"] for body in openai_server.bodies[-2:])
    assert second == first + 1


async def test_calls_under_way_when_the_form_falls_are_not_lost(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.fault("no_json_schema").fault("no_json_object").latency = Latency(0.01, 1.0)
    answers = await ask_all(opened(), 64)
    assert {answer.outcome for answer in answers} == {Outcome.OK}


async def test_a_bad_request_among_good_ones_is_that_requests_failure(
    opened: Open, openai_server: OpenAIServer
) -> None:
    openai_server.fail_forever("person <0>", "bad_request")
    openai_server.latency = Latency(0.01, 1.0)
    gateway = opened()
    answers = await ask_all(gateway, 50)
    assert [a.outcome for a in answers] == [Outcome.BAD_REQUEST] + [Outcome.OK] * 49
    assert "maximum context length" in answers[0].reason
    assert gateway.endpoints[0].output_modes.mode is OutputMode.STRICT


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("auth", "Check OPENAI_API_KEY"),
        ("no_model", "The model `m` does not exist"),
        ("bad_request", "maximum context length"),
        ("html", "an HTML page"),
    ],
)
async def test_an_endpoint_that_refuses_every_call_stops_the_run(
    opened: Open, openai_server: OpenAIServer, kind: FaultKind, said: str
) -> None:
    openai_server.fault(kind)
    with pytest.raises(EndpointError) as caught:
        await ask(opened())
    assert said in str(caught.value)
    assert "openai:m at http://127.0.0.1:" in str(caught.value)


async def test_an_endpoint_where_nobody_answers_stops_the_run(opened: Open, nowhere: str) -> None:
    gateway = opened(base_url=nowhere)
    with pytest.raises(EndpointError, match=f"Nothing answers at {nowhere}.*`base_url`"):
        await ask(gateway)
    assert gateway.calls == 3


async def test_nothing_more_is_sent_once_the_run_is_stopped(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.fault("auth")
    gateway = opened()
    for _ in range(3):
        with pytest.raises(EndpointError):
            await ask(gateway)
    assert openai_server.calls == 1


async def test_an_endpoint_that_goes_away_later_costs_only_what_was_asked_then(
    memory_ledger: MemoryLedger,
) -> None:
    with OpenAIServer() as server:
        gateway = Gateway(
            open_model("openai:m", base_url=server.base_url),
            ledger=memory_ledger,
            backoff=replace(QUICK, attempts=2),
            limits=Limits(wait=0),
        )
        assert (await ask(gateway, 1)).outcome is Outcome.OK
    answer = await ask(gateway, 2)
    await gateway.aclose()
    assert answer.outcome in (Outcome.UNREACHABLE, Outcome.DROPPED)


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), TypeError("no 'seed'"), KeyError("choices")])
async def test_whatever_a_chat_model_raises_is_a_counted_failure(memory_ledger: MemoryLedger, error: Exception) -> None:
    gateway, _ = scripted([VALID, error], memory_ledger)
    await ask(gateway, 1)
    answer = await ask(gateway, 2)
    assert answer.outcome is Outcome.MODEL_ERROR
    assert type(error).__name__ in answer.reason
    assert memory_ledger.calls[-1].outcome is Outcome.MODEL_ERROR


async def test_a_chat_model_that_knows_no_response_format_is_told_in_the_prompt(
    memory_ledger: MemoryLedger,
) -> None:
    unknown = TypeError("unexpected keyword argument 'response_format'")
    gateway, chat = scripted([unknown, unknown, unknown, VALID], memory_ledger)
    assert (await ask(gateway)).outcome is Outcome.OK
    assert gateway.endpoints[0].output_modes.mode is OutputMode.PROMPT
    assert '"loud"' in chat.seen[-1]["messages"][0].content


class ForeignRefusalError(Exception):
    status_code = 429


async def test_the_status_of_a_foreign_clients_error_is_understood(memory_ledger: MemoryLedger) -> None:
    gateway, _ = scripted([ForeignRefusalError("slow down"), VALID], memory_ledger)
    assert (await ask(gateway)).attempts == 2
    assert memory_ledger.calls[0].outcome is error_of_status(429, "").outcome


async def test_text_that_no_file_can_hold_is_mended_before_it_is_recorded(
    memory_ledger: MemoryLedger,
) -> None:
    gateway, _ = scripted(['{"text":"\ud83d","loud":true}'], memory_ledger)
    assert (await ask(gateway)).value == Line(text="?", loud=True)
    assert (memory_ledger.calls[0].raw or "").encode()


async def test_a_check_that_breaks_loses_no_paid_answer(memory_ledger: MemoryLedger) -> None:
    def check(answer: object) -> None:
        raise ZeroDivisionError

    gateway, _ = scripted([VALID] * 3, memory_ledger)
    schema = AnswerSchema("Broken", LINE.json_schema, check)
    answer = await gateway.ask(prompt_of(1), schema, context_of(1))
    assert answer.outcome is Outcome.SCHEMA_MISMATCH
    assert [call.raw for call in memory_ledger.calls] == [VALID] * 3


async def test_an_endpoint_that_takes_no_seed_is_asked_without_one_from_then_on(
    opened: Open, openai_server: OpenAIServer
) -> None:
    openai_server.fault("no_seed")
    gateway = opened()
    assert (await ask(gateway, 1)).outcome is Outcome.OK
    assert openai_server.calls == 2
    assert (await ask(gateway, 2)).outcome is Outcome.OK
    assert openai_server.calls == 3
    assert ["seed" in body for body in openai_server.bodies] == [True, False, False]
    assert gateway.endpoints[0].output_modes.mode is OutputMode.STRICT

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from asking import LINE, VALID, Line, Open, Scripted, ask, ask_all, context_of, gateway_over, prompt_of, scripted
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from memory_ledger import MemoryLedger
from openai_faults import FaultKind, Latency
from openai_server import OpenAIServer
from quick_time import in_no_time

from populace.agents.endpoint.errors import RequestError
from populace.agents.endpoint.models import ModelHandle
from populace.agents.gateway.budget import Meter
from populace.agents.gateway.limits import Backoff, Limits
from populace.core.errors import PausedError, SetupError
from populace.core.model import Answer, Outcome, RequestContext


def too_many(seconds: float | None = None) -> RequestError:
    return RequestError(Outcome.RATE_LIMITED, "Too many.", status=429, retry_after=seconds)


async def test_an_answer_is_typed_and_its_call_recorded(opened: Open, memory_ledger: MemoryLedger) -> None:
    answer = await ask(opened())
    assert answer.outcome is Outcome.OK
    assert isinstance(answer.value, Line)
    (call,) = memory_ledger.calls
    assert (call.phase, call.number, call.owner, call.purpose, call.prompt_version) == (
        "step",
        1,
        "person-1",
        "turn",
        3,
    )
    assert (call.attempt, call.outcome, call.reason, call.raw) == (1, Outcome.OK, "", answer.raw)
    assert (call.model, call.finish_reason) == ("openai:m", "stop")
    assert call.input_tokens is not None
    assert call.cached_tokens == call.input_tokens // 2
    assert call.started_at <= call.ended_at


async def test_what_is_sent_carries_schema_seed_and_limit(opened: Open, openai_server: OpenAIServer) -> None:
    await ask(opened(answer_tokens=50), 2)
    (body,) = openai_server.bodies
    assert (body["seed"], body["max_tokens"]) == (2000, 50)
    assert body["response_format"]["json_schema"]["schema"] == LINE.json_schema


async def test_no_limit_of_tokens_leaves_it_to_the_endpoint(opened: Open, openai_server: OpenAIServer) -> None:
    await ask(opened(answer_tokens=0))
    assert "max_tokens" not in openai_server.bodies[0]


@pytest.mark.parametrize(
    "kind", ["rate_limit", "server_error", "drop", "drop_midway", "html", "cut_body", "no_choices"]
)
async def test_weather_is_waited_out_with_the_same_request(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger, kind: FaultKind
) -> None:
    openai_server.fault(kind, attempts=2)
    answer = await ask(opened())
    assert (answer.outcome, answer.attempts) == (Outcome.OK, 3)
    assert [call.attempt for call in memory_ledger.calls] == [1, 2, 3]
    assert [call.raw is None for call in memory_ledger.calls] == [True, True, False]
    assert len({call.request_hash for call in memory_ledger.calls}) == len(openai_server.by_body) == 1


def test_the_wait_before_a_retry_is_at_least_what_is_asked_for(memory_ledger: MemoryLedger) -> None:
    gateway, chat = scripted([too_many(7), too_many(7), VALID], memory_ledger)
    in_no_time(ask(gateway))
    assert [call["at"] for call in chat.seen] == pytest.approx([0, 7, 14], abs=0.03)
    assert chat.seen[1]["at"] >= 7


def test_a_wait_that_is_asked_for_holds_for_all_that_have_not_begun(memory_ledger: MemoryLedger) -> None:
    gateway, chat = scripted([too_many(60), VALID, VALID, VALID], memory_ledger, max_in_flight=1)
    in_no_time(ask_all(gateway, 3))
    assert [call["at"] >= 60 for call in chat.seen] == [False, True, True, True]


async def test_weather_that_does_not_end_is_a_counted_failure(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.fail_forever("person <1>")
    answer = await ask(gateway := opened(attempts=4))
    assert (answer.outcome, answer.value, answer.attempts) == (Outcome.SERVER_ERROR, None, 4)
    assert "500" in answer.reason
    assert gateway.meter.outcomes[Outcome.SERVER_ERROR] == gateway.calls == 4


async def test_one_who_waits_out_weather_holds_no_turn(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.fault("rate_limit", containing="person <0>", attempts=1)
    gateway = opened(max_in_flight=1, backoff=Backoff(base=3600, cap=3600))
    stuck = asyncio.create_task(ask(gateway, 0))
    assert (await ask(gateway, 1)).outcome is Outcome.OK
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)
    assert gateway.in_flight == 0


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("cut_json", Outcome.CUT_JSON),
        ("mismatch", Outcome.SCHEMA_MISMATCH),
        ("prose", Outcome.NOT_JSON),
    ],
)
async def test_an_unusable_answer_is_asked_for_again_at_most_twice(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger, kind: FaultKind, outcome: Outcome
) -> None:
    openai_server.fault(kind)
    answer = await ask(opened())
    assert (answer.outcome, answer.value, answer.attempts) == (outcome, None, 3)
    assert [body["seed"] for body in openai_server.bodies] == [1000, 1001, 1002]
    assert [(call.attempt, call.outcome) for call in memory_ledger.calls] == [(1, outcome)] * 3


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"text": "Once upon a ti', [(1000, 50), (1000, 100)]),
        ('{"text": "' + "the boss of the uncle of " * 20, [(1000, 50), (1001, 50)]),
    ],
)
async def test_a_cut_answer_may_be_twice_as_long_once_unless_it_repeats_itself(
    opened: Open, openai_server: OpenAIServer, written: str, sent: list[tuple[int, int]]
) -> None:
    openai_server.writer = lambda _: {"content": written, "finish_reason": "length"}
    answer = await ask(opened(answer_tokens=50))
    assert (answer.outcome, answer.attempts) == (Outcome.LENGTH, 2)
    assert [(body["seed"], body["max_tokens"]) for body in openai_server.bodies] == sent


async def test_a_model_that_keeps_no_form_is_told_it_in_the_prompt_for_good(
    opened: Open, openai_server: OpenAIServer
) -> None:
    openai_server.writer = lambda asked: "Rye." if "JSON" not in str(asked["messages"]) else VALID
    gateway = opened(max_in_flight=1)
    answers = [await ask(gateway, n) for n in range(6)]
    assert [(one.outcome, one.attempts) for one in answers] == [(Outcome.OK, 2)] * 3 + [(Outcome.OK, 1)] * 3


async def test_a_model_that_thinks_is_allowed_the_tokens_of_its_thoughts(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger
) -> None:
    openai_server.writer = lambda asked: (
        {"content": VALID, "reasoning_content": "Hm. " * 100}
        if asked["max_tokens"] > 100
        else {"content": "", "reasoning_content": "Hm. " * 100, "finish_reason": "length"}
    )
    gateway = opened(answer_tokens=50)
    assert [(await ask(gateway, n)).outcome for n in range(2)] == [Outcome.OK, Outcome.OK]
    assert [body["max_tokens"] for body in openai_server.bodies] == [50, 298, 248]


async def test_an_empty_answer_is_the_endpoints_fault_and_no_request_for_another_answer(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger
) -> None:
    empty = {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9}}
    page = {"choices": [{"message": {"content": "<html><body>502</body></html>"}, "finish_reason": "stop"}]}
    openai_server.script(empty).script(page)
    gateway = opened()
    assert (await ask(gateway)).outcome is Outcome.OK
    assert [body["seed"] for body in openai_server.bodies] == [1000, 1000, 1000]
    ends = [(call.attempt, call.outcome, call.raw is None) for call in memory_ledger.calls]
    assert ends == [(1, Outcome.EMPTY, True), (2, Outcome.EMPTY, True), (3, Outcome.OK, False)]
    # It may be billed all the same.
    assert memory_ledger.calls[0].input_tokens == 9
    assert gateway.meter.total.input_tokens > 9


async def test_answers_that_stay_empty_are_asked_for_again_at_most_twice(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger
) -> None:
    openai_server.fault("empty")
    answer = await ask(opened())
    assert (answer.outcome, answer.value, answer.attempts) == (Outcome.EMPTY, None, 9)
    assert [body["seed"] for body in openai_server.bodies] == [1000] * 3 + [1001] * 3 + [1002] * 3
    assert [call.attempt for call in memory_ledger.calls] == [1, 2, 3] * 3


async def test_a_mismatch_is_shown_to_the_model_with_the_complaint(memory_ledger: MemoryLedger) -> None:
    wrong = '{"text":"hello","loud":"very"}'
    gateway, chat = scripted([wrong, VALID], memory_ledger)
    assert (await ask(gateway)).attempts == 2
    asked = chat.seen[1]["messages"]
    assert [m.type for m in asked] == ["system", "human", "ai", "human"]
    assert asked[2].content == wrong
    assert "loud: Input should be a valid boolean" in asked[3].content


async def test_a_second_complaint_replaces_the_first(memory_ledger: MemoryLedger) -> None:
    gateway, chat = scripted(["no", "never " * 2000, VALID], memory_ledger)
    assert (await ask(gateway)).value == Line(text="hello", loud=False)
    last = chat.seen[2]["messages"]
    assert len(last) == 4
    assert len(last[2].content) < 2100


async def test_prose_is_answered_with_the_form_that_was_asked_for(memory_ledger: MemoryLedger) -> None:
    gateway, chat = scripted(["I would rather not.", VALID], memory_ledger)
    await ask(gateway)
    assert '"loud"' in chat.seen[1]["messages"][3].content


async def test_refusals_are_asked_again_with_other_seeds_as_often_as_wanted(memory_ledger: MemoryLedger) -> None:
    no = AIMessage("", additional_kwargs={"refusal": "I cannot help with that."})
    gateway, chat = scripted([no, no, VALID, no, no, no], memory_ledger, retry_refusals=2)
    answer = await ask(gateway)
    assert (answer.outcome, answer.attempts) == (Outcome.OK, 3)
    assert [seen["seed"] for seen in chat.seen] == [1000, 1001, 1002]
    assert [call.outcome for call in memory_ledger.calls] == [Outcome.REFUSAL, Outcome.REFUSAL, Outcome.OK]
    assert len({call.request_hash for call in memory_ledger.calls}) == 3
    assert (await ask(gateway, 2)).outcome is Outcome.REFUSAL
    assert not chat.script


async def test_sampling_is_sent_recorded_and_part_of_the_request(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger
) -> None:
    await ask(opened())
    await ask(opened(temperature=0.7, top_p=0.9, extra_body='{"top_k": 40}'))
    plain, sampled = openai_server.bodies
    assert {name: sampled[name] for name in sampled if sampled[name] != plain.get(name)} == {
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 40,
    }
    first, second = memory_ledger.calls
    assert (first.sampling, second.sampling) == (
        None,
        '{"temperature":0.7,"top_p":0.9,"extra_body":{"top_k":40}}',
    )
    assert first.request_hash != second.request_hash


async def test_further_parameters_and_the_newer_name_of_the_limit_are_sent_together(
    opened: Open, openai_server: OpenAIServer
) -> None:
    openai_server.script({"error": {"message": "Unsupported parameter: 'max_tokens'."}}, status=400)
    await ask(opened(extra_body={"top_k": 40}))
    assert (openai_server.bodies[-1]["top_k"], openai_server.bodies[-1]["max_completion_tokens"]) == (40, 1024)


@pytest.mark.parametrize("given", ["[1]", "{", '{"seed": 1}'])
def test_what_is_no_further_parameter_is_refused(given: str) -> None:
    with pytest.raises(SetupError, match=r"extra_body.* must"):
        Limits.given(extra_body=given)


async def test_each_role_asks_its_own_model_under_one_budget(memory_ledger: MemoryLedger) -> None:
    meter = Meter()
    solver, solved = scripted([VALID, VALID], memory_ledger, meter=meter, max_calls=2)
    models, asked = scripted([VALID, VALID], memory_ledger, meter=meter, max_calls=2, roles={"solver": solver})
    for role in ("default", "solver"):
        await models.ask(prompt_of(1), LINE, replace(context_of(1), role=role))
    assert (len(asked.seen), len(solved.seen), meter.total.calls) == (1, 1, 2)
    assert [call.role for call in memory_ledger.calls] == ["default", "solver"]
    with pytest.raises(PausedError):
        await models.ask(prompt_of(2), LINE, replace(context_of(2), role="grader"))
    with pytest.raises(ValueError, match="another meter"):
        scripted([], memory_ledger, roles={"solver": scripted([], memory_ledger)[0]})


async def test_a_refusal_is_final(opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger) -> None:
    openai_server.fault("refusal")
    answer = await ask(opened())
    assert (answer.outcome, answer.attempts) == (Outcome.REFUSAL, 1)
    assert "I cannot help with that." in answer.reason
    assert memory_ledger.calls[0].raw == "I cannot help with that."


async def test_a_wait_beyond_patience_is_a_failure_at_once(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.fault("rate_limit", retry_after=86_400)
    assert (await ask(opened())).attempts == 1


async def test_nothing_is_lost_in_bad_weather(opened: Open, openai_server: OpenAIServer) -> None:
    for kind, share in (
        ("rate_limit", 0.05),
        ("cut_json", 0.01),
        ("html", 0.01),
        ("empty", 0.01),
        ("drop", 0.01),
    ):
        openai_server.fault(kind, share)  # type: ignore[arg-type]
    answers = await ask_all(opened(), 1000)
    assert [a for a in answers if a.value is None] == []
    assert min(openai_server.by_fault[k] for k in ("rate_limit", "cut_json", "html", "empty", "drop")) > 0


async def test_answers_do_not_depend_on_how_many_calls_are_in_flight(opened: Open, openai_server: OpenAIServer) -> None:
    runs = []
    for width in (1, 64):
        openai_server.reset()
        openai_server.fault("cut_json", 0.2).fault("rate_limit", 0.2).latency = Latency(0.002, 1.0)
        answers = await ask_all(opened(max_in_flight=width, ledger=MemoryLedger()), 60)
        runs.append([(a.outcome, a.value, a.attempts) for a in answers])
    assert runs[0] == runs[1]


async def test_as_many_calls_are_in_flight_as_are_allowed(opened: Open, openai_server: OpenAIServer) -> None:
    gateway = opened(max_in_flight=64)
    await ask(gateway)
    openai_server.hold(64)
    await ask_all(gateway, 150)
    assert openai_server.peak_in_flight == gateway.limiter.peak == 64
    assert gateway.in_flight == 0


@pytest.mark.parametrize("kind", [None, "cut_json", "mismatch", "refusal", "empty", "length", "prose"])
async def test_a_paid_answer_is_judged_anew_and_never_paid_again(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger, kind: FaultKind | None
) -> None:
    if kind is not None:
        openai_server.fault(kind, 0.5)
    first = await ask_all(opened(), 12)
    paid, later = openai_server.calls, MemoryLedger(memory_ledger)
    gateway = opened(ledger=later)
    if kind == "empty":  # of three replies without an answer the last one is recalled
        first = [replace(one, attempts=(one.attempts + 2) // 3) for one in first]
    assert await ask_all(gateway, 12) == first
    assert (openai_server.calls, later.calls, gateway.calls) == (paid, [], 0)


async def test_a_failed_attempt_is_no_paid_answer(
    opened: Open, openai_server: OpenAIServer, memory_ledger: MemoryLedger
) -> None:
    openai_server.fault("server_error", attempts=2)
    assert (await ask(opened(attempts=1))).outcome is Outcome.SERVER_ERROR
    assert (await ask(opened(ledger=MemoryLedger(memory_ledger)))).outcome is Outcome.OK


async def test_another_context_or_seed_is_another_request(opened: Open, memory_ledger: MemoryLedger) -> None:
    gateway = opened()
    for seed in (1, 2):
        await gateway.ask(prompt_of(1), LINE, RequestContext("step", 1, "a", seed))
    assert len({call.request_hash for call in memory_ledger.calls}) == 2


@pytest.mark.parametrize("option", ["max_in_flight", "attempts", "timeout", "rpm", "tpm"])
def test_numbers_that_leave_nothing_to_do_are_refused(memory_ledger: MemoryLedger, option: str) -> None:
    with pytest.raises(SetupError, match=option):
        scripted([], memory_ledger, **{option: 0})


class Crowded(Scripted):
    """Takes 20 calls at once, each for a tenth of a second, and refuses one more; a hundredth away."""

    in_flight: int = 0
    refused: int = 0

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        await asyncio.sleep(0.01)
        if self.in_flight == 20:
            self.refused += 1
            raise too_many()
        self.in_flight += 1
        await asyncio.sleep(0.1)
        self.in_flight -= 1
        return ChatResult(generations=[ChatGeneration(message=AIMessage(VALID))])


def test_an_endpoint_that_takes_fewer_calls_at_once_loses_none_and_refuses_few(memory_ledger: MemoryLedger) -> None:
    chat = Crowded(script=[], seen=[])
    gateway = gateway_over(ModelHandle("crowded", chat), ledger=memory_ledger, max_in_flight=128)

    async def live() -> list[Answer[Line]]:
        warming = await ask_all(gateway, 200)
        assert chat.refused >= 100
        chat.refused = 0
        return warming + await ask_all(gateway, 400)

    assert [answer for answer in in_no_time(live()) if answer.value is None] == []
    assert chat.refused <= 4
    assert gateway.limit < gateway.limiter.peak == 128


async def test_over_http_no_call_is_lost_where_too_many_are_refused(opened: Open, openai_server: OpenAIServer) -> None:
    openai_server.allow = 20
    openai_server.hold(21)  # the first 20 are answered when another has been refused
    answers = await ask_all(opened(max_in_flight=128), 100)
    assert [answer for answer in answers if answer.value is None] == []
    assert openai_server.by_fault["too_many"] >= 1

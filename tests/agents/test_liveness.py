import asyncio

import pytest

from populace.agents.endpoint.errors import RequestError
from populace.agents.gateway.outage import Liveness
from populace.core.errors import EndpointError
from populace.core.model import Outcome

DOUBTFUL = RequestError(Outcome.BAD_REQUEST, "The prompt is too long.")


async def test_a_doubtful_fault_waits_for_the_calls_under_way() -> None:
    liveness = Liveness("openai:m", None)
    flight = liveness.begin_call()
    verdict = asyncio.create_task(liveness.judge(DOUBTFUL))
    await asyncio.sleep(0)
    assert not verdict.done()
    liveness.was_answered = True
    liveness.end_call(flight)
    await verdict


async def test_a_doubtful_fault_among_none_but_faults_stops_everything() -> None:
    liveness = Liveness("openai:m", None)
    flight = liveness.begin_call()
    verdict = asyncio.create_task(liveness.judge(DOUBTFUL))
    await asyncio.sleep(0)
    liveness.end_call(flight)
    with pytest.raises(EndpointError, match="too long"):
        await verdict
    with pytest.raises(EndpointError):
        liveness.check()


async def test_a_wrong_key_stops_everything_even_after_answers() -> None:
    liveness = Liveness("openai:m", None)
    liveness.was_answered = True
    with pytest.raises(EndpointError, match="OPENAI_API_KEY"):
        await liveness.judge(RequestError(Outcome.AUTH, "HTTP status 401"))


async def test_a_lost_call_is_no_reason_to_stop() -> None:
    liveness = Liveness("openai:m", None)
    await liveness.judge(RequestError(Outcome.SERVER_ERROR, "HTTP status 500"))
    liveness.check()

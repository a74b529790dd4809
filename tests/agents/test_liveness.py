import asyncio

import pytest

from populace.agents.endpoint.errors import RequestError
from populace.agents.gateway.health import Health
from populace.agents.gateway.limits import Limits
from populace.core.errors import EndpointError
from populace.core.model import Outcome

DOUBTFUL = RequestError(Outcome.BAD_REQUEST, "The prompt is too long.")


async def test_a_doubtful_fault_waits_for_the_calls_under_way() -> None:
    health = Health(Limits())
    under_way = health.open_call()
    under_way.__enter__()
    verdict = asyncio.create_task(health.judge(DOUBTFUL))
    await asyncio.sleep(0)
    assert not verdict.done()
    health.was_answered = True
    under_way.__exit__(None, None, None)
    await verdict


async def test_a_doubtful_fault_among_none_but_faults_stops_everything() -> None:
    health = Health(Limits())
    under_way = health.open_call()
    under_way.__enter__()
    verdict = asyncio.create_task(health.judge(DOUBTFUL))
    await asyncio.sleep(0)
    under_way.__exit__(None, None, None)
    with pytest.raises(EndpointError, match="too long"):
        await verdict
    with pytest.raises(EndpointError):
        health.check()


async def test_a_wrong_key_stops_everything_even_after_answers() -> None:
    health = Health(Limits())
    health.was_answered = True
    with pytest.raises(EndpointError, match="OPENAI_API_KEY"):
        await health.judge(RequestError(Outcome.AUTH, "HTTP status 401"))


async def test_a_lost_call_is_no_reason_to_stop() -> None:
    health = Health(Limits())
    await health.judge(RequestError(Outcome.SERVER_ERROR, "HTTP status 500"))
    health.check()

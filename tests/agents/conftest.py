from collections.abc import AsyncIterator
from typing import Any

import pytest
from asking import Open, gateway_over
from memory_ledger import MemoryLedger
from openai_server import OpenAIServer

from populace.agents.endpoint.models import open_model
from populace.agents.gateway.gateway import Gateway


@pytest.fixture
async def opened(openai_server: OpenAIServer, memory_ledger: MemoryLedger) -> AsyncIterator[Open]:
    gateways: list[Gateway] = []

    def open_gateway(**options: Any) -> Gateway:
        handle = open_model("openai:m", base_url=options.pop("base_url", openai_server.base_url))
        gateways.append(gateway_over(handle, **{"ledger": memory_ledger, **options}))
        return gateways[-1]

    yield open_gateway
    for gateway in gateways:
        await gateway.aclose()

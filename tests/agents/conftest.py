from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import Open, gateway_over
from memory_ledger import MemoryLedger
from openai_server import OpenAIServer
from raw_server import RawServer

from populace.agents.endpoint.models import open_model
from populace.agents.gateway.client import Gateway


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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an answer cache may be made."""
    return tmp_path / "answers.sqlite"


@pytest.fixture(scope="module")
def raw() -> Iterator[RawServer]:
    """A server that answers with any bytes."""
    with RawServer() as server:
        yield server

"""For all tests: no model but the stand-in and the tests' own server, and no address but this machine's."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from memory_ledger import MemoryLedger
from openai_server import OpenAIServer

os.environ["POPULACE_FORBID_MODELS"] = "1"
for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
    os.environ.pop(name, None)

_connect, _getaddrinfo = socket.socket.connect, socket.getaddrinfo


def _check_here(host: Any) -> None:
    if host not in (None, "127.0.0.1", "::1", "localhost", b"127.0.0.1", b"localhost"):
        raise AssertionError(f"a test wanted to reach {host!r}: tests reach this machine alone")


def _connect_here(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _check_here(address[0])
    _connect(self, address)


def _find_here(host: Any, *args: Any, **kwargs: Any) -> Any:
    _check_here(host)
    return _getaddrinfo(host, *args, **kwargs)


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail any test that opens a connection to another machine."""
    monkeypatch.setattr(socket.socket, "connect", _connect_here)
    monkeypatch.setattr(socket, "getaddrinfo", _find_here)


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """An OpenAI-compatible server on a free loopback port."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def memory_ledger() -> MemoryLedger:
    """A ledger in memory."""
    return MemoryLedger()

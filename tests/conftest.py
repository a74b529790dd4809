"""For all tests: no model but the stand-in and the tests' own server, and no address but this machine's."""

import gc
import os
import signal
import socket
from collections.abc import Iterator
from socketserver import BaseServer
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from memory_ledger import MemoryLedger
from openai_server import OpenAIServer
from warm_process import WarmProcess

os.environ["POPULACE_FORBID_MODELS"] = "1"
for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
    os.environ.pop(name, None)

# The same examples each time, and no measuring of time: neither chance nor a busy machine may fail a law. For others:
# `pytest --hypothesis-profile=default`.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

# Begun in the background of a script, all of us would be deaf to Ctrl-C, also those who are to be stopped by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Collecting tests makes hundreds of thousands of objects that live to the end.
gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest, so that no worker has it left when the others are done."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a worker whole files, but single tests of the file that takes longest."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if "test_readme.py" in nodeid else super()._split_scope(nodeid)

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Look for garbage again, but not among what was collected."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure() -> None:
    """Find once what was left unclosed: pytest looks ten times, which takes seconds among all that was collected."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture(scope="session", autouse=True)
def watchful_servers() -> Iterator[None]:
    """Let a run's server for SQL look more often whether it is to end: each run waits for that."""
    serve = BaseServer.serve_forever
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseServer, "serve_forever", lambda server, poll_interval=0.5: serve(server, 0.005))
        yield


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Note what is made here among the tests' own files, also in the processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """An OpenAI-compatible server on a free loopback port."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A base URL at which nothing listens: its port stays taken, so that no other server gets it meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@pytest.fixture
def memory_ledger() -> MemoryLedger:
    """A ledger in memory."""
    return MemoryLedger()


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcess]:
    """Processes of their own, without waiting for imports."""
    process = WarmProcess(tmp_path_factory.mktemp("warm"))
    yield process
    process.close()

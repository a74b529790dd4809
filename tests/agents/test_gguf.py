"""Models in GGUF files: llama.cpp's own server in a process of ours, around a model that says noise."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import Mock

import aiohttp
import pytest
from asking import Line, ask, ask_all
from hypothesis import given
from hypothesis import strategies as st
from memory_ledger import MemoryLedger
from tiny_gguf import CONTEXT, write_tiny_gguf

from populace.agents.endpoint.chat_openai import LeanChatOpenAI
from populace.agents.endpoint.local_server import SLOTS, GgufHeader, LocalServer, _Running, read_gguf
from populace.agents.endpoint.models import open_model
from populace.agents.gateway.client import Gateway
from populace.core.errors import EndpointError, SetupError
from populace.core.model import Outcome
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.society import Society

local = pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed (extra 'local')")

#: What takes xllamacpp's place where loading a model has to take for ever; like it, it lets no other thread run.
ENDLESS = """
class Any:
    def __getattr__(self, name):
        return Any()
CommonParams = Any
def Server(params):
    print("warming up", flush=True)
    sum(range(10**15))
"""

#: A process that starts a server, says the process id of it when it is ready, or loads its model, and lives on.
PARENT = """
import asyncio, sys, time
from pathlib import Path
from populace.agents.endpoint.local_server import LocalServer
async def start():
    server = LocalServer(Path(sys.argv[1]))
    starting = asyncio.ensure_future(server.started())
    if sys.argv[2] == "ready":
        await starting
    while server._running is None or not (starting.done() or server._running._said):
        await asyncio.sleep(0.01)
    print(server.pid, flush=True)
    time.sleep(600)
asyncio.run(start())
"""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture
def half(tiny: Path, tmp_path: Path) -> Path:
    (tmp_path / "half.gguf").write_bytes(tiny.read_bytes()[:200_000])
    return tmp_path / "half.gguf"


@pytest.fixture
async def gateway(tiny: Path, memory_ledger: MemoryLedger) -> AsyncIterator[Gateway]:
    gateway = Gateway(open_model(f"gguf:{tiny}"), ledger=memory_ledger)
    yield gateway
    await gateway.aclose()


@pytest.fixture
def endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "xllamacpp.py").write_text(ENDLESS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def server_of(gateway: Gateway) -> LocalServer:
    assert isinstance(gateway.model.served, LeanChatOpenAI)
    assert gateway.model.served.server
    return gateway.model.served.server


def is_alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # Whom nobody waits for (its parent was killed, and there is no init) stays behind as a zombie.
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 300
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.01)
    return happened()


# The file


def test_the_header_says_the_context_that_the_model_was_trained_with(tiny: Path) -> None:
    assert read_gguf(tiny) == GgufHeader("llama", CONTEXT, has_pooling=False)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.gguf", None, r"no file '.*none\.gguf'; give the path of a model's GGUF file"),
        ("", None, r"is a folder; .* this folder holds none"),
        ("a.bin", b"PK\x03\x04 and so on", r"a\.bin' is no GGUF file: it begins with b'PK"),
        ("a.gguf", b"GGUF\1\0\0\0" + bytes(99), "of GGUF version 1, and what can be read are versions 2 and 3"),
    ],
)
def test_what_is_no_model_is_named(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SetupError, match=said):
        open_model(f"gguf:{tmp_path / name}")


def test_a_folder_says_which_model_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").touch()
    with pytest.raises(SetupError, match=r"is a folder; .* like its 'a\.gguf'"):
        open_model(f"gguf:{tmp_path}")


@given(kept=st.integers(4, 300))
def test_a_header_that_breaks_off_anywhere_is_refused(
    tiny: Path, tmp_path_factory: pytest.TempPathFactory, kept: int
) -> None:
    cut = tmp_path_factory.getbasetemp() / "cut.gguf"
    cut.write_bytes(tiny.read_bytes()[:kept])
    with pytest.raises(SetupError, match="breaks off in its header"):
        read_gguf(cut)


@given(rest=st.binary(max_size=200))
def test_whatever_follows_the_first_bytes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rest: bytes
) -> None:
    odd = tmp_path_factory.getbasetemp() / "odd.gguf"
    odd.write_bytes(b"GGUF\3\0\0\0" + rest)
    with suppress(SetupError):
        assert read_gguf(odd) == GgufHeader()


# The name


def test_the_missing_extra_says_what_to_install(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(SetupError, match=r"xllamacpp, which is not installed; .* `pip install -e '\.\[local\]'`"):
        open_model(f"gguf:{tiny}")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gguf:", "names no file; write gguf:PATH"),
        ("guf:m.gguf", "Did you mean gguf:m.gguf?"),
        ("m.gguf", "Did you mean gguf:m.gguf?"),
    ],
)
def test_a_name_that_is_not_quite_one_says_the_right_one(name: str, words: str) -> None:
    with pytest.raises(SetupError) as caught:
        open_model(name)
    assert words in str(caught.value)


def test_a_base_url_has_no_place_beside_a_file(tiny: Path) -> None:
    with pytest.raises(SetupError, match=r"leave out the base URL 'http://127\.0\.0\.1:9/v1'"):
        open_model(f"gguf:{tiny}", base_url="http://127.0.0.1:9/v1")


@local
def test_opening_a_model_starts_nothing_and_the_switch_allows_it(tiny: Path) -> None:
    handle = open_model(f"gguf:{tiny}")
    assert (handle.name, handle.endpoint, handle.is_language_model) == (f"gguf:{tiny}", None, True)
    assert isinstance(handle.served, LeanChatOpenAI)
    assert handle.served.server
    assert handle.served.server.pid is None


# The server


@local
async def test_each_answer_is_what_was_asked_for_or_a_counted_failure(
    gateway: Gateway, memory_ledger: MemoryLedger
) -> None:
    answers = await ask_all(gateway, 20)
    good = [answer for answer in answers if answer.outcome is Outcome.OK]
    assert good
    assert all(isinstance(answer.value, Line) for answer in good)
    assert all(answer.reason for answer in answers if answer.outcome is not Outcome.OK)
    assert len(memory_ledger.calls) == gateway.calls
    assert {call.endpoint for call in memory_ledger.calls} == {None}
    assert gateway.limiter.peak <= SLOTS


@local
async def test_concurrent_first_calls_start_one_server_and_do_not_block_the_loop(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, turned, hear = Mock(wraps=subprocess.Popen), threading.Event(), _Running._hear_line
    monkeypatch.setattr(subprocess, "Popen", begin)

    def heard(running: _Running, line: str) -> None:
        turned.wait(60)  # before it is known to listen; a loop that is blocked makes no turns meanwhile
        hear(running, line)

    monkeypatch.setattr(_Running, "_hear_line", heard)
    asking = asyncio.ensure_future(ask_all(gateway, 8))
    turns = 0
    while not asking.done():
        await asyncio.sleep(0.001)
        turns += 1
        if turns > 20:
            turned.set()
    assert begin.call_count == 1
    assert turned.is_set()


@local
async def test_closing_ends_the_server_and_the_next_call_starts_another(gateway: Gateway) -> None:
    await ask(gateway)
    first = server_of(gateway).pid
    await gateway.aclose()
    assert not is_alive(first)
    await ask(gateway, 2)
    assert is_alive(server_of(gateway).pid)
    await gateway.aclose()


@local
async def test_a_server_that_crashes_is_started_again(gateway: Gateway) -> None:
    await ask(gateway)
    first = server_of(gateway).pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert (await ask(gateway, 2)).raw
    assert server_of(gateway).pid not in (first, None)


@local
async def test_one_who_stops_waiting_for_the_start_does_not_stop_the_others(tiny: Path) -> None:
    server = LocalServer(tiny)
    leaving, staying = (asyncio.ensure_future(server.started()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).startswith("http://127.0.0.1:")
    await server.aclose()


@local
async def test_embeddings_come_from_the_same_file(tiny: Path) -> None:
    server = LocalServer(tiny, embeddings=True)
    url = await server.started()
    asked = {"input": ["a village", "the people in it"]}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/embeddings", json=asked) as reply:
        found = await reply.json()
    await server.aclose()
    assert [len(one["embedding"]) for one in found["data"]] == [64, 64]


@local
async def test_a_file_without_its_end_stops_the_run_with_what_llama_cpp_says(
    half: Path, memory_ledger: MemoryLedger
) -> None:
    gateway = Gateway(open_model(f"gguf:{half}"), ledger=memory_ledger)
    for number in range(2):
        with pytest.raises(EndpointError, match=r"half\.gguf' ended with exit code 1 before it was ready: .*tensor"):
            await ask(gateway, number)
    await gateway.aclose()


class OnceItSpoke(threading.Timer):
    """Its time is up when the server has written something, however long that takes."""

    def run(self) -> None:
        wait_until(lambda: bool(self.function.__self__._said))  # type: ignore[attr-defined]
        self.function()


@local
@pytest.mark.usefixtures("endless")
async def test_a_server_that_is_not_ready_in_time_says_the_last_line_it_wrote(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("populace.agents.endpoint.local_server.Timer", OnceItSpoke)
    server = LocalServer(tiny, start_within=1.5)
    with pytest.raises(EndpointError, match=r"not ready within 1\.5 seconds; the last line it wrote: warming up"):
        await server.started()
    await server.aclose()
    assert server.pid is None


# The end


@local
def test_an_exception_in_a_run_ends_the_server(tiny: Path, tmp_path: Path) -> None:
    growth = Growth(agents=2, hops=0)
    society = Society(Village(), growth=growth, model=f"gguf:{tiny}", out=tmp_path / "run.duckdb", steps=1)
    pids = []

    def fail() -> None:
        pids.append(server_of(society.engine.gateway).pid)
        assert is_alive(pids[0])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), society:
        fail()
    assert not is_alive(pids[0])


@local
@pytest.mark.slow
def test_a_society_lives_through_noise_and_each_turn_is_an_act_or_a_failure(tiny: Path, tmp_path: Path) -> None:
    growth = Growth(agents=4, hops=1)
    run = Society(Village(), growth=growth, model=f"gguf:{tiny}", out=tmp_path / "run.duckdb", steps=1).run()
    ((active, acted, failed),) = run.sql("SELECT sum(active), sum(acted), sum(failed) FROM steps").rows
    assert active == acted + failed
    assert acted > 0
    assert run.sql("SELECT model, base_url, is_language_model FROM runs").rows == [(f"gguf:{tiny}", None, True)]
    assert run.sql("SELECT count(*) >= ? FROM calls WHERE outcome = 'ok'", (acted,)).rows == [(True,)]


def child_of(parent: "subprocess.Popen[str]") -> int:
    assert parent.stdout is not None
    return int(parent.stdout.readline())


@local
@pytest.mark.parametrize("moment", ["ready", "loading"])
def test_a_parent_that_is_killed_takes_its_server_along(
    tiny: Path, request: pytest.FixtureRequest, moment: str
) -> None:
    if moment == "loading":
        request.getfixturevalue("endless")
    command = [sys.executable, "-c", PARENT, str(tiny), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        server = child_of(parent)
        assert is_alive(server)
        parent.kill()
    assert wait_until(lambda: not is_alive(server))


@local
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not say whose child is whose")
def test_ctrl_c_ends_the_run_in_order_and_its_server(tiny: Path, tmp_path: Path) -> None:
    options = f"run village --agents 60 --hops 3 --steps 99 --model gguf:{tiny} --out {tmp_path / 'run.duckdb'}"
    command = [sys.executable, "-m", "populace", *options.split()]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as run:
        try:
            assert wait_until(lambda: bool(children(run.pid)))
            (server,) = children(run.pid)
            os.killpg(run.pid, signal.SIGINT)
            _, said = run.communicate(timeout=300)
        finally:
            run.kill()  # else one that went on would be waited for
    assert run.returncode == 130, said
    assert "go on with `populace resume" in said
    assert wait_until(lambda: not is_alive(server))


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]

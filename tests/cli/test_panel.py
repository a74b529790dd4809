"""The panel of a run that goes on: what it shows, where, and that the run does not notice."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from asking import VALID, ask, scripted
from langchain_core.messages import AIMessage
from memory_ledger import MemoryLedger
from openai_faults import Latency
from openai_server import OpenAIServer
from rich.console import Console

from populace.agents.endpoint.errors import RequestError
from populace.agents.endpoint.models import open_model
from populace.agents.gateway.client import Gateway
from populace.agents.gateway.limits import Limits, Prices
from populace.cli.panel import ProgressPanel, RunPace, draw_panel, format_line
from populace.core.model import Outcome
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society


def pace_of(calls: float = 41.25, tokens: float = 8312.4, *, is_slow: bool = False) -> RunPace:
    """Return the pace of a phase of which 123 of 240 pieces are done after twelve seconds."""
    now = 0.0
    pace = RunPace(clock=lambda: now)
    pace.begin("Step 3", 240)
    now, pace.done = 12.0, 123
    pace.calls, pace.tokens, pace.is_slow = calls, tokens, is_slow
    return pace


def shown(gateway: Gateway | None, width: int = 80, pace: RunPace | None = None) -> str:
    console = Console(file=StringIO(), width=width, height=40)
    with console.capture() as captured:
        console.print(draw_panel(pace or pace_of(), gateway, width=width))
    return captured.get()


def gateway_of(ledger: MemoryLedger, answers: int = 3, **options: object) -> Gateway:
    """A gateway that has been asked for so many answers, the first of which was refused once."""
    usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    answer = AIMessage(VALID, usage_metadata=usage)
    script = [RequestError(Outcome.RATE_LIMITED, "Too many.", status=429), *[answer] * answers]
    gateway, _ = scripted(script, ledger, **options)

    async def asked() -> None:
        for number in range(answers):
            await ask(gateway, number)

    asyncio.run(asked())
    return gateway


@pytest.fixture
def gateway(memory_ledger: MemoryLedger) -> Gateway:
    limits = Limits(max_in_flight=16, max_calls=100, max_cost=1.0)
    return gateway_of(memory_ledger, limits=limits, prices=Prices(1, 2))


@pytest.mark.parametrize("width", [60, 80, 120, 140, 200])
def test_no_line_of_the_panel_is_wider_than_the_terminal(gateway: Gateway, width: int) -> None:
    lines = shown(gateway, width).splitlines()
    assert max(map(len, lines)) <= width
    assert len({len(line) for line in lines}) == 1


def test_phase_pace_calls_money_and_outcomes_are_shown(gateway: Gateway) -> None:
    gateway.meter.outcomes[Outcome.BUDGET] += 5
    gateway.meter.recalled.update(ledger=8, cache=12)
    said = shown(gateway)
    for words in (
        "Step 3", "123 of 240", "0:12, about 0:11 left", "41.2 calls/s", "8,312 tokens/s",
        f"0 of {gateway.limit} in flight, 0 waiting",
        "$0.0060 so far", "96 of 100 calls left", "$0.9940 of $1.0000 left",
        "3 ok, 1 rate limited", "8 from this run's file, 12 from the cache",
    ):  # fmt: skip
        assert words in said
    assert "budget  5" not in said


def test_without_a_price_it_is_said_to_be_unknown(memory_ledger: MemoryLedger) -> None:
    said = shown(gateway_of(memory_ledger))
    assert "price unknown" in said
    assert "$" not in said


def test_a_stand_in_is_said_to_be_none_and_its_tokens_are_words(memory_ledger: MemoryLedger) -> None:
    gateway = gateway_of(memory_ledger)
    gateway.model = replace(gateway.model, is_language_model=False)
    said = shown(gateway)
    assert "not a language model" in said
    assert "words in" in said
    assert "price" not in said


def test_one_line_says_the_same(gateway: Gateway) -> None:
    line = format_line(pace_of(), gateway)
    assert line.startswith("Step 3: 123 of 240, about 0:11 left, 41.2 calls/s")
    for words in ("0 waiting", "$0.0060 so far", "96 of 100 calls left", "3 ok, 1 rate limited"):
        assert words in line
    slow = format_line(pace_of(0.05, 8.0, is_slow=True), gateway)
    assert slow.startswith("Step 3: 123 of 240, about 0:11 left, 3.0 calls/min, 8 tokens/s written")


def test_before_there_is_a_gateway_there_is_a_picture(gateway: Gateway) -> None:
    assert "populace" in shown(None, pace=RunPace())


class Watched(StringIO):
    """Keeps which threads wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: set[str] = set()

    def write(self, text: str) -> int:
        self.writers.add(threading.current_thread().name)
        return super().write(text)


def lived(console: Console, path: Path, **options: Any) -> None:
    growth = Growth(agents=8, hops=1)
    Society(
        Village({"lines": 1, "assistant": False}),
        growth=growth,
        out=path,
        steps=2,
        progress=ProgressPanel(console),
        **options,
    ).run()


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [True, False])
def test_only_the_panels_own_thread_draws(tmp_path: Path, terminal: bool) -> None:
    watched = Watched()
    lived(Console(file=watched, force_terminal=terminal, width=100), tmp_path / "run.duckdb")
    assert watched.writers == {"panel"}
    assert "panel" not in {thread.name for thread in threading.enumerate()}


def test_where_there_is_no_terminal_each_phase_is_a_line(tmp_path: Path) -> None:
    written = StringIO()
    lived(Console(file=written, force_terminal=False), tmp_path / "run.duckdb")
    titles = [line.partition(":")[0] for line in written.getvalue().splitlines()]
    assert titles[-2:] == ["Step 1", "Step 2"]
    assert "\x1b" not in written.getvalue()


def test_at_the_end_the_panel_says_what_the_run_file_says(tmp_path: Path, openai_server: OpenAIServer) -> None:
    openai_server.fault("rate_limit", 0.2).fault("mismatch", 0.1)
    written, path = StringIO(), tmp_path / "run.duckdb"
    model = open_model("openai:test", base_url=openai_server.base_url)
    lived(Console(file=written, force_terminal=True, width=100), path, model=model, prices=Prices(3, 15))
    with open_run(path) as run:
        (row,) = run.query("SELECT count(*), sum(input_tokens), sum(output_tokens), sum(cost) FROM calls").rows
        outcomes = run.query("SELECT outcome, count(*) FROM calls GROUP BY outcome").rows
    last = written.getvalue().rpartition("╭")[2]
    calls, tokens_in, tokens_out, cost = row
    for number in (f"{calls:,}", f"{tokens_in:,}", f"{tokens_out:,}", f"{cost:,.4f}"):
        assert number in last
    for outcome, count in outcomes:
        assert f"{count} {outcome.replace('_', ' ')}" in last


def test_a_long_phase_says_how_it_goes_where_there_is_no_terminal(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("populace.cli.panel._LINE", 0.02)
    monkeypatch.setattr("populace.cli.panel._LOOK", 0.01)
    told = threading.Event()

    class Told(StringIO):
        def write(self, text: str) -> int:
            if "1 of 4" in text:
                told.set()
            return super().write(text)

    panel = ProgressPanel(Console(file=Told(), force_terminal=False))
    panel.opened(gateway)
    panel.began("Step 1", 4)
    panel.advanced()
    assert told.wait(300)
    panel.ended()


class Gone(StringIO):
    """A terminal that has been closed."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_is_gone_does_not_stop_a_run(tmp_path: Path, terminal: bool) -> None:
    path = tmp_path / "run.duckdb"
    lived(Console(file=Gone(), force_terminal=terminal), path)
    with open_run(path) as run:
        assert run.query("SELECT status FROM runs").rows == [("finished",)]


def test_an_outage_is_told_when_it_begins_and_when_it_ends(gateway: Gateway) -> None:
    console = Console(file=(said := StringIO()), width=200)
    panel = ProgressPanel(console)
    panel.opened(gateway)
    for gateway.meter.outage in ("The endpoint is gone.", "The endpoint is gone.", ""):
        assert gateway.meter.outage in shown(gateway)
        panel._print_lines()
    assert said.getvalue().splitlines() == ["The endpoint is gone.", "The endpoint is back."]


@pytest.mark.parametrize(
    ("endpoint", "first"),
    [
        (
            "https://models.example/v1",
            "Calls to openai:x go to https://models.example/v1, with the key in OPENAI_API_KEY",
        ),
        ("http://127.0.0.1:8000/v1", ""),
        (None, ""),
    ],
)
def test_the_first_line_says_where_calls_go_that_leave_this_machine(
    gateway: Gateway, endpoint: str | None, first: str
) -> None:
    written = StringIO()
    gateway.model = replace(gateway.model, name="openai:x", endpoint=endpoint)
    ProgressPanel(Console(file=written, width=200)).opened(gateway)
    assert written.getvalue().startswith(first)
    assert bool(written.getvalue()) is bool(first)


def test_a_panel_that_never_began_can_end() -> None:
    written = StringIO()
    ProgressPanel(Console(file=written, force_terminal=True)).ended()
    assert written.getvalue() == ""


@pytest.fixture
def slow_server() -> Iterator[OpenAIServer]:
    with OpenAIServer(latency=Latency(0.2)) as server:
        yield server


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_ctrl_c_leaves_a_clean_terminal(slow_server: OpenAIServer) -> None:
    import pty

    slow_server.stall(8)  # it does not end before it is interrupted
    terminal, theirs = pty.openpty()
    options = "--agents 8 --hops 1 --steps 2 --max-in-flight 2 --out run.duckdb --model openai:test --base-url"
    command = [sys.executable, "-m", "populace", "run", "village", *options.split(), slow_server.base_url]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    written, interrupted = b"", False
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as run:
        os.close(theirs)
        while chunk := _read(terminal):
            written += chunk
            if not interrupted and b"calls/s" in written:
                run.send_signal(signal.SIGINT)
                slow_server.stall(None)
                interrupted = True
    os.close(terminal)
    assert run.returncode == 130
    panel, _, after = written.rpartition(b"\x1b[?25h")
    assert panel.count(b"\x1b[?25l") == 1
    assert re.match(r"populace: Stopped\. .*[12] steps? to come\. What was done is kept", after.decode().strip())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side has closed it
        return b""

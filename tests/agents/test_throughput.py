import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asking import VALID, Open, ask_all
from memory_ledger import MemoryLedger
from openai_replies import event
from raw_server import RawServer

from populace.agents.gateway import concurrency as throughput
from populace.agents.gateway.concurrency import Throughput
from populace.core.model import Outcome

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
PIECES = 24


class Machine:
    """Writes the answers of a closed loop of calls: `slots` at once, `rate(n)` pieces a second in all while n are."""

    def __init__(self, watched: Throughput, *, slots: int, shared: bool = False, thinking: float = 0.0) -> None:
        self.watched, self.slots, self.shared, self.thinking = watched, slots, shared, thinking
        self.now = 0.0
        #: By call: when it began, and its pieces so far.
        self.calls: dict[int, list[float]] = {}
        self.begun = self.answered = 0

    def run(self, seconds: float, most: int) -> None:
        """Keep as many calls in flight as are of use, one step a tenth of a second."""
        until = self.now + seconds
        while self.now < until:
            self.now += 0.1
            while len(self.calls) < min(most, self.watched.width):
                self.calls[self.begun] = [self.now + 0.05 * len(self.calls), 0]
                self.begun += 1
                self.watched.watch(self.now, len(self.calls))
            ready = [one for one, (since, _) in self.calls.items() if self.now - since >= self.thinking][: self.slots]
            for one in ready:
                call = self.calls[one]
                before, call[1] = int(call[1]), call[1] + (1 / len(ready) if self.shared else 1)
                if int(call[1]) > before:
                    self.watched.note_pieces(one, self.now, 1)
                if call[1] >= 60 + one % 7:
                    self.watched.answered(self.now - call[0])
                    del self.calls[one]
                    self.watched.end(one, self.now, len(self.calls))
                    self.answered += 1


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_one_call_more_than_an_endpoint_has_slots_is_of_use(slots: int) -> None:
    watched = Throughput()
    Machine(watched, slots=slots).run(300, 32)
    assert watched.width == slots + 1


@pytest.mark.parametrize("thinking", [0.0, 1.5, 30.0])
def test_an_endpoint_that_writes_all_calls_at_full_speed_is_sent_all(thinking: float) -> None:
    watched = Throughput()
    Machine(watched, slots=100, thinking=thinking).run(600, 16)
    assert watched.width >= 16


def test_cores_that_share_their_speed_are_sent_few_calls_once_that_is_seen() -> None:
    watched = Throughput()
    machine = Machine(watched, slots=100, shared=True)
    machine.run(60, 1)
    machine.run(600, 16)
    assert watched.width <= 4


def test_the_width_grows_again_with_the_slots() -> None:
    watched = Throughput()
    machine = Machine(watched, slots=2)
    machine.run(200, 16)
    machine.slots = 100
    machine.run(900, 16)
    assert watched.width >= 16


def test_a_fast_endpoint_is_sent_all() -> None:
    watched = Throughput()
    machine = Machine(watched, slots=2)
    machine.run(100, 16)
    for _ in range(11):
        watched.answered(0.5)
    assert watched.width == float("inf")


class Slots:
    """A raw server's answers, written by so many slots; the others wait their turn without a byte."""

    def __init__(self, slots: int) -> None:
        self.free = asyncio.Semaphore(slots)
        self.in_flight: list[int] = [0]

    async def __call__(self) -> AsyncIterator[bytes]:
        self.in_flight.append(self.in_flight[-1] + 1)
        async with self.free:
            yield HEAD
            for start in range(PIECES):
                await asyncio.sleep(0.01)
                yield self._piece(VALID[start * len(VALID) // PIECES : (start + 1) * len(VALID) // PIECES] or " ")
        yield self._piece("", "stop") + b"data: [DONE]\n\n"
        self.in_flight.append(self.in_flight[-1] - 1)

    @staticmethod
    def _piece(text: str, finish: str | None = None) -> bytes:
        return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]})


async def test_calls_that_queue_in_a_slow_endpoint_neither_time_out_nor_pile_up(
    opened: Open, memory_ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "_SLOW", 0.1)
    slots: Any = Slots(2)
    with RawServer(slots) as server:
        gateway = opened(base_url=server.base_url, timeout=0.3, attempts=1, max_in_flight=8)
        answers = await ask_all(gateway, 24)
    assert [answer.outcome for answer in answers] == [Outcome.OK] * 24
    assert len(memory_ledger.calls) == 24
    assert gateway.limit == 3
    assert max(slots.in_flight[-16:]) <= 3

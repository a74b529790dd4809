"""Calls of one client in a process of its own: through the gateway, or through a raw aiohttp session.

Prints what they cost and how they ended, as JSON. What is asked is what an agent of `village` asks, rendered
beforehand: that is the mind's work.
"""

import argparse
import asyncio
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from benchmarks.sampler import Sampler

from populace.agents.action_schema import answer_schema
from populace.agents.actions import Action, Instruction
from populace.agents.endpoint.models import open_model
from populace.agents.endpoint.response import ModelResponse
from populace.agents.gateway.call import Call, CallKey, RequestPart
from populace.agents.gateway.client import Gateway
from populace.agents.gateway.limits import Limits
from populace.agents.observation import Observation, Seen
from populace.agents.turn_prompt import turn_prompt
from populace.core.model import Answer, Outcome, RequestContext
from populace.core.prompt import RenderedPrompt
from populace.scenarios.village import Village
from populace.sim.engine import rare_collections
from populace.sim.growth import Growth
from populace.sim.society import Society

#: Prompts that differ; requests beyond them differ in their seed.
PROMPTS = 1_000

type Result = dict[str, Any]


class Forgetting:
    """A ledger that keeps no call, so that a gateway call is measured without one; it counts refusals by owner."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()

    def keep(self, parts: Sequence[RequestPart]) -> None:
        """Nothing."""

    def record(self, call: Call) -> None:
        """Count a refusal."""
        if call.outcome is Outcome.RATE_LIMITED:
            self.refused[call.owner] += 1

    def recall(self, key: CallKey) -> ModelResponse | None:
        """Nothing was kept."""
        return None


def limits(given: argparse.Namespace) -> dict[str, Any]:
    """The numbers that bound a gateway or a society, as their constructors take them: the one place that knows."""
    return {"limits": Limits.given(max_in_flight=given.in_flight, rpm=given.rpm, tpm=given.tpm)}


def prompts() -> list[RenderedPrompt]:
    """The prompts of many agents: about 4,000 characters each, of which the first 3,000 are the same."""
    neighbours = tuple(Seen(f"n{n}", f"id{n}", "neighbour", "work", f"A miller of {n}.") for n in range(8))
    return [
        turn_prompt(
            Observation(
                agent=str(number),
                persona=f"Inhabitant {number} mends boats, keeps bees and knows the river. " * 4,
                task=f"It is step {number} in Lindenford. What do you do now?",
                neighbours=neighbours,
            ),
            (Instruction,),
            world=Village.world,
            seed=number,
        )
        for number in range(PROMPTS)
    ]


class Asking:
    """So many calls through a gateway, and what is known of them afterwards."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._prompts = prompts()
        self._schema = answer_schema((Instruction,), ())
        self._numbers = iter(range(given.calls))
        self._asked = count(1)
        self.outcomes: Counter[str] = Counter()
        self.memory: list[tuple[int, int]] = []

    async def all(self, gateway: Gateway) -> Result:
        """Ask one, which opens connections and imports what is imported late; then measure the others."""
        await self._ask(gateway, self._given.calls)
        sampler = Sampler(threading.current_thread()) if self._given.profile else None
        with sampler or nullcontext():
            cost = await measured(lambda: self._worker(gateway), 2 * self._given.in_flight, within=self._given.within)
        return {
            **cost,
            "calls": self._given.calls,
            "outcomes": self.outcomes,
            "attempts": {str(outcome): number for outcome, number in gateway.meter.outcomes.items()},
            "peak_in_flight": gateway.limiter.peak,
            "limit": gateway.limit,
            "memory": self.memory,
            "packages": sampler.packages if sampler else {},
            "functions": sampler.functions if sampler else {},
        }

    async def alone(self, gateway: Gateway) -> Result:
        """The same through a gateway that nobody else closes."""
        try:
            return await self.all(gateway)
        finally:
            await gateway.aclose()

    async def _worker(self, gateway: Gateway) -> None:
        for number in self._numbers:
            answer = await self._ask(gateway, number)
            self.outcomes[answer.outcome] += 1
            asked = next(self._asked)
            if self._given.memory_every and asked % self._given.memory_every == 0:
                self.memory.append((asked, resident()))

    async def _ask(self, gateway: Gateway, number: int) -> Answer[Action]:
        context = RequestContext("step", 1, f"agent-{number}", number)
        return await gateway.ask(self._prompts[number % PROMPTS], self._schema, context)


async def measured(worker: Callable[[], Awaitable[None]], workers: int, *, within: float) -> Result:
    """Seconds on the clock and of the process's CPU, all threads, that so many workers took at once.

    What is not done within so many seconds is left undone.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    with suppress(TimeoutError):
        async with asyncio.timeout(within), asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(_plainly(worker))
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


async def _plainly(worker: Callable[[], Awaitable[None]]) -> None:
    await worker()


def resident() -> int:
    """Bytes of this process that are in memory now; Linux says so, elsewhere it is 0."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


def ask_all(given: argparse.Namespace) -> Result:
    """Through the gateway: alone, or with the run file of a society of which nobody takes a step."""
    model = open_model("openai:test", base_url=given.base_url)
    asking = Asking(given)
    if given.ledger is None:
        ledger = Forgetting()
        result = asyncio.run(asking.alone(Gateway(model, ledger=ledger, **limits(given))))
        return {**result, "refused": [ledger.refused[f"agent-{number}"] for number in range(given.calls)]}
    people = Growth(hub=given.hub, hops=0, agents=None)
    with Society(Village(), growth=people, model=model, out=given.ledger, steps=1, **limits(given)) as society:
        return society.engine.call(lambda: asking.all(society.engine.gateway))


async def send_all(bodies: Iterable[bytes], given: argparse.Namespace) -> Result:
    """Through one aiohttp session, as few things as can be done: the reference."""
    waiting = iter(bodies)
    ended: Counter[str] = Counter()
    headers = {"Content-Type": "application/json", "Authorization": "Bearer none"}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers=headers, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def worker() -> None:
            for body in waiting:
                await send(body)

        async def send(body: bytes) -> None:
            asked = {name: value for name, value in orjson.loads(body).items() if name != "stream_options"}
            data = orjson.dumps({**asked, "stream": False})
            async with session.post(f"{given.base_url}/chat/completions", data=data) as response:
                reply = orjson.loads(await response.read())
            ended["ok" if reply["choices"][0]["message"]["content"] else "empty"] += 1

        await send(next(waiting))
        cost = await measured(worker, given.in_flight, within=given.within)
    return {**cost, "calls": sum(ended.values()) - 1, "outcomes": ended}


def main() -> None:
    """Make the calls of one client."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("kind", choices=("gateway", "raw"))
    options.add_argument("base_url")
    options.add_argument("--calls", type=int, default=1_000)
    options.add_argument("--in-flight", type=int, default=64)
    options.add_argument("--rpm", type=int)
    options.add_argument("--tpm", type=int)
    options.add_argument("--within", type=float, default=600.0, help="stop after so many seconds")
    options.add_argument("--bodies", type=Path, help="what the raw client sends, one a line")
    options.add_argument("--ledger", type=Path, help="keep the calls in this run file; needs --hub")
    options.add_argument("--hub", type=Path)
    options.add_argument("--memory-every", type=int, default=0, help="note the memory after so many calls each")
    options.add_argument("--profile", action="store_true")
    given = options.parse_args()
    with rare_collections():
        if given.kind == "raw":
            # The requests of one owner stand together, as the gateway asks for them.
            bodies = sorted(given.bodies.read_bytes().splitlines(), key=lambda body: orjson.loads(body)["seed"])
            result = asyncio.run(send_all(bodies, given))
        else:
            result = ask_all(given)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()

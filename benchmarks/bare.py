"""The references: the same requests through a bare LangGraph graph, or a plain coroutine; nothing is logged.

Prints what one run cost, as JSON.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import aiohttp
import orjson
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

type Body = dict[str, Any]
type Take = Callable[[list[Body]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One aiohttp session and where it posts to."""

    session: aiohttp.ClientSession
    url: str

    async def ask(self, body: Body) -> str:
        """What the endpoint writes."""
        async with self.session.post(self.url, data=orjson.dumps(body)) as response:
            reply = orjson.loads(await response.read())
        return str(reply["choices"][0]["message"]["content"])


class State(TypedDict):
    """A turn's requests, and the answer to the last of them."""

    bodies: list[Body]
    answer: NotRequired[str]


async def deliberate(state: State, runtime: Runtime[Endpoint]) -> dict[str, Any] | Command[Any]:
    """Ask once; go to `revise` in the turns that were revised."""
    answer = await runtime.context.ask(state["bodies"][0])
    if len(state["bodies"]) > 1:
        return Command(update={"answer": answer}, goto="revise")
    return {"answer": answer}


async def revise(state: State, runtime: Runtime[Endpoint]) -> dict[str, Any]:
    """Ask once more."""
    return {"answer": await runtime.context.ask(state["bodies"][-1])}


def graph_turns(endpoint: Endpoint) -> Take:
    """Turns that go through a graph of the mind's nodes."""
    graph = StateGraph(State, context_schema=Endpoint)
    graph.add_node("deliberate", deliberate, destinations=("revise", END))
    graph.add_node("revise", revise)
    graph.add_edge(START, "deliberate")
    graph.add_edge("revise", END)
    compiled = graph.compile()

    async def take(bodies: list[Body]) -> None:
        await compiled.ainvoke(State(bodies=bodies), context=endpoint)

    return take


def coroutine_turns(endpoint: Endpoint) -> Take:
    """Turns that are calls and nothing else."""

    async def take(bodies: list[Body]) -> None:
        for body in bodies:
            await endpoint.ask(body)

    return take


KINDS = {"graph": graph_turns, "coroutine": coroutine_turns}


async def measure(kind: str, turns: list[list[Body]], base_url: str, in_flight: int) -> float:
    """Seconds of CPU that all the turns took, so many of them at once."""
    waiting = iter(turns)
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer none"}
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        take = KINDS[kind](Endpoint(session, f"{base_url}/chat/completions"))

        async def worker() -> None:
            for bodies in waiting:
                await take(bodies)

        before = time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(worker())
        return time.process_time() - before


def main() -> None:
    """Measure one reference once."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("kind", choices=sorted(KINDS))
    options.add_argument("turns", type=Path)
    options.add_argument("base_url")
    options.add_argument("--in-flight", type=int, default=64)
    given = options.parse_args()
    turns = [orjson.loads(line) for line in given.turns.read_bytes().splitlines()]
    seconds = asyncio.run(measure(given.kind, turns, given.base_url, given.in_flight))
    print(json.dumps({"turns": len(turns), "calls": sum(map(len, turns)), "cpu": seconds}))


if __name__ == "__main__":
    main()

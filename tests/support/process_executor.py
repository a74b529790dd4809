"""An executor in another process, as an engine that uses many machines would have one."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import islice
from multiprocessing import get_context
from typing import Any

from memory_ledger import MemoryLedger

from populace.agents.endpoint.models import open_model
from populace.agents.gateway.client import Gateway
from populace.sim.engine import AsyncioExecutor, Done, Work

SHARD = 5


class ProcessExecutor:
    """Runs shards of items in a spawned process, with a gateway of its own for each that hands back its calls."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.shards = 0

    async def map[I, R](
        self, work: Work[I, R], items: Iterable[I], *, done: Callable[[int, Done[R]], None]
    ) -> list[Done[R]]:
        """The results in the order of `items`; the first of each shard carries the shard's calls."""
        waiting, found = iter(items), list[Done[R]]()
        loop = asyncio.get_running_loop()
        while shard := list(islice(waiting, SHARD)):
            for one in await loop.run_in_executor(_pool(), _shard, self.model, work, shard):
                done(len(found), one)
                found.append(one)
            self.shards += 1
        return found


@cache
def _pool() -> ProcessPoolExecutor:
    """One process for all: it imports everything once. The interpreter ends it."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _shard(model: str, work: Any, items: list[Any]) -> list[Done[Any]]:
    return asyncio.run(_answered(model, work, items))


async def _answered(model: str, work: Any, items: list[Any]) -> list[Done[Any]]:
    ledger = MemoryLedger()
    gateway = Gateway(open_model(model), ledger=ledger)
    found = await AsyncioExecutor(gateway, workers=4).map(work, items, done=lambda *_: None)
    calls = [tuple(ledger.calls), *[()] * len(found)]
    return [Done(one.result, made) for one, made in zip(found, calls, strict=False)]

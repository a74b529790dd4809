"""Running work over many items: the seam between a job and where its work is done.

Work is a pure function of one item and a model. It changes nothing that is shared, so an executor may run it in this
process, in another one or on another machine, in any order; results come back in the order of the items.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ..agents.gateway.call import Call
from ..personas.model import PersonaModel

#: Workers started at a time: the requests of the first are on their way before the last have started.
_TOGETHER = 8


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@dataclass(slots=True)
class Done[R]:
    """The result for one item, and the calls made for it that no ledger has recorded yet."""

    result: R
    #: Empty where the model records each call itself, as the gateway of this process does.
    calls: tuple[Call, ...] = ()


class Work[I, R](Protocol):
    """What is done for each item. Items, results and the work itself can be pickled."""

    async def __call__(self, item: I, model: PersonaModel) -> R:
        """Return the result for one item."""
        ...


class Executor(Protocol):
    """Runs work over items."""

    async def map[I, R](
        self, work: Work[I, R], items: Iterable[I], *, done: Callable[[int, Done[R]], None]
    ) -> list[Done[R]]:
        """Return the results in the order of `items`.

        Items are read only when there is room for them. Reading one raises `PausedError` if the budget is spent. As
        soon as a result arrives, `done` gets the item's index, from 0, and the result, and counts its calls. After an
        error no new item is begun, items in progress end, and the error is raised.
        """
        ...


class AsyncioExecutor:
    """Runs work in the running event loop, on one model, a bounded number of items at once."""

    def __init__(self, model: PersonaModel, *, workers: int) -> None:
        self._model = model
        self._workers = workers

    async def map[I, R](
        self, work: Work[I, R], items: Iterable[I], *, done: Callable[[int, Done[R]], None]
    ) -> list[Done[R]]:
        """Return the results in the order of `items`. The model has recorded the calls."""

        async def run(item: I) -> Done[R]:
            return Done(await work(item, self._model))

        return await bounded_map(run, items, workers=self._workers, done=done)


async def bounded_map[T, R](
    work: Callable[[T], Awaitable[R]], items: Iterable[T], *, workers: int, done: Callable[[int, R], None]
) -> list[R]:
    """Return the results of `work` in the order of `items`, with at most `workers` in progress.

    `items` are read one by one, as workers become free. `done` gets the index of each item and its result. After an
    error nothing new is begun. What is in progress ends, so that no paid answer is lost, and the error is raised
    unchanged.
    """
    results: dict[int, R] = {}
    errors: list[Exception] = []
    waiting = enumerate(items)
    is_read = False

    async def worker() -> None:
        nonlocal is_read
        while not errors:
            try:
                position, item = next(waiting)
            except StopIteration:
                is_read = True
                return
            except Exception as error:  # noqa: BLE001 - raised below, once what is under way has ended
                errors.append(error)
                return
            try:
                results[position] = result = await work(item)
                done(position, result)
            except Exception as error:  # noqa: BLE001 - raised below, once what is under way has ended
                errors.append(error)
                return

    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(worker())
            if number % _TOGETHER == _TOGETHER - 1:
                await asyncio.sleep(0)
            if is_read or errors:
                break
    if errors:
        raise errors[0]
    return [results[position] for position in range(len(results))]

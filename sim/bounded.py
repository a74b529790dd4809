"""Many pieces of work, a bounded number of them at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

__all__ = ["bounded_map"]

#: Workers that begin at a time: what the first of them want to send is on its way before the last have begun.
_TOGETHER = 8


async def bounded_map[T, R](
    work: Callable[[T], Awaitable[R]], items: Sequence[T], *, workers: int, done: Callable[[], None]
) -> list[R]:
    """The results of `work`, in the order of `items`, with at most `workers` of them under way.

    `done` is called after each. After an error nothing new is begun; what is under way ends, so that nothing paid for
    is lost, and the error is raised as it is.
    """
    results: dict[int, R] = {}
    errors: list[Exception] = []
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for position, item in waiting:
            if errors:
                return
            try:
                results[position] = await work(item)
            except Exception as error:  # noqa: BLE001 - raised below, once what is under way has ended
                errors.append(error)
                return
            done()

    async with asyncio.TaskGroup() as group:
        for number in range(min(workers, len(items))):
            group.create_task(worker())
            if number % _TOGETHER == _TOGETHER - 1:
                await asyncio.sleep(0)
    if errors:
        raise errors[0]
    return [results[position] for position in range(len(items))]

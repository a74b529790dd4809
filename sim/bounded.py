"""Many pieces of work, a bounded number of them at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

__all__ = ["bounded_map"]


async def bounded_map[T, R](
    work: Callable[[T], Awaitable[R]], items: Sequence[T], *, workers: int, done: Callable[[], None]
) -> list[R]:
    """The results of `work`, in the order of `items`, with at most `workers` of them under way.

    `done` is called after each. The first error stops the rest and is raised as it is.
    """
    results: dict[int, R] = {}
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for position, item in waiting:
            results[position] = await work(item)
            done()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(workers, len(items))):
                group.create_task(worker())
    except* Exception as errors:  # noqa: BLE001 - raised again, without its company
        # One cause is enough: the others are its echo in the other workers.
        raise errors.exceptions[0] from None
    return [results[position] for position in range(len(items))]

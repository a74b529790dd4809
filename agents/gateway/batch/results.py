"""What came of a batch: its files, read line by line into the parcels."""

from collections import Counter
from collections.abc import Mapping, Set
from contextlib import aclosing

from .line import read_line
from .parcel import Parcel
from .route import Oddity, Route

__all__ = ["fetch"]


async def fetch(route: Route, file_id: str, names: Set[str], parcels: Mapping[str, Parcel]) -> None:
    """Give the parcels what a file of results holds for them, each as soon as its line is there.

    `names` are the custom ids of the whole batch; those whose answer was taken have no parcel any more.
    """

    async def read() -> Counter[Oddity]:
        return await _read(route, file_id, names, parcels)

    oddities = await route.again(read)
    if oddities[Oddity.CUT]:
        # What is cut is paid for all the same, and it may have been the way here that cut it.
        oddities = await route.again(read)
    route.oddities.update(oddities)


async def _read(route: Route, file_id: str, names: Set[str], parcels: Mapping[str, Parcel]) -> Counter[Oddity]:
    oddities: Counter[Oddity] = Counter()
    seen: set[str] = set()
    async with aclosing(route.client.lines(file_id)) as lines:
        async for written in lines:
            line = read_line(written, key=route.client.key)
            if line is None:
                oddities[Oddity.CUT] += bool(written.strip())
            elif line.custom_id not in names:
                oddities[Oddity.FOREIGN] += 1
            elif line.custom_id in seen:
                oddities[Oddity.REPEATED] += 1
            else:
                seen.add(line.custom_id)
                parcel = parcels.get(line.custom_id)
                if parcel is not None and line.answer is not None:
                    parcel.settle(line.answer)
    return +oddities

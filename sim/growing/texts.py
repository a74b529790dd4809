"""The texts of hop 0, handed out as they are needed: each once, and none that was asked about before."""

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

from ...personas.passage import Passage
from ...personas.sources import Position, SkipCount, Sources
from ..seeds import derive_seed

__all__ = ["Lottery", "Texts", "Unasked"]


@dataclass(frozen=True, slots=True)
class Unasked:
    """A passage, and where reading stood behind it; None where it was not read from a stream."""

    passage: Passage
    position: Position | None
    #: What was passed over between the passage before and this one.
    skipped: tuple[SkipCount, ...] = ()


class Lottery:
    """Draws some of however many passages, by chance: those with the smallest numbers.

    Every passage has a number that depends on the seed and its text, so the draw can be made again. Where they can be
    read twice, passages need not be kept; else those that are in the draw so far are, and no others.
    """

    def __init__(self, seed: int, most: int, *, keeps: bool = False) -> None:
        self._seed = seed
        self._most = most
        self._keeps = keeps
        self._entered = 0
        #: Each that is kept with its place among all, by its number.
        self._kept: dict[int, tuple[int, Passage]] = {}
        # The largest number is on top: `heapq` knows only smallest ones.
        self._smallest: list[int] = []
        self._drawn: set[int] = set()

    def enter(self, passage: Passage) -> None:
        """Let a passage take part; entering it twice is entering it once."""
        number = self._number(passage)
        self._entered += 1
        if number in self._drawn:
            return
        if len(self._smallest) < self._most:
            heapq.heappush(self._smallest, -number)
        elif number < -self._smallest[0]:
            out = -heapq.heappushpop(self._smallest, -number)
            self._drawn.remove(out)
            self._kept.pop(out, None)
        else:
            return
        self._drawn.add(number)
        if self._keeps:
            self._kept[number] = (self._entered, passage)

    @property
    def drawn(self) -> list[Passage]:
        """The passages that were kept, in their order."""
        return [passage for _, passage in sorted(self._kept.values(), key=itemgetter(0))]

    def __contains__(self, passage: Passage) -> bool:
        return self._number(passage) in self._drawn

    def _number(self, passage: Passage) -> int:
        return derive_seed(self._seed, "passage", passage.id)


class Texts:
    """Passages in the order of their source."""

    def __init__(
        self,
        source: Iterable[Passage],
        *,
        asked: Callable[[Collection[str]], Collection[str]],
        lottery: Lottery | None = None,
        most: int | None = None,
    ) -> None:
        """`asked` says which of some ids were asked about before; `most` is how many are handed out in all."""
        self._unasked = self._read(source, lottery)
        self._asked = asked
        self._left = most
        #: Ids of this taking and the one before: what was handed out earlier, `asked` knows of.
        self._given: set[str] = set()
        self._before: set[str] = set()

    def take(self, most: int) -> list[Unasked]:
        """The next passages, at most so many; none at the end."""
        wanted = most if self._left is None else min(most, self._left)
        taken: list[Unasked] = []
        self._before, self._given = self._given, set()
        while len(taken) < wanted and (some := self._fresh(wanted - len(taken))) is not None:
            taken += some
        if self._left is not None:
            self._left -= len(taken)
        return taken

    def _fresh(self, most: int) -> list[Unasked] | None:
        """Those of the next passages that nobody was asked about; None at the end of the source."""
        read = list(islice(self._unasked, most))
        if not read:
            return None
        different = {one.passage.id: one for one in reversed(read)}
        known = self._asked(list(different))
        fresh = [
            one
            for one in read
            if different[one.passage.id] is one
            and one.passage.id not in known
            and one.passage.id not in self._before
            and one.passage.id not in self._given
        ]
        self._given.update(one.passage.id for one in fresh)
        return fresh

    def _read(self, source: Iterable[Passage], lottery: Lottery | None) -> Iterator[Unasked]:
        skips = source.skips if lottery is None and isinstance(source, Sources) else None
        for passage in source:
            if lottery is None or passage in lottery:
                # Read at once: the source moves on with the next passage.
                position = getattr(source, "position", None)
                yield Unasked(passage, position, skips.take() if skips else ())

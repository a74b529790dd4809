"""Everything emitted so far, to compare with whatever comes next."""

from collections import defaultdict
from collections.abc import Iterable

from ..personas.dedup import NearDuplicates
from .runfile.rows import DuplicateRow, EmissionRow

__all__ = ["Emitted"]


class Emitted:
    """Near-duplicate indices over all emissions that are compared, one for each kind."""

    def __init__(self, emissions: Iterable[EmissionRow] = ()) -> None:
        self._index: defaultdict[str, NearDuplicates[int]] = defaultdict(NearDuplicates)
        self._seen: dict[int, tuple[str, str]] = {}
        for emission in emissions:
            self.add(emission)

    def __len__(self) -> int:
        return len(self._seen)

    def earlier(self, kind: str, text: str) -> str | None:
        """The earlier text of this kind that `text` nearly repeats, or None. Changes nothing."""
        match = self._index[kind].find(text) if kind in self._index else None
        return self._seen[match.key][1] if match else None

    def add(self, emission: EmissionRow) -> DuplicateRow | None:
        """Take an emission in; gives the verdict when it nearly repeats an earlier one."""
        match = self._index[emission.kind].add(emission.emission, emission.text)
        self._seen[emission.emission] = (emission.agent, emission.text)
        if match is None:
            return None
        return DuplicateRow(
            kind=emission.kind,
            step=emission.step,
            persona=emission.agent,
            of=self._seen[match.key][0],
            emission=emission.emission,
            of_emission=match.key,
            stage=match.stage,
            similarity=match.similarity,
            undone=False,
        )

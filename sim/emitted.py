"""What was emitted: everything so far, to compare with whatever comes next, and the actions of the latest step."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from shlex import quote
from types import MappingProxyType

from pydantic import ValidationError

from ..agents.actions import Action, load_json
from ..agents.checks import CheckResult, failed, passed
from ..agents.embedding.vectors import Vector
from ..agents.mind import EarlierText
from ..core.errors import RunError, RunFileError
from ..personas.dedup import Match, NearDuplicates
from ..personas.dedup.vectors import SimilarVectors
from ..personas.formats.foreign import ForeignText, ForeignTexts
from ..personas.hub.tables import DuplicateRow
from .runfile.rows import EmissionRow, SkippedSourceRow
from .runfile.runlog import RunLog

#: Agents and texts of emissions, by their numbers.
type Lookup = Callable[[Sequence[int]], Mapping[int, tuple[str, str]]]

#: Originals whose agents and texts are in memory: more than a step has that is not committed yet.
_KEPT = 50_000


# Not frozen, as others are: a turn makes one, which takes a third of the time so.
@dataclass(slots=True)
class Emission:
    """What one agent emitted in one step, with the fields of its action as they were typed."""

    #: Id of the agent.
    agent: str
    action: Action
    #: Name of the action, as in `emissions.kind`.
    kind: str
    step: int


def read_emissions(rows: Iterable[EmissionRow], actions: Sequence[type[Action]]) -> tuple[Emission, ...]:
    """Read the outputs in these rows. Raises `RunFileError` for a row that none of the action classes can read."""
    known = {action.name: action for action in actions}
    return tuple(Emission(row.agent, _read_action(row, known), row.kind, row.step) for row in rows)


def _read_action(row: EmissionRow, known: Mapping[str, type[Action]]) -> Action:
    if row.kind not in known:
        raise RunFileError(
            f"Emission {row.emission} is of the kind {row.kind!r}, and the scenario has no such action "
            f"({', '.join(known)}); add it to `actions`, or go on with the script as it was."
        )
    action = known[row.kind]
    try:
        return action.from_payload(load_json(row.payload))
    except (ValidationError, KeyError, TypeError) as error:
        raise RunFileError(
            f"Emission {row.emission} cannot be read back as {action.__name__} ({' '.join(str(error).split())}); "
            f"give {action.__name__} a `from_payload` that reads what its `payload` writes."
        ) from error


class Emitted:
    """Near-duplicate indices over all emissions that are compared, one for each kind.

    Agents and texts of the newest originals are in memory; older ones are looked up when something repeats them.
    """

    def __init__(
        self,
        lookup: Lookup | None = None,
        *,
        thresholds: Mapping[str, float] = MappingProxyType({}),
        scratch: Path | None = None,
    ) -> None:
        """Start with empty indices. `lookup` returns agents and texts of committed outputs by their numbers.

        `thresholds` are the similarities from which a text is a near-duplicate, by kind. Other kinds use 0.9. With a
        folder `scratch`, the words of many outputs are held in temporary files there instead of in memory.
        """
        self._scratch = scratch
        self.thresholds = dict(thresholds)
        self._index: dict[str, NearDuplicates[int]] = {}
        self._newest: dict[int, tuple[str, str]] = {}
        self._lookup = lookup or (lambda numbers: {})
        self._latest: Sequence[Emission] | Callable[[], Sequence[Emission]] = ()

    def __getstate__(self) -> tuple[dict[str, float], dict[str, NearDuplicates[int]], dict[int, tuple[str, str]]]:
        # What a step compares with, for work in another process: it has no run file to look older texts up in.
        return self.thresholds, self._index, self._newest

    def __setstate__(
        self, state: tuple[dict[str, float], dict[str, NearDuplicates[int]], dict[int, tuple[str, str]]]
    ) -> None:
        self.__init__()  # type: ignore[misc]  # made anew, and filled
        self.thresholds, self._index, self._newest = state

    @property
    def latest(self) -> Sequence[Emission]:
        """What the latest step emitted, in the order of its numbers. Raises what the function that reads it raises."""
        if callable(self._latest):
            self._latest = self._latest()
        return self._latest

    def note_latest(self, emissions: Sequence[Emission] | Callable[[], Sequence[Emission]]) -> None:
        """Store the outputs of the latest step, or a function that reads them on demand."""
        self._latest = emissions if callable(emissions) else tuple(emissions)

    def earlier(self, kind: str, text: str) -> EarlierText | None:
        """Return the earlier text of this kind that `text` nearly repeats, or None. Changes nothing."""
        match = self._index[kind].find(text) if kind in self._index else None
        return EarlierText(*self._read_originals([match.key])[match.key]) if match else None

    def _index_of(self, kind: str) -> NearDuplicates[int]:
        if kind not in self._index:
            numbers = array("q")  # a list takes five times the memory
            threshold = self.thresholds.get(kind, 0.9)
            self._index[kind] = NearDuplicates(threshold, scratch=self._scratch, keys=numbers, ordered=True)
        return self._index[kind]

    def add_all(self, emissions: Sequence[EmissionRow]) -> list[DuplicateRow]:
        """Add outputs one after the other, and return the verdicts on near-duplicates of earlier ones."""
        kinds: defaultdict[str, list[EmissionRow]] = defaultdict(list)
        for emission in emissions:
            kinds[emission.kind].append(emission)
        found: list[tuple[EmissionRow, Match[int]]] = []
        for kind, some in kinds.items():
            matches = self._index_of(kind).add_all([e.emission for e in some], (e.text for e in some))
            for emission, match in zip(some, matches, strict=True):
                if match is None:
                    self._newest[emission.emission] = (emission.agent, emission.text)
                else:
                    found.append((emission, match))
        originals = self._read_originals([match.key for _, match in found])
        verdicts = [
            _make_verdict(e, m.key, originals[m.key][0], stage=m.stage, similarity=m.similarity) for e, m in found
        ]
        for number in list(islice(self._newest, max(0, len(self._newest) - _KEPT))):
            del self._newest[number]
        return sorted(verdicts, key=lambda verdict: verdict.emission or 0)

    def _read_originals(self, numbers: Sequence[int]) -> Mapping[int, tuple[str, str]]:
        known = {number: self._newest[number] for number in numbers if number in self._newest}
        older = [number for number in numbers if number not in known]
        return {**known, **self._lookup(older)} if older else known


def check_unique(row: EmissionRow, key: str, holders: dict[tuple[str, str], int]) -> CheckResult:
    """Check whether the value at `key` of the payload is free, and take it if so (`Action.unique`)."""
    value = str(load_json(row.payload).get(key))
    holder = holders.setdefault((row.kind, value), row.emission)
    said = passed() if holder == row.emission else failed(f"Emission {holder} has the {key} {value!r} already.")
    return replace(said, check=f"unique_{key}")


class EarlierTexts:
    """Texts of other files, which what is made here must not nearly repeat: by their words, or by their vectors."""

    def __init__(self, texts: Iterable[ForeignText], *, threshold: float) -> None:
        """Read all texts into the index. Each text is an original of its own."""
        self._index = NearDuplicates[int](threshold, ordered=True)
        self._places: list[ForeignText] = []
        self._index.keep_all(self._iter_numbers(), self._note_places(texts))

    def check(self, text: str) -> CheckResult:
        """Check whether a text nearly repeats one of these texts by its words. The reason names its file and row."""
        match = self._index.find(text)
        if match is None:
            return passed()
        place = self._places[match.key].place
        return failed(f"It nearly repeats {place} ({match.similarity:.2f}).", match.similarity)

    def _iter_numbers(self) -> Iterator[int]:  # read once all texts were
        yield from range(len(self._places))

    def _note_places(self, texts: Iterable[ForeignText]) -> Iterator[str]:
        for text in texts:
            self._places.append(replace(text, text=""))
            yield text.text


#: Stands for the chunk of rows in `skipped_sources` that are of files to compare with.
_COMPARED = -1


def note_unread(log: RunLog, foreign: ForeignTexts) -> None:
    """Record in `skipped_sources` which rows of comparison files could not be read. Does so once, also if resumed."""
    known = "SELECT 1 FROM skipped_sources WHERE chunk = $chunk LIMIT 1"
    if not foreign.skipped or log.query(known, {"chunk": _COMPARED}):
        return
    log.submit(
        SkippedSourceRow(_COMPARED, skip.reason, skip.rows, [f"{file}: {skip}"])
        for file, skips in foreign.skipped.items()
        for skip in skips
    )


class SimilarOutputs:
    """What is alike by the vectors of an embedding model: outputs of the run, and texts of other files."""

    def __init__(self, model: str, threshold: float) -> None:
        """Use vectors of `model`. `threshold` is a cosine. Raises `SetupError` for an invalid threshold."""
        self._index = SimilarVectors(threshold)
        self._stage = f"cosine:{model}"
        #: Of each vector the emission and its agent, or the place of a text in another file.
        self._held: list[tuple[int, str] | str] = []

    def hold(self, what: tuple[int, str] | str, vector: Vector) -> None:
        """Add an original: an output with its agent, or the place of a text in another file."""
        self._index.add(vector)
        self._held.append(what)

    def check(self, emission: EmissionRow, vector: Vector) -> DuplicateRow | CheckResult | None:
        """Return the verdict on an output that is similar to an earlier one.

        Returns a failed check if the output is similar to a text of another file. Returns None if nothing is similar.
        The output then becomes an original.
        """
        found = self._index.find(vector)
        if found is None:
            self.hold((emission.emission, emission.agent), vector)
            return None
        place, cosine = found
        what = self._held[place]
        if isinstance(what, str):
            return failed(f"It is like {what} ({self._stage}, {cosine:.2f}).", cosine)
        return _make_verdict(emission, *what, stage=self._stage, similarity=cosine)


def _make_verdict(emission: EmissionRow, of_emission: int, of: str, *, stage: str, similarity: float) -> DuplicateRow:
    return DuplicateRow(
        kind=emission.kind,
        step=emission.step,
        persona=emission.agent,
        of=of,
        emission=emission.emission,
        of_emission=of_emission,
        stage=stage,
        similarity=similarity,
        undone=False,
    )


#: Failed turns after which a run without results is not continued, if everybody had one.
_MANY = 8

_TURNS = """
SELECT coalesce(max(step), 0), coalesce(sum(active), 0), coalesce(sum(failed), 0), coalesce(sum(acted), 0) FROM steps
"""
_COMMONEST = """
SELECT outcome, count(*), mode(reason) FROM failures
WHERE step IS NOT NULL AND purpose NOT IN ('embedding', 'plan', 'reflect')
GROUP BY outcome ORDER BY count(*) DESC, outcome LIMIT 1
"""


def check_emitted(log: RunLog, *, people: int, is_over: bool) -> None:
    """Raise `RunError` if every turn in a run file has failed: at its end, or once all its `people` had a turn."""
    ((step, turns, failed, acted),) = log.query(_TURNS)
    if not failed or failed < turns or acted or not (is_over or failed >= max(_MANY, people)):
        return
    ((outcome, number, reason),) = log.query(_COMMONEST)
    turns_said = "The one turn" if failed == 1 else f"All {failed:,} turns"
    more = f" --steps {step + 1}" if is_over else ""
    raise RunError(
        f"{turns_said} failed and nothing was emitted; {number:,} of them with {outcome}, as: {reason} "
        f"Mend that, and go on with `populace resume {quote(str(log.path))}{more}`."
    )

"""A run as it was recorded: what it was asked to be, where it came from, and how each of its requests ended."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from ...agents.gateway.call import CallKey
from ...core.errors import RunFileError
from ...core.model import Outcome
from .job_rows import RUN_KINDS, JobRow, Unit, titled
from .reader import FileTables, RunReader, open_hub_or_run, open_run

_MARKERS = """
SELECT phase, number, event_hash, unit FROM markers JOIN phases USING (job, phase)
WHERE job = $job AND chunk = 0 ORDER BY markers.rowid
"""

_ATTEMPTS = """
SELECT owner, request_hash, replicate, outcome, reason, raw, finish_reason
FROM calls
WHERE job = $job AND phase = $phase AND number = $number
ORDER BY rowid
"""

#: What models must have been asked about: rules decide without any.
_ASKED = """
SELECT (SELECT coalesce(sum(asked), 0) FROM growth) + (SELECT count(*) FROM emissions WHERE model <> 'rule')
       + (SELECT count(*) FROM failures WHERE step IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class Marker:
    """A complete hop or step, and the hash of all events up to there."""

    phase: str
    number: int
    event_hash: str
    unit: Unit

    @property
    def where(self) -> str:
        """The hop or step in words, as `titled` has it."""
        return titled(self.phase, self.unit, self.number)


@dataclass(frozen=True, slots=True)
class RecordedEnd:
    """How a request ended: with a paid answer, or with the outcome of its last attempt."""

    outcome: Outcome
    reason: str
    #: None when no answer came.
    raw: str | None
    finish_reason: str | None
    attempts: int


class Recording(FileTables):
    """A job in its file, read to be done again. The answers of one hop, step or stage are in memory at a time."""

    def __init__(self, reader: RunReader, job: int = 1) -> None:
        """Prepare to read the job. Raises `RunFileError` if the job holds nothing that can be replayed."""
        super().__init__(reader)
        self.path = reader.path
        #: Number of the job in its file.
        self.job = job
        self._loaded = ("", -1)
        self._ends: dict[CallKey, list[RecordedEnd]] = {}
        self._check()

    @classmethod
    def open(cls, path: Path, job: int | None = None) -> Self:
        """Open the recording of a run, finished or not, or of a job on a hub by its number.

        Raises `RunFileError` if it is no such file, or if it holds nothing that can be replayed.
        """
        with ExitStack() as opened:
            reader = opened.enter_context(open_run(path) if job is None else open_hub_or_run(path))
            recording = cls(reader, job or 1)
            opened.pop_all()
            return recording

    def __enter__(self) -> Self:
        """Return the recording."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._reader.close()

    @cached_property
    def job_row(self) -> JobRow:
        """What the job was asked to be."""
        (row,) = self.rows(JobRow, "WHERE job = $job", {"job": self.job})
        return row

    @property
    def is_live(self) -> bool:
        """Whether a process is writing the file."""
        return self._reader.is_live

    @property
    def begun(self) -> int | None:
        """The step whose state the run began with, when it is a fork."""
        return self.job_row.run_spec.forked_at

    @cached_property
    def markers(self) -> tuple[Marker, ...]:
        """Every complete hop and step, in order."""
        return markers(self._reader, self.job)

    @property
    def steps(self) -> int:
        """Steps that are complete."""
        return max((m.number for m in self.markers if m.unit is Unit.STEP), default=0)

    def covers(self, phase: str, number: int) -> bool:
        """Return whether this hop or step is within the completed ones."""
        return number <= max((m.number for m in self.markers if m.phase == phase), default=-1)

    def where(self, phase: str, number: int) -> str:
        """Return the words for a hop, step or stage."""
        unit = next((m.unit for m in self.markers if m.phase == phase), Unit.STAGE)
        return Marker(phase, number, "", unit).where

    def knows(self, key: CallKey) -> bool:
        """Return whether the run ever made this request."""
        return key in self._ends_of(key.phase, key.number)

    def end(self, key: CallKey) -> RecordedEnd:
        """Return how the request ended. If asked again, return how it ended the next time.

        Raises `KeyError` if the request was not made.
        """
        ends = self._ends_of(key.phase, key.number)[key]
        return ends.pop(0) if len(ends) > 1 else ends[0]

    def _ends_of(self, phase: str, number: int) -> dict[CallKey, list[RecordedEnd]]:
        if self._loaded != (phase, number):
            attempts = self.query(_ATTEMPTS, {"job": self.job, "phase": phase, "number": number})
            self._ends = _gathered(
                (CallKey(phase, number, owner, request, replicate, self.job), tuple(ended))
                for owner, request, replicate, *ended in attempts
            )
            self._loaded = (phase, number)
        return self._ends

    def _check(self) -> None:
        if self.job_row.kind not in RUN_KINDS:
            self._check_finished()
            return
        if not self.markers:
            raise RunFileError(
                f"The run in {str(self.path)!r} was stopped before its first hop was complete, so there is nothing to "
                f"replay; go on with it first: `populace resume {self.path}`."
            )
        if self.steps == self.begun:
            raise RunFileError(
                f"The run in {str(self.path)!r} has run no step since it was forked at step {self.begun}, so there "
                f"is nothing to replay; go on with it first: `populace resume {self.path}`."
            )
        ((asked,),) = self.query(_ASKED)
        ((calls,),) = self.query("SELECT count(*) FROM calls WHERE job = 1")
        if asked and not calls:
            raise RunFileError(
                f"{str(self.path)!r} holds no answers, as the file that a replay leaves; replay the run that it was "
                f"made from."
            )

    def _check_finished(self) -> None:
        if self.job_row.status != "finished":
            raise RunFileError(
                f"Job {self.job} in {str(self.path)!r} is not finished, so it cannot be replayed; go on with it first: "
                f"`populace resume {self.path}`."
            )


def markers(reader: RunReader, job: int = 1) -> tuple[Marker, ...]:
    """Return the complete hops, steps and stages of a job, in order."""
    found = reader.query(_MARKERS, {"job": job}).rows
    return tuple(Marker(phase, number, then, Unit(unit)) for phase, number, then, unit in found)


def run_of(reader: RunReader) -> JobRow:
    """Return the job that is the run of a file."""
    (row,) = FileTables(reader).rows(JobRow, "WHERE kind IN $kinds", {"kinds": RUN_KINDS})
    return row


def last_step(reader: RunReader) -> int:
    """Return the last complete step of a run, or 0 if there is none."""
    ((step,),) = reader.query("SELECT coalesce(max(step), 0) FROM steps").rows
    return int(step)


def _gathered(
    attempts: Iterable[tuple[CallKey, tuple[str, str, str | None, str | None]]],
) -> dict[CallKey, list[RecordedEnd]]:
    found: dict[CallKey, list[RecordedEnd]] = {}
    for key, (outcome, reason, raw, finish_reason) in attempts:
        ends = found.setdefault(key, [])
        # A fault behind which the same request was sent again is not how it ended.
        earlier = ends.pop().attempts if ends and ends[-1].raw is None else 0
        ends.append(RecordedEnd(Outcome(outcome), reason, raw, finish_reason, earlier + 1))
    return found

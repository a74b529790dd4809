"""Living a run again from its own answers, to see that it was as its file says."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import orjson

from ..agents.gateway.limits import Limits
from ..personas.errors import RunError, RunFileError
from .growth import Growth
from .growth.stored import recorded_source
from .progress import Progress
from .recorded import (
    RecordedGateway,
    RecordingEndedError,
    recorded_embeddings,
    recorded_model,
    recorded_recall,
    recorded_roles,
    since_then,
)
from .runfile.copying import copy_run
from .runfile.database import folder_beside
from .runfile.reader import open_run
from .runfile.recording import Marker, Recording, markers
from .runfile.rows import GrowthExtensionRow
from .runfile.runlog import RunLog
from .scenario import Scenario
from .society import Society
from .times import now

__all__ = ["Replayed", "replay"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay."""

    #: The hash of everything that happened in the replay, and that of the run up to its last complete step.
    event_hash: str
    expected: str
    #: Steps that were lived again, and answers and failures that were taken from the run.
    steps: int
    recalled: int
    #: The step of a fork, whose state the replay began with; None for a run that grew its own people.
    begun: int | None
    #: Requests that were sent to a model: none.
    calls: int
    #: One sentence on where the replay first differs from the run; empty when it does not.
    difference: str = ""


def replay(
    path: Path | str, scenario: type[Scenario], *, out: Path | str | None = None, progress: Progress | None = None
) -> Replayed:
    """Grow the people and live the steps of a run once more, with no call to any model, and compare the hashes.

    A run that was stopped is replayed as far as its last complete step; a fork from the state that it began with.
    The replay is kept in `out`, if given.
    Raises `RunError` when it asks something that the run never asked, `RunFileError` for a file without a run.
    """
    with Recording.open(Path(path)) as recording:
        if out is not None:
            return _replayed(recording, scenario, Path(out), progress)
        with folder_beside(recording.path) as folder:
            return _replayed(recording, scenario, folder / recording.path.name, progress)


def _society(recording: Recording, scenario: type[Scenario], out: Path, progress: Progress | None) -> Society:
    """A society whose people come from the recording's texts, and whose gateway answers from it."""
    run = recording.run
    made, model = scenario(orjson.loads(run.settings)), recorded_model(run)
    roles = recorded_roles(run)
    tokens = made.settings.answer_tokens
    society = Society(
        made,
        growth=_first_growth(recording),
        seed=run.seed,
        model=model,
        solver=roles.get("solver"),
        grader=roles.get("grader"),
        embeddings=recorded_embeddings(run),
        limits=Limits(max_in_flight=run.max_in_flight),
        out=out,
        scenario_file=Path(run.scenario_file) if run.scenario_file else None,
        source=recorded_source(recording),
        extensions=[
            (Growth.model_validate_json(one.became), recorded_source(recording, extension=one.extension))
            for one in recording.rows(GrowthExtensionRow, "ORDER BY extension")
        ],
        gateway=RecordedGateway(model, recording, answer_tokens=tokens, roles=roles),
        recall=recorded_recall(recording),
        store=None if recording.begun is None else _state(recording, recording.begun, out),
        repeats=run,
        progress=progress,
    )
    society.steps_wanted = recording.steps
    return society


def _first_growth(recording: Recording) -> Growth:
    extensions = recording.rows(GrowthExtensionRow, "ORDER BY extension")
    if extensions and recording.run.status != "finished":
        raise RunFileError(
            f"The growth in {str(recording.path)!r} was extended and has not ended, so it cannot be replayed yet; go "
            f"on with it first: `populace resume {recording.path}`."
        )
    return Growth.model_validate_json(extensions[0].was if extensions else recording.run.growth_settings)


def _state(recording: Recording, at: int, out: Path) -> RunLog:
    """A run file with what the fork began with: its growth and first steps were another run's to live."""
    run = replace(recording.run, run=uuid4().hex, status="running", event_hash=None, started_at=now(), ended_at=None)
    copy_run(recording.path, out, run, at=at, with_calls=False)
    return RunLog.open(out)


def _replayed(recording: Recording, scenario: type[Scenario], out: Path, progress: Progress | None) -> Replayed:
    society = _society(recording, scenario, out, progress)
    failure: RunError | None = None
    try:
        society.run()
    except RecordingEndedError:
        pass  # growth was not complete
    except RunError as error:
        failure = error
    with open_run(out) as lived:
        found = markers(lived)
    difference = _difference(recording, found, ended=failure is None)
    # What differs already leads to questions that nobody has asked before: the first difference is the reason.
    if failure is not None and not difference:
        raise failure
    gateway, last = society.engine.gateway, recording.markers[-1]
    hashes = [m.event_hash for m in found if (m.phase, m.number) <= (last.phase, last.number)]
    return Replayed(
        event_hash=hashes[-1] if hashes else "",
        expected=last.event_hash,
        steps=sum(m.phase == "step" for m in found) - (recording.begun or 0),
        recalled=gateway.recalled,
        begun=recording.begun,
        calls=gateway.calls,
        difference=difference,
    )


def _difference(recording: Recording, found: Sequence[Marker], *, ended: bool) -> str:
    """Where the markers of a replay, as far as it came, first differ from the recorded ones."""
    hashes = {(m.phase, m.number): m.event_hash for m in found}
    for marker in recording.markers:
        now = hashes.get((marker.phase, marker.number))
        if now == marker.event_hash or (now is None and not ended):
            continue
        then = f"its event hash was {marker.event_hash} then and is {now} now"
        if now is None:
            then = f"its event hash was {marker.event_hash} then, and the replay ended before it"
        return (
            f"The replay of {str(recording.path)!r} first differs in {marker.where}: {then} "
            f"({since_then(orjson.loads(recording.run.versions))})."
        )
    return ""

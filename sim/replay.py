"""Living a run again from its own answers, to see that it was as its file says."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import numpy as np
import orjson
from langchain_core.language_models.chat_models import BaseChatModel

from ..agents.embedding.embedder import Embedded
from ..agents.embedding.models import EmbeddingHandle
from ..agents.embedding.vectors import VectorSource, text_hash
from ..agents.endpoint.models import ModelHandle
from ..agents.endpoint.response import ModelResponse
from ..agents.gateway.budget import Meter
from ..agents.gateway.call import Call, CallKey, RequestPart
from ..agents.gateway.client import Gateway
from ..agents.gateway.limits import Limits
from ..agents.gateway.request import ModelRequest, judge
from ..core.errors import RunError, RunFileError
from ..core.model import Answer, AnswerSchema, Outcome, RequestContext
from ..core.prompt import RenderedPrompt
from ..personas.hub.file import open_hub
from ..personas.hub.redaction import check_key
from ..personas.rules import Policy
from ..personas.rules.personal import copy_key
from .config import RunConfig
from .engine import Progress
from .fork import copy_run
from .growth import Growth
from .growth.stored import recorded_source
from .observe import PURPOSE, EmbeddingRecall
from .runfile.database import folder_beside
from .runfile.job_rows import FailureRow, JobRow, Unit, now, versions
from .runfile.ledger import KNOWN_VECTORS
from .runfile.reader import Marker, Recording, markers, open_run
from .runfile.rows import GrowthExtensionRow, TieRow
from .runfile.runlog import RunLog
from .scenario import Scenario
from .society import Repeat, Society
from .trust import check_code


@dataclass(frozen=True, slots=True)
class Replayed:
    """The result of a replay."""

    #: The hash of everything that happened in the replay, and that of the run up to its last complete step.
    event_hash: str
    expected: str
    #: Answers and failures that were taken from the run, and steps that were run again.
    recalled: int
    steps: int = 0
    #: The step of a fork, whose state the replay began with; None for a run that grew its own people.
    begun: int | None = None
    #: Requests that were sent to a model: none.
    calls: int = 0
    #: One sentence on where the replay first differs from the run; empty when it does not.
    difference: str = ""


def replay(
    path: Path | str, scenario: type[Scenario], *, out: Path | str | None = None, progress: Progress | None = None
) -> Replayed:
    """Grow the personas and run the steps again without calling a model, and compare the hashes.

    An unfinished run is replayed up to its last complete step. A fork is replayed from the state it began with. The
    replay is kept in `out` if given.

    Raises `RunError` if the replay asks something the run never asked. Raises `RunFileError` for a file without a run,
    and `SetupError` for a run that would execute code and was not made here.
    """
    with Recording.open(Path(path)) as recording:
        check_code(recording.path, recording.job_row)
        if out is not None:
            return _run_replay(recording, scenario, Path(out), progress)
        with folder_beside(recording.path) as folder:
            return _run_replay(recording, scenario, folder / recording.path.name, progress)


def _take_key(recording: Recording, out: Path) -> None:
    if _first_growth(recording).personal is Policy.PSEUDONYMISE:
        with open_hub(recording.path) as run:
            check_key(run.path, run.con)
            copy_key(run.path, out)


def _make_society(recording: Recording, scenario: type[Scenario], out: Path, progress: Progress | None) -> Society:
    """Build a society whose personas come from the recording's texts, and whose gateway answers from the recording."""
    run = recording.job_row
    spec = run.run_spec
    _take_key(recording, out)
    made, model = scenario(spec.settings), recorded_model(run)
    roles: dict[str, Any] = {
        role: ModelHandle(one["model"], RecordedModel(), " ".join(one["base_url"]) or None)
        for role, one in spec.roles.items()
    }
    tokens = made.settings.answer_tokens
    society = Society(
        made,
        growth=_first_growth(recording),
        network=spec.network,
        seed=run.seed,
        model=model,
        mind=RunConfig.given(mind=spec.mind).mind,
        archetypes=spec.archetypes,
        play=spec.play,
        **roles,
        embeddings=recorded_embeddings(run),
        limits=_unpaid_limits(run).changed(max_rejected=1, min_yield=0),
        out=out,
        scenario_file=Path(spec.scenario_file) if spec.scenario_file else None,
        source=recorded_source(recording),
        repeat=Repeat(
            job=run,
            gateway=RecordedGateway(model, recording, answer_tokens=tokens, roles=roles),
            recall=recorded_recall(recording, run),
            extensions=[
                (Growth.model_validate_json(one.became), recorded_source(recording, extension=one.extension))
                for one in recording.rows(GrowthExtensionRow, "ORDER BY extension")
            ],
            store=None if recording.begun is None else _copy_state(recording, recording.begun, out),
        ),
        progress=progress,
    )
    society.steps_wanted = recording.steps
    society.state.known_ties = recording.rows(TieRow, "ORDER BY ordinal")
    return society


def _first_growth(recording: Recording) -> Growth:
    extensions = recording.rows(GrowthExtensionRow, "ORDER BY extension")
    if extensions and recording.job_row.status != "finished":
        raise RunFileError(
            f"The growth in {str(recording.path)!r} was extended and has not ended, so it cannot be replayed yet; go "
            f"on with it first: `populace resume {recording.path}`."
        )
    if extensions:
        return Growth.model_validate_json(extensions[0].was)
    return Growth.model_validate(recording.job_row.run_spec.growth)


def _copy_state(recording: Recording, at: int, out: Path) -> RunLog:
    """Create a run file with the state a fork began with. Its growth and first steps are copied from the recording."""
    run = replace(recording.job_row, id=uuid4().hex, status="running", event_hash=None, started_at=now(), ended_at=None)
    copy_run(recording.path, out, run, at=at, with_calls=False)
    return RunLog.open(out)


def _run_replay(recording: Recording, scenario: type[Scenario], out: Path, progress: Progress | None) -> Replayed:
    society = _make_society(recording, scenario, out, progress)
    failure: RunError | None = None
    try:
        society.run()
    except RecordingEndedError:
        pass  # growth was not complete
    except RunError as error:
        failure = error
    with open_run(out) as lived:
        found = markers(lived)
    gateway = society.engine.gateway
    return compare_replay(
        recording,
        found,
        failure,
        steps=sum(m.unit is Unit.STEP for m in found) - (recording.begun or 0),
        recalled=gateway.recalled,
        begun=recording.begun,
        calls=gateway.calls,
    )


def compare_replay(
    recording: Recording, found: Sequence[Marker], failure: RunError | None, *, recalled: int, **facts: Any
) -> Replayed:
    """Return the result of a replay that found these markers. Raises its failure if nothing differed before it."""
    differing = difference(recording, found, ended=failure is None)
    # Behind a difference other requests are made than were recorded: the difference is the reason.
    if failure is not None and not differing:
        raise failure
    hashes = {(m.phase, m.number): m.event_hash for m in found}
    newest = found[-1].event_hash if found else ""
    last = next(reversed(recording.markers), None)
    return Replayed(
        event_hash=hashes.get((last.phase, last.number), newest) if last else newest,
        expected=last.event_hash if last else "",
        recalled=recalled,
        difference=differing,
        **facts,
    )


def difference(recording: Recording, found: Sequence[Marker], *, ended: bool) -> str:
    """Return where the markers of a replay, as far as it got, first differ from the recorded ones."""
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
            f"({since_then(orjson.loads(recording.job_row.versions))})."
        )
    return ""


class RecordedModel(BaseChatModel):
    """A chat model that raises `RunError` whenever it is asked: a replay has all its answers already."""

    @property
    def _llm_type(self) -> str:
        return "recorded"

    def _generate(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RunError(
            "A replay asks no model, and something asked one; let minds ask through the model they are given, which "
            "answers from the run."
        )


def recorded_model(run: JobRow) -> ModelHandle:
    """Return a handle with the name of the recorded model, so that requests and rows are the same. It needs no key."""
    return ModelHandle(run.model, RecordedModel(), run.base_url, is_language_model=run.is_language_model)


class _RecordedSource(VectorSource):
    async def vectors(self, texts: Sequence[str]) -> NoReturn:
        raise RunError("A replay asks no embedding model, and something asked one.")


def recorded_embeddings(run: JobRow) -> EmbeddingHandle | None:
    """Return a handle with the name of the recorded embedding model, or None if there was none."""
    if run.embedding_model is None:
        return None
    return EmbeddingHandle(run.embedding_model, _RecordedSource(), run.embedding_url)


def _unpaid_limits(run: JobRow) -> Limits:
    """Return the limits of a run without its cap on money: a replay pays for nothing."""
    return Limits.model_validate_json(run.limits).model_copy(update={"max_cost": None})


class RecordingEndedError(RunError):
    """The replay has reached the point where the run was stopped."""


class RecordedGateway(Gateway):
    """Answers from a recording. They are parsed again, and what was never answered fails as it failed then."""

    def __init__(
        self,
        model: ModelHandle,
        recording: Recording,
        *,
        answer_tokens: int,
        roles: Mapping[str, ModelHandle] | None = None,
        meter: Meter | None = None,
    ) -> None:
        limits = _unpaid_limits(recording.job_row)
        meter = meter or Meter()
        by_role = {
            role: RecordedGateway(one, recording, answer_tokens=answer_tokens, meter=meter)
            for role, one in (roles or {}).items()
        }
        super().__init__(
            model, ledger=_Nothing(), limits=limits, answer_tokens=answer_tokens, meter=meter, roles=by_role
        )
        self._recording = recording

    async def _ask[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], context: RequestContext) -> Answer[T]:
        """Return the answer, or the outcome and reason, that the run had.

        Raises `RunError` if the run never made this request, and `RecordingEndedError` after its last complete step.
        """
        await asyncio.sleep(0)  # lets a cancelled replay stop
        self._check_recorded(context)
        request = self.request(prompt, schema, context)
        if not self._recording.knows(request.key):
            raise self._stray_error(prompt, context)
        answer = self._read_end(request)
        attempts = answer.attempts
        # Whether another answer was asked for is said by the record, whatever the gateway's policy was then.
        while answer.value is None and answer.has_come:
            request = request.again(prompt, answer)
            if not self._recording.knows(request.key):
                break
            answer = self._read_end(request)
            attempts += answer.attempts
        return replace(answer, attempts=attempts)

    def _read_end[T](self, request: ModelRequest[T]) -> Answer[T]:
        end = self._recording.end(request.key)
        self.meter.recalled["ledger"] += 1
        if end.raw is not None:
            judged = judge(end.raw, request.schema, finish_reason=end.finish_reason)
            return replace(judged, attempts=end.attempts)
        # Without an answer that is an answer the endpoint itself could not read: another one was asked for.
        was_spoiled = end.outcome is Outcome.CUT_JSON
        return Answer(end.outcome, reason=end.reason, attempts=end.attempts, has_come=was_spoiled)

    def _check_recorded(self, context: RequestContext) -> None:
        # Of what was never completed there may be answers, and nothing that they could be compared with.
        if not self._recording.has_completed(context.phase, context.number):
            last = self._recording.markers[-1].where
            raise RecordingEndedError(f"The replay ends behind {last}, where the run was stopped.")

    def _stray_error(self, prompt: RenderedPrompt, context: RequestContext) -> RunError:
        recording = self._recording
        where = recording.where(context.phase, context.number)
        return RunError(
            f"In {where} the replay asks for {context.owner} (prompt {prompt.name}@{prompt.version}) something that "
            f"the run in {str(recording.path)!r} never asked: the prompt, the scenario or Populace has changed since "
            f"({since_then(orjson.loads(recording.job_row.versions))}); replay it with those that it was made with."
        )


class _Nothing:
    """The ledger of a gateway that makes no call."""

    def keep(self, parts: Sequence[RequestPart]) -> None:
        pass

    def record(self, call: Call) -> None:
        raise RunError(f"A replay makes no call, and one was made for {call.owner} (prompt {call.purpose}).")

    def recall(self, key: CallKey) -> ModelResponse | None:
        return None


def since_then(then: Mapping[str, str]) -> str:
    """Return the versions that differ between a run and now, as text."""
    now = versions()
    changed = [
        f"{name} {then.get(name, 'none')} then and {now[name]} now" for name in now if then.get(name) != now[name]
    ]
    return ", ".join(changed) or f"populace {now['populace']} and all libraries as they were"


_LOST = "WHERE job = $job AND step IS NULL AND purpose = $purpose"
_FAILED = "WHERE job = $job AND phase = $phase AND number = $number AND purpose = $purpose"


class RecordedEmbedder:
    """Gives each text the vector that the run had; no model is asked."""

    def __init__(self, recording: Recording, model: str) -> None:
        self._recording = recording
        self._model = model
        #: Texts that were asked about.
        self.recalled = 0
        #: Texts of a hub that got none, by their hash.
        self._lost: dict[str, Answer[Any]] = {
            str(row.agent): Answer(Outcome(row.outcome), reason=row.reason, attempts=row.attempts)
            for row in recording.rows(FailureRow, _LOST, {"job": recording.job, "purpose": PURPOSE})
        }

    async def embed(self, texts: Iterable[str], context: RequestContext) -> Embedded:
        """Return the recorded vectors. Raises `RunError` for a text without a recorded vector."""
        wanted = {text_hash(text): text for text in texts}
        self.recalled += len(wanted)
        found = self._recording.query(KNOWN_VECTORS, {"model": self._model, "hashes": list(wanted)})
        lost = {text: self._lost[key] for key, text in wanted.items() if key in self._lost}
        vectors = {wanted[key]: np.array(vector, dtype=np.float32) for key, vector in found if key not in self._lost}
        missing = [text for text in wanted.values() if text not in vectors and text not in lost]
        if missing:
            where = self._recording.where(context.phase, context.number)
            raise RunError(
                f"In {where} the replay needs the vector of a text that the run in "
                f"{str(self._recording.path)!r} never had ({missing[0][:80]!r}): people, the prompt, the scenario or "
                f"Populace have changed since; replay it with those that it was made with."
            )
        return Embedded(vectors, lost)

    def failed(self, phase: str, step: int) -> Mapping[str, FailureRow]:
        """Return the failure rows, by agent, of agents without vectors in this step or in a survey after it."""
        where = {"job": self._recording.job, "phase": phase, "number": step, "purpose": PURPOSE}
        rows = self._recording.rows(FailureRow, _FAILED, where)
        return {row.owner: row for row in rows}


def recorded_recall(recording: Recording, job: JobRow) -> EmbeddingRecall | None:
    """Return the recall by meaning for a replayed run or a job on it, or None if recall went by words."""
    if job.embedding_model is None:
        return None
    embedder = RecordedEmbedder(recording, job.embedding_model)
    return EmbeddingRecall(embedder, embedder.failed, job=recording.job)

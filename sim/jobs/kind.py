"""What a kind of job says of itself: its spec, what it works on, its phases, and what came of it.

A kind is a class, and all that is done with jobs finds it by its name::

    class TitlingJob(OutputJob[TitlingSpec]):
        kind, spec_type, phase_type = "titling", TitlingSpec, TitlePhase

`run_job` of `sim.jobs.life` begins it or goes on with it, `resume_job` goes on with it from the file alone, and
`replay_job` does it again from its answers. A kind of your own is found if its module is imported, or by an entry point
of the group `populace.kinds` that has the name of the kind and names the class.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict

import duckdb
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from ...agents.embedding.models import EmbeddingHandle
from ...agents.endpoint.models import ModelHandle
from ...agents.gateway.budget import Budget
from ...agents.gateway.limits import Limits, Prices
from ...core.errors import RunFileError, SetupError
from ...core.model import RequestContext
from ...core.table import Row
from ...personas.hub.queries import registered
from ..engine import Engine, JobModels, Progress
from ..observe import EmbeddingRecall, TextEmbedder
from ..run_models import choose_model, open_role
from ..runfile.runlog import RunLog
from ..seeds import derive_seed
from ..specs import JobSpec
from .loop import Phase, run_phase

if TYPE_CHECKING:
    from ...agents.actions import Action

#: Items of one chunk where requests go by batch.
_BATCH_CHUNK = 10_000

_COUNT = "SELECT count(*) FROM job_items WHERE job = $job"

#: The modules of the kinds that ship.
SHIPPED = {
    "embedding": "embedding",
    "enrichment": "enrichment",
    "survey": "survey.job",
    "interview": "interview",
    "solving": "tasks.solving",
    "translating": "tasks.translating",
    "evaluation": "tasks.evaluation",
    "responding": "grading.responding",
    "grading": "grading.grading",
    "comparing": "grading.preferences",
}
_SIM = __name__.removesuffix(".jobs.kind")


class Asked(TypedDict, total=False):
    """Who is asked in a job, and within what limits. What is left out, or None, is not given."""

    #: The chat model; the model that made the file if it is not given. Of an embedding job the embedding model.
    model: str | BaseChatModel | ModelHandle | Embeddings | EmbeddingHandle | None
    base_url: str | Sequence[str] | None
    limits: Limits | None
    prices: Prices | None
    #: A file of answers shared with other jobs; False for none where the job had one.
    cache: Path | Literal[False] | None
    #: Whether requests go through the endpoint's batch interface.
    batch: bool
    #: The seed of every random choice; 0 if it is not given, or of a survey that of the run.
    seed: int | None
    #: The embedding model by which agents recall their notes.
    embeddings: str | Embeddings | EmbeddingHandle | None
    embeddings_url: str | None
    embeddings_prices: Prices | None
    #: Models of roles that are open already.
    roles: Mapping[str, ModelHandle]


class JobOptions(Asked, total=False):
    """How a job is run, and who is asked in it."""

    #: Whether it is done again if it is done already, and though another of its kind is not finished.
    anew: bool
    #: The budget of several jobs, in addition to the limits of each.
    shared_budget: Budget
    progress: Progress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What a job works with once it is open."""

    engine: Engine
    seed: int
    #: The items of the job in `job_items`.
    items: int = 0
    #: Whether the answers come from a recording, so that nothing but the answers needs to be made again.
    is_replay: bool = False
    #: The file that the job is in, or of a replay, of which it is a copy.
    source: Path
    #: Who gives vectors, and how agents recall by meaning; None for recall by words.
    embedder: TextEmbedder | None = None
    recall: EmbeddingRecall | None = None
    #: Models of roles.
    others: Sequence[ModelHandle] = ()

    @property
    def log(self) -> RunLog:
        """The file."""
        return self.engine.log

    @property
    def job(self) -> int:
        """The job's number in the file."""
        return self.engine.log.job

    @property
    def is_language_model(self) -> bool:
        """Whether a language model is among those that are asked."""
        return self.log.job_row.is_language_model or any(one.is_language_model for one in self.others)

    def request(self, phase: str, owner: str) -> RequestContext:
        """Return the context of the requests that a phase of one stage makes on behalf of an owner."""
        return RequestContext(phase, 1, owner, derive_seed(self.seed, phase, owner) >> 32, job=self.job)


class JobKind[S: JobSpec, R](ABC):
    """A kind of job, with what is wanted of one. `R` is what comes of it."""

    #: As in `jobs.kind`.
    kind: ClassVar[str] = ""
    spec_type: ClassVar[type[JobSpec]]
    #: Rows of the tables of its own, which a file gets with its first job of the kind.
    tables: ClassVar[tuple[type[Row], ...]] = ()
    #: Whether nothing is lost when another job of this kind takes the place of one that is not finished.
    keeps_all: ClassVar[bool] = False
    #: Whether it is about the people of a hub.
    is_on_hub: ClassVar[bool] = False
    #: Whether a finished job is done again only when that is asked for.
    is_done_once: ClassVar[bool] = True
    #: Whether the actions of the run's scenario say something of use to the job.
    uses_actions: ClassVar[bool] = False

    #: Whether the job only asks, and does nothing with the answers that an estimate can do without.
    is_dry_run: bool = False
    #: The unfinished jobs of this kind that were abandoned for this one, and had paid answers.
    abandoned: tuple[int, ...] = ()

    _known: ClassVar[dict[str, type["JobKind[Any, Any]"]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        """Make the kind known by its name."""
        super().__init_subclass__(**options)
        if cls.kind:
            JobKind._known[cls.kind] = cls

    def __init__(self, spec: S, actions: Sequence[type["Action"]] = ()) -> None:
        """Prepare a job. `actions` are those of the run's scenario, and say what the built-in generator answers."""
        self.spec = spec
        self.actions = tuple(actions)

    @property
    def phase_names(self) -> Sequence[str]:
        """Names of the phases that ask a model; their requests may go by batch."""
        return ()

    @property
    def answer_tokens(self) -> int:
        """Tokens of an answer, at most."""
        return 4_096

    @property
    def needs_actions(self) -> bool:
        """Whether the job cannot do without those actions, because the built-in generator is asked."""
        return False

    def check(self) -> None:  # noqa: B027 - most jobs have nothing to say
        """Raise `SetupError` if this machine cannot do the job."""

    def open_models(self, path: Path, asked: Asked) -> JobModels:
        """Open the models of the job, by default the one that made the file. Raises `SetupError`."""
        handle, prices = choose_model(path, asked.get("model"), asked.get("base_url"), asked.get("prices"))  # type: ignore[arg-type]
        given = asked.get("roles") or {}
        shared = (handle.endpoints or "").split()
        roles = {role: open_role(role, one, given.get(role), shared) for role, one in self.spec.roles.items()}
        return JobModels(model=handle, prices=prices, roles=roles)

    def set_batch(self, is_batch: bool) -> None:
        """Commit more items at once where requests go by batch, of which an endpoint takes hours."""
        if is_batch:
            self.spec = self.spec.model_copy(update={"chunk": max(self.spec.chunk, _BATCH_CHUNK)})

    def make_file(self, path: Path) -> None:  # noqa: B027 - most jobs are about a file that is there
        """Make the file, where the job has one of its own."""

    def seed(self, path: Path) -> int:
        """Return the seed of a job for which none is given."""
        return 0

    def prepare(self, path: Path, seed: int, models: JobModels) -> int:
        """Return the number of items that a new job has, or 0 if there is nothing to do. Raises `SetupError`."""
        return 1

    def fill(self, con: duckdb.DuckDBPyConnection, number: int, seed: int) -> None:  # noqa: B027
        """Write the items of a new job."""

    def run(self, context: JobContext) -> None:
        """Run the phases of the job to their end."""
        for phase in self.phases(context):
            context.engine.call(partial(run_phase, context.engine, phase))

    def phases(self, context: JobContext) -> Iterable[Phase[Any, Any]]:
        """Return the phases in their order."""
        raise NotImplementedError(f"{type(self).__name__} says nothing of what it does; define `phases` or `run`.")

    @abstractmethod
    def report(self, context: JobContext) -> R:
        """Return what came of the job, over this session and earlier ones."""

    def nothing(self, path: Path, models: JobModels) -> R:
        """Return the report for a file in which there is nothing to do."""
        raise SetupError(f"There is nothing to do in {str(path)!r}.")


def find_kind(name: str) -> type[JobKind[Any, Any]]:
    """Return the kind of this name. Raises `RunFileError` if nobody here knows it."""
    if name not in JobKind._known and name in SHIPPED:
        import_module(f"{_SIM}.{SHIPPED[name]}")
    for one in () if name in JobKind._known else entry_points(group="populace.kinds", name=name):
        one.load()
    if name not in JobKind._known:
        raise RunFileError(
            f"Nothing installed here knows jobs of the kind {name!r}; install the package that it came from."
        )
    return JobKind._known[name]


def write_items(con: duckdb.DuckDBPyConnection, number: int, items: Sequence[str]) -> None:
    """Write what a new job works on, in its order."""
    rows = {"job": [number] * len(items), "ordinal": range(1, len(items) + 1), "item": items}
    with registered(con, rows, "items_of_job"):
        con.execute("INSERT INTO job_items BY NAME FROM items_of_job")


def count_items(log: RunLog) -> int:
    """Return how many items the job has in `job_items`."""
    ((items,),) = log.query(_COUNT, {"job": log.job})
    return int(items)

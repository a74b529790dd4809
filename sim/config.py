"""What a run is made with: its configuration, as it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypedDict

import orjson
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import Runnable
from pydantic import BeforeValidator, Field

from ..agents.embedding.models import EmbeddingHandle
from ..agents.endpoint.models import ModelHandle
from ..agents.gateway.budget import given_prices
from ..agents.gateway.limits import Limits, Prices
from ..agents.named_mind import MindName
from ..core.errors import SetupError, parameter
from ..core.inputs import check_seed
from ..core.model import Spec
from ..personas.network.spec import GROWN, parse_network
from .engine import Progress
from .growth import Growth
from .runfile.database import check_unwritten, connect
from .runfile.reader import RunReader, last_step, run_of
from .scenario import check_steps, check_steps_left
from .specs import RoleModel, as_addresses

#: The roles that may have models of their own.
ROLES = ("solver", "grader", "human")


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that makes one configuration another run than the other."""

    name: str
    was: Any
    wanted: Any


def _make_absolute(given: object) -> object:
    # A run that is resumed or forked from another folder must find the file that was meant.
    return Path(given).expanduser().absolute() if isinstance(given, str | Path) else given


def _priced(given: object) -> object:
    return given_prices(given) if isinstance(given, str) else given


def _check_network(given: object) -> str:
    return str(parse_network(given))


#: What a role's model can be given as.
type GivenModel = str | RoleModel | BaseChatModel | ModelHandle


def _as_role(given: object) -> object:
    return {"model": given} if isinstance(given, str) else given


def _as_name(given: object) -> object:
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


class RunConfig(Spec):
    """All that a run is made with. Equal configurations, and equal answers, give equal runs.

    People's source, gateway and run file are not part of it: they are given to `Society` beside it.
    """

    #: Name and settings of the scenario, and the script that it is in, if any.
    scenario: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    scenario_file: Path | None = None
    growth: Growth = Growth()
    #: The network that the society begins with, as `watts-strogatz:6,0.1`; `grown` for the one that growth finds.
    network: Annotated[str, BeforeValidator(_check_network)] = GROWN
    seed: Annotated[int, BeforeValidator(check_seed)] = 0
    #: Steps in all.
    steps: Annotated[int, BeforeValidator(check_steps)] = 8
    #: The model by name, and the endpoints that share its load; none for the model's own.
    model: str = "procedural"
    base_url: Annotated[tuple[str, ...], BeforeValidator(as_addresses)] = ()
    limits: Limits = Limits()
    #: The models of the roles that checks and stages ask by; None for `model`. A name is short for a whole `RoleModel`.
    solver: Annotated[RoleModel | None, BeforeValidator(_as_role)] = None
    grader: Annotated[RoleModel | None, BeforeValidator(_as_role)] = None
    #: The agent whose turns somebody else takes, by name or id, and who that is: by default you, at the terminal.
    play: str | None = None
    human: Annotated[RoleModel | None, BeforeValidator(_as_role)] = None
    #: None where they are to be looked up.
    prices: Annotated[Prices | None, BeforeValidator(_priced)] = None
    #: A file of answers shared with other runs.
    cache: Annotated[Path | None, BeforeValidator(_make_absolute)] = None
    #: How agents decide, by name; None for the scenario's own mind, or one call a turn.
    mind: MindName | None = None
    #: One answer for many agents: by `group`, a column of profiles, or so many clusters; None for one each.
    archetypes: Annotated[str | None, BeforeValidator(_as_name)] = None
    #: Whether growth, surveys, and the steps of an independent scenario go through the endpoint's batch interface.
    batch: bool = False
    #: The embedding model by name, by which agents recall; None for recall by words.
    embeddings: str | None = None
    #: Its address; None for the chat model's.
    embeddings_url: str | None = None
    embeddings_prices: Annotated[Prices | None, BeforeValidator(_priced)] = None

    ways_out: ClassVar[Mapping[str, str]] = {
        "limits": "Limits, as limits=Limits(max_calls=100)",
        "growth": "Growth, as growth=Growth(agents=24)",
        "prices": "Prices, as prices=Prices(input=1.0, output=2.0)",
        "embeddings_prices": "Prices, as embeddings_prices=Prices(input=0.1, output=0.0)",
    }

    @classmethod
    def given(cls, **options: Any) -> Self:
        """Build the configuration from these options, with defaults for the rest.

        Raises `SetupError` in one sentence.
        """
        if isinstance(limits := options.get("limits"), Mapping):
            options["limits"] = Limits.given(**limits)
        if options.get("play") and not options.get("human"):
            options["human"] = RoleModel(model="human", prices=Prices(0.0, 0.0, source="nobody is paid"))
        return super().given(**options)

    def changed(self, **options: Any) -> Self:
        """Return the configuration with these options changed. None and () change nothing. Raises `SetupError`."""
        # No address is none that is given: the command line gives options that may be repeated as empty tuples.
        return self.given(**dict(self) | {name: value for name, value in options.items() if value not in (None, ())})

    def list_differences(self, wanted: Self) -> list[Difference]:
        """Return what makes `wanted` another run than this one.

        Steps are left out, since a run can continue for more of them. So is all that changes no answer: limits,
        addresses, prices and cache.
        """
        pairs = zip(self._telling_parts(), wanted._telling_parts(), strict=True)
        return [
            Difference(name, was.get(name), now_is.get(name))
            for was, now_is in pairs
            for name in dict.fromkeys([*was, *now_is])
            if was.get(name) != now_is.get(name)
        ]

    @property
    def roles(self) -> dict[str, RoleModel]:
        """The models of the roles that have their own."""
        return {role: one for role in ROLES if (one := getattr(self, role)) is not None}

    @property
    def dumped_roles(self) -> dict[str, Any]:
        """The same as the run file keeps them."""
        return {role: one.model_dump(mode="json") for role, one in self.roles.items()}

    def _telling_parts(self) -> tuple[Mapping[str, Any], ...]:
        # A setting of a scenario may be called like something else.
        own = self.model_dump(mode="json", include=_TELLING)
        roles = {role: one.model for role, one in self.roles.items()}
        return own.pop("settings"), own.pop("growth"), own | roles | self.limits.sampling

    @classmethod
    def read(cls, reader: RunReader) -> Self:
        """Read the configuration that a run file was made with."""
        job = run_of(reader)
        spec = job.run_spec
        told = {name: value for name, value in spec if name in cls.model_fields}
        told |= {"growth": Growth.model_validate(spec.growth), "steps": max(1, spec.steps)}
        return cls.given(
            **told,
            seed=job.seed,
            model=job.model,
            base_url=tuple((job.base_url or "").split()),
            limits=Limits.model_validate_json(job.limits),
            **spec.roles,
            prices=Prices(**orjson.loads(job.prices)) if job.prices else None,
            cache=job.cache,
            batch=job.batch,
            embeddings=job.embedding_model,
            embeddings_url=job.embedding_url,
            embeddings_prices=Prices(**spec.embedding_prices) if spec.embedding_prices else None,
        )

    @classmethod
    def read_resumed(cls, reader: RunReader, limits: Mapping[str, Any], *, steps: int | None) -> Self:
        """Return the configuration of a run that continues, with other limits and steps if given.

        Raises `RunFileError` if the run is in progress. Raises `SetupError` for fewer steps than it has run, or for
        another sampling.
        """
        path = str(reader.path)
        lived, stored = last_step(reader), cls.read(reader)
        if reader.is_live:
            check_unwritten(reader.path)
            connect(reader.path, read_only=False).close()  # which says what other process writes it
        check_steps_left(steps, lived=lived, path=path)
        config = stored.changed(limits=stored.limits.changed(**limits), steps=steps)
        if config.limits.sampling != stored.limits.sampling:
            raise SetupError(
                f"The run in {path!r} samples with {_describe_sampling(stored.limits)}, not with "
                f"{_describe_sampling(config.limits)}; resume it as it was, or fork it with another sampling."
            )
        return config


def _describe_sampling(limits: Limits) -> str:
    given = limits.sampling.items()
    return ", ".join(f"{parameter(name)} {value}" for name, value in given) or "the endpoint's own parameters"


_MODELS = ("model", "embeddings", *ROLES)

#: What tells one run from another, besides the models of roles and the sampling.
_TELLING = {"scenario", "network", "seed", "model", "mind", "archetypes", "play", "embeddings", "settings", "growth"}


def split_models(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the options of a run into what can be stored, and the models that are objects of the caller's own."""
    own = {n: options[n] for n in _MODELS if not isinstance(options.get(n), str | RoleModel | None)}
    return {name: value for name, value in options.items() if name not in own}, own


class ModelChoices(TypedDict, total=False):
    """Who is asked in a run, and within what limits. What is left out, or None, is not given.

    A model is a name, or any LangChain chat model or embedding model; a role has its own, or that of the run.
    """

    model: str | Runnable[Any, Any] | ModelHandle | None
    base_url: str | Sequence[str] | None
    #: Limits, or some of them by name.
    limits: Limits | Mapping[str, Any] | None
    #: Prices, or "INPUT/OUTPUT[/CACHED]" in dollars for a million tokens.
    prices: Prices | str | None
    #: A file of answers shared with other runs; False for none where the run had one.
    cache: Path | str | Literal[False] | None
    solver: GivenModel | None
    grader: GivenModel | None
    human: GivenModel | None
    embeddings: str | Embeddings | EmbeddingHandle | None
    embeddings_url: str | None
    embeddings_prices: Prices | str | None


class ModelOptions(ModelChoices, total=False):
    """The same, and who is told how far a run is."""

    progress: Progress | None


class RunOptions(ModelOptions, total=False):
    """What `Society` takes by keyword instead of a `RunConfig`, or to change one."""

    growth: Growth | None
    network: str | None
    seed: int
    steps: int | None
    mind: MindName | None
    archetypes: str | int | None
    play: str | None
    batch: bool
    scenario_file: Path | None

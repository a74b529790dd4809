"""What a run is made with: its configuration, as it is stored, and the models that it names, opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self, TypedDict
from uuid import uuid4

import orjson
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import BeforeValidator, Field, ValidationError

from ..agents.batch import check_batchable
from ..agents.embedding.models import EmbeddingHandle, check_embeddings_priced, embedding_handle
from ..agents.endpoint.models import ModelHandle, open_model
from ..agents.gateway.budget import Prices, check_priced, known_prices
from ..agents.gateway.limits import Limits
from ..personas.errors import RunFileError, SetupError, parameter
from ..personas.inputs import check_seed
from ..personas.model import FrozenModel
from .growth import Growth
from .runfile.database import check_unwritten, connect
from .runfile.job_rows import JobRow, RunRow, job_of, now, versions
from .runfile.reader import RunReader
from .runfile.recording import last_step, run_of
from .scenario import Scenario, check_steps, check_steps_left

#: The roles that may have models of their own.
ROLES = ("solver", "grader")

_SPEC = "SELECT spec FROM jobs WHERE job = 1"


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that makes one configuration another run than the other."""

    name: str
    was: Any
    wanted: Any


def _addresses(given: object) -> object:
    return (given,) if isinstance(given, str) and given else given or ()


def _absolute(given: object) -> object:
    # A run that is resumed or forked from another folder must find the file that was meant.
    return Path(given).expanduser().absolute() if isinstance(given, str | Path) else given


class RoleModel(FrozenModel):
    """The model of a role."""

    #: The model by name.
    model: str
    #: Its endpoints; none for those of the run's default model, where it is asked at any.
    base_url: Annotated[tuple[str, ...], BeforeValidator(_addresses)] = ()
    #: None where they are to be looked up.
    prices: Prices | None = None


#: What a role's model can be given as.
type GivenModel = str | RoleModel | BaseChatModel | ModelHandle


def _role(given: object) -> object:
    return {"model": given} if isinstance(given, str) else given


class RunConfig(FrozenModel):
    """All that a run is made with. Equal configurations, and equal answers, give equal runs.

    People's source, gateway and run file are not part of it: they are given to `Society` beside it.
    """

    #: Name and settings of the scenario, and the script that it is in, if any.
    scenario: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    scenario_file: Path | None = None
    growth: Growth = Growth()
    seed: Annotated[int, BeforeValidator(check_seed)] = 0
    #: Steps in all.
    steps: Annotated[int, BeforeValidator(check_steps)] = 8
    #: The model by name, and the endpoints that share its load; none for the model's own.
    model: str = "procedural"
    base_url: Annotated[tuple[str, ...], BeforeValidator(_addresses)] = ()
    limits: Limits = Limits()
    #: The models of the roles that checks and stages ask by; None for `model`. A name is short for a whole `RoleModel`.
    solver: Annotated[RoleModel | None, BeforeValidator(_role)] = None
    grader: Annotated[RoleModel | None, BeforeValidator(_role)] = None
    #: None where they are to be looked up.
    prices: Prices | None = None
    #: A file of answers shared with other runs.
    cache: Annotated[Path | None, BeforeValidator(_absolute)] = None
    #: Whether growth, and the steps of an independent scenario, go through the endpoint's batch interface.
    batch: bool = False
    #: The embedding model by name, by which agents recall; None for recall by words.
    embeddings: str | None = None
    #: Its address; None for the chat model's.
    embeddings_url: str | None = None
    embeddings_prices: Prices | None = None

    @classmethod
    def given(cls, **options: Any) -> Self:
        """The configuration with these options, the defaults for the rest. Raises `SetupError` in one sentence."""
        for name, kind in (("limits", Limits), ("growth", Growth), ("prices", Prices), ("embeddings_prices", Prices)):
            value = options.get(name)
            if value is not None and not isinstance(value, kind):
                raise SetupError(
                    f"{name} must be {kind.__name__}, as {name}={_EXAMPLES[kind]}, but {value!r:.80} was given."
                )
        try:
            return cls.model_validate({name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            said = first["msg"].removeprefix("Input should ").lower()
            where = ".".join(map(str, first["loc"]))
            raise SetupError(f"{where} should {said}, but {first['input']!r:.80} was given.") from error

    def changed(self, **options: Any) -> Self:
        """The configuration with those options that are not None in place. Raises `SetupError` in one sentence."""
        # No address is none that is given: the command line gives options that may be repeated as empty tuples.
        return self.given(**dict(self) | {name: value for name, value in options.items() if value not in (None, ())})

    def differences(self, wanted: Self) -> list[Difference]:
        """What makes `wanted` another run than this one.

        Steps are left out, since a run can go on for more of them, and all that changes no answer: bounds, addresses,
        prices and cache.
        """
        pairs = zip(self._parts(), wanted._parts(), strict=True)
        return [
            Difference(name, was.get(name), now_is.get(name))
            for was, now_is in pairs
            for name in dict.fromkeys([*was, *now_is])
            if was.get(name) != now_is.get(name)
        ]

    def _parts(self) -> tuple[Mapping[str, Any], ...]:
        # A setting of a scenario may be called like something else.
        own = self.model_dump(mode="json", include={"scenario", "seed", "model", "embeddings", "settings", "growth"})
        roles = {"solver": self.solver and self.solver.model, "grader": self.grader and self.grader.model}
        return own.pop("settings"), own.pop("growth"), own | roles | self.limits.sampling

    @classmethod
    def read(cls, reader: RunReader) -> Self:
        """The configuration that a run file was made with."""
        run = run_of(reader)
        embeddings_prices = orjson.loads(reader.query(_SPEC).rows[0][0]).get("embedding_prices")
        return cls.given(
            scenario=run.scenario,
            settings=orjson.loads(run.settings),
            scenario_file=run.scenario_file,
            growth=Growth.model_validate_json(run.growth_settings),
            seed=run.seed,
            steps=max(1, run.steps_wanted),
            model=run.model,
            base_url=tuple((run.base_url or "").split()),
            limits=Limits.model_validate_json(run.limits) if run.limits else Limits(max_in_flight=run.max_in_flight),
            **orjson.loads(run.roles or "{}"),
            prices=Prices(**orjson.loads(run.prices)) if run.prices else None,
            cache=run.cache,
            batch=run.batch,
            embeddings=run.embedding_model,
            embeddings_url=run.embedding_url,
            embeddings_prices=Prices(**embeddings_prices) if embeddings_prices else None,
        )

    @classmethod
    def resumed(cls, reader: RunReader, limits: Mapping[str, Any], *, steps: int | None) -> Self:
        """The configuration of a run that is to go on, with other bounds and steps where they are given.

        Raises `RunFileError` for a run that is going on, and `SetupError` for fewer steps than it has run or for
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
                f"The run in {path!r} samples with {_said(stored.limits)}, not with {_said(config.limits)}; resume it "
                f"as it was, or fork it with another sampling."
            )
        return config


def _said(limits: Limits) -> str:
    given = limits.sampling.items()
    return ", ".join(f"{parameter(name)} {value}" for name, value in given) or "the endpoint's own parameters"


_EXAMPLES: Mapping[type, str] = {
    Limits: "Limits(max_calls=100)",
    Growth: "Growth(agents=24)",
    Prices: "Prices(input=1.0, output=2.0)",
}


class RunOptions(TypedDict, total=False):
    """What `Society` takes by keyword instead of a `RunConfig`, or to change one; None is not given."""

    growth: Growth | None
    seed: int
    steps: int | None
    base_url: str | Sequence[str] | None
    limits: Limits | None
    prices: Prices | None
    cache: Path | str | None
    batch: bool
    embeddings_url: str | None
    embeddings_prices: Prices | None
    scenario_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunModels:
    """The chat model and the embedding model of a run, with their prices."""

    model: ModelHandle
    embeddings: EmbeddingHandle | None
    prices: Prices | None
    embeddings_prices: Prices | None
    #: The models of roles that have their own, with their prices, by role.
    roles: Mapping[str, tuple[ModelHandle, Prices | None]]

    @classmethod
    def opened(
        cls,
        config: RunConfig,
        *,
        model: BaseChatModel | ModelHandle | None = None,
        embeddings: Embeddings | EmbeddingHandle | None = None,
        roles: Mapping[str, BaseChatModel | ModelHandle] = MappingProxyType({}),
    ) -> Self:
        """The models that are named, or those given; prices are looked up where they are not given.

        Raises `SetupError` for a model that is unknown, an address that no model is asked at, a cap on money without
        prices, and for batches that the model does not know.
        """
        address = config.base_url or None
        handle = model if isinstance(model, ModelHandle) else open_model(model or config.model, base_url=address)
        embedder = embedding_handle(embeddings or config.embeddings, config.embeddings_url or address)
        if embedder is None and config.embeddings_url is not None:
            raise SetupError(
                f"{parameter('embeddings_url')} is {config.embeddings_url!r}, but no embedding model is named; add "
                f"{parameter('embeddings')} "
                f"NAME."
            )
        opened = open_roles(config, roles)
        asked_there = [one.name for one, _ in opened.values()] + ([embedder.name] if embedder else [])
        if address and not asked_there and handle.name == "procedural":
            raise SetupError(
                f"procedural is asked nowhere, so {' '.join(address)!r} is for no model; name one with "
                f"{parameter('model')}."
            )
        models = cls(
            model=handle,
            embeddings=embedder,
            prices=config.prices or known_prices(handle),
            embeddings_prices=config.embeddings_prices or (known_prices(embedder, writes=False) if embedder else None),
            roles=opened,
        )
        models._check(config)
        return models

    def named_in(self, config: RunConfig) -> RunConfig:
        """The configuration with the models, addresses and prices that these turned out to be."""
        return config.model_copy(
            update={
                "model": self.model.name,
                "base_url": tuple((self.model.endpoints or "").split()),
                "prices": self.prices,
                **self._role_models,
                "embeddings": self.embeddings.name if self.embeddings else None,
                "embeddings_url": self.embeddings.endpoint if self.embeddings else None,
                "embeddings_prices": self.embeddings_prices,
            }
        )

    def job(self, config: RunConfig, scenario: Scenario, *, drawn: str | None = None) -> JobRow:
        """The row in `jobs` of a new run: spec and columns hold all of its configuration.

        `drawn` says who was drawn from a hub.
        """
        job = job_of(self._row(config, scenario, drawn), kind="society" if scenario.takes_steps else "growth")
        spec = orjson.loads(job.spec) | {"embedding_prices": self.embeddings_prices}
        return replace(job, spec=orjson.dumps(spec).decode())

    def _row(self, config: RunConfig, scenario: Scenario, drawn: str | None) -> RunRow:
        return RunRow(
            run=uuid4().hex,
            scenario=config.scenario,
            scenario_file=str(config.scenario_file) if config.scenario_file else None,
            settings=scenario.settings.model_dump_json(),
            growth_settings=config.growth.model_dump_json(),
            world=scenario.world,
            seed=config.seed,
            model=self.model.name,
            is_language_model=self.model.is_language_model,
            base_url=self.model.endpoints,
            max_in_flight=config.limits.max_in_flight,
            steps_wanted=config.steps if scenario.takes_steps else 0,
            versions=orjson.dumps(versions()).decode(),
            status="running",
            reason=None,
            event_hash=None,
            started_at=now(),
            ended_at=None,
            limits=config.limits.model_dump_json(),
            prices=orjson.dumps(self.prices).decode() if self.prices else None,
            cache=str(config.cache) if config.cache else None,
            batch=config.batch,
            embedding_model=config.embeddings,
            embedding_url=config.embeddings_url,
            drawn=drawn,
            roles=self.roles_json,
        )

    @property
    def _role_models(self) -> dict[str, RoleModel]:
        return {
            role: RoleModel(model=one.name, base_url=tuple((one.endpoints or "").split()), prices=prices)
            for role, (one, prices) in self.roles.items()
        }

    @property
    def roles_json(self) -> str | None:
        """The models of the roles as they are kept in the run file; None where no role has its own."""
        named = {role: one.model_dump() for role, one in self._role_models.items()}
        return orjson.dumps(named).decode() if named else None

    def check_continues(self, run: RunRow, path: Path | str, *, world: str) -> None:
        """Raise `RunFileError` when the run in `path` was begun with another embedding model or world text."""
        if self.embeddings is not None and self.embeddings.name != run.embedding_model:
            raise RunFileError(
                f"The run in {str(path)!r} was begun with the embedding model {run.embedding_model} and would "
                f"remember otherwise with {self.embeddings.name}; resume it as it was, or begin another."
            )
        if world != run.world:
            raise RunFileError(
                f"The world text of scenario {run.scenario!r} is not the one that {path} began with, so its "
                f"answers would not fit; resume it with the script as it was, or run anew into another file."
            )

    def _check(self, config: RunConfig) -> None:
        for prices in (self.prices, *(prices for _, prices in self.roles.values())):
            check_priced(config.limits, prices)
        if config.batch:
            check_batchable(self.model)
        if self.embeddings is not None:
            check_embeddings_priced(config.limits, self.embeddings_prices, self.embeddings)


def open_roles(
    config: RunConfig, given: Mapping[str, BaseChatModel | ModelHandle] = MappingProxyType({})
) -> dict[str, tuple[ModelHandle, Prices | None]]:
    """The models of the roles that have their own, with their prices; those `given` come before those named.

    Raises `SetupError` for one that cannot be asked, as `open_model` does.
    """
    opened = {}
    for role in ROLES:
        named: RoleModel | None = getattr(config, role)
        own = given.get(role)
        if own is not None:
            handle = own if isinstance(own, ModelHandle) else open_model(own)
        elif named is not None:
            # Only a model that is served somewhere can be asked where the default model is.
            shared = config.base_url if named.model.startswith("openai:") else ()
            try:
                handle = open_model(named.model, base_url=named.base_url or shared or None)
            except SetupError as error:
                raise SetupError(
                    f"The {role} {named.model} cannot be asked: {error} Its own address is {parameter(f'{role}_url')}."
                ) from error
        else:
            continue
        opened[role] = (handle, (named.prices if named else None) or known_prices(handle))
    return opened

"""The models that a run's configuration names, opened and priced, and the row in `jobs` that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import orjson
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel

from ..agents.embedding.models import EmbeddingHandle, named_embedder
from ..agents.endpoint.models import ModelHandle, is_nameable, open_model
from ..agents.gateway.budget import known_prices
from ..agents.gateway.limits import Prices
from ..core.errors import RunFileError, SetupError, parameter
from .config import ROLES, RunConfig
from .engine import JobModels
from .runfile.job_rows import JobRow, RunSpec
from .runfile.reader import open_hub_or_run, run_of
from .scenario import Scenario
from .specs import RoleModel
from .trust import TrustedKind, is_named

_HAS_RUN = "SELECT 1 FROM duckdb_views() WHERE view_name = 'runs'"
_WAS_ASKED = "SELECT 1 FROM calls WHERE model = $model LIMIT 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunModels(JobModels):
    """The chat model and the embedding model of a run, with their prices."""

    model: ModelHandle

    @classmethod
    def opened(
        cls,
        config: RunConfig,
        *,
        model: BaseChatModel | ModelHandle | None = None,
        embeddings: Embeddings | EmbeddingHandle | None = None,
        roles: Mapping[str, BaseChatModel | ModelHandle] = MappingProxyType({}),
    ) -> Self:
        """Open the named models, or use those given. Prices are looked up if not given.

        Raises `SetupError` for an unknown model, an address at which no model is asked, a cost cap without prices, and
        for batches that the model does not support.
        """
        address = config.base_url or None
        handle = model if isinstance(model, ModelHandle) else open_model(model or config.model, base_url=address)
        embedder = named_embedder(embeddings or config.embeddings, config.embeddings_url, address)
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
        models.check(config.limits, batch=config.batch)
        return models

    def named_in(self, config: RunConfig) -> RunConfig:
        """Return the configuration with the actual models, addresses and prices."""
        return config.model_copy(
            update={
                "model": self.model.name,
                "base_url": tuple((self.model.endpoints or "").split()),
                "prices": self.prices,
                **{
                    role: RoleModel(model=one.name, base_url=tuple((one.endpoints or "").split()), prices=prices)
                    for role, (one, prices) in self.roles.items()
                },
                "embeddings": self.embeddings.name if self.embeddings else None,
                "embeddings_url": self.embeddings.endpoint if self.embeddings else None,
                "embeddings_prices": self.embeddings_prices,
            }
        )

    def job(self, config: RunConfig, scenario: Scenario, *, drawn: Mapping[str, Any] | None = None) -> JobRow:
        """Return the row in `jobs` of a new run. Its spec and columns hold the whole configuration, with its models.

        `drawn` says which personas were sampled from a hub.
        """
        prices = config.embeddings_prices
        told = config.model_dump(mode="json", include=set(RunSpec.model_fields)) | {
            "world": scenario.world,
            "steps": config.steps if scenario.takes_steps else 0,
            "roles": config.dumped_roles,
            "embedding_prices": asdict(prices) if prices else None,
            "drawn": drawn,
        }
        spec = RunSpec.model_validate(told)
        row = self.make_row(
            "society" if scenario.takes_steps else "growth",
            spec.as_json(),
            seed=config.seed,
            limits=config.limits,
            cache=config.cache,
            batch=config.batch,
        )
        return replace(row, job=1)

    def check_continues(self, run: JobRow, path: Path | str, *, world: str) -> None:
        """Raise `RunFileError` if the run in `path` began with another embedding model or world text."""
        if self.embeddings is not None and self.embeddings.name != run.embedding_model:
            raise RunFileError(
                f"The run in {str(path)!r} was begun with the embedding model {run.embedding_model} and would "
                f"remember otherwise with {self.embeddings.name}; resume it as it was, or begin another."
            )
        spec = run.run_spec
        if world != spec.world:
            raise RunFileError(
                f"The world text of scenario {spec.scenario!r} is not the one that {path} began with, so its "
                f"answers would not fit; resume it with the script as it was, or run anew into another file."
            )


def open_roles(
    config: RunConfig, given: Mapping[str, BaseChatModel | ModelHandle] = MappingProxyType({})
) -> dict[str, tuple[ModelHandle, Prices | None]]:
    """Return the models of roles that have their own, with prices. `given` models take precedence over named ones.

    Raises `SetupError`, as `open_model` does, for a model that cannot be asked.
    """
    return {
        role: open_role(role, config.roles.get(role), given.get(role), config.base_url)
        for role in ROLES
        if role in config.roles or given.get(role) is not None
    }


def open_role(
    role: str, named: RoleModel | None, given: BaseChatModel | ModelHandle | None, shared: Sequence[str]
) -> tuple[ModelHandle, Prices | None]:
    """Return the model of a role with its prices, `given` or else named. `shared` are addresses of the default model.

    Raises `SetupError`, as `open_model` does, for a model that cannot be asked.
    """
    model = given or (named.model if named else "")
    if isinstance(model, str) and named is not None:
        # Only a model that is served somewhere can be asked where the default model is.
        address = named.base_url or (shared if model.startswith("openai:") else ()) or None
        try:
            model = open_model(model, base_url=address)
        except SetupError as error:
            own = parameter(f"{role.partition('-')[0]}_url")
            raise SetupError(f"The {role} {named.model} cannot be asked: {error} Its own address is {own}.") from error
    handle = model if isinstance(model, ModelHandle) else open_model(model)
    return handle, (named.prices if named else None) or known_prices(handle)


def stored_model(path: Path, *, role: str = "", has_address: bool = False) -> RoleModel:
    """Return the model that made the run or hub at `path`, or its model of this role, with address and prices.

    With `has_address`, the caller gives the address. Raises `SetupError` if no model made the file, if the model was an
    object of the caller's own, or if its address was not named on this machine.
    """
    with open_hub_or_run(path) as run:
        row = run_of(run) if run.query(_HAS_RUN).rows and run.query("SELECT 1 FROM runs").rows else None
        roles = row.run_spec.roles if row else {}
        own = RoleModel(**roles[role]) if role in roles else None
        if row is not None and own is None and run.query(_WAS_ASKED, {"model": row.model}).rows:
            prices = Prices(**orjson.loads(row.prices)) if row.prices else None
            own = RoleModel(model=row.model, base_url=tuple((row.base_url or "").split()), prices=prices)
    if row is None or own is None:
        raise SetupError(f"{str(path)!r} was made without asking a model; name one with {parameter('model')}.")
    if not is_nameable(own.model):
        raise SetupError(
            f"{str(path)!r} was made by {own.model}, a model that was given as an object; give it again, or name one "
            f"with {parameter('model')}."
        )
    kinds: tuple[TrustedKind, ...] = ("solver", "grader") if role in roles else ("address", "model")
    if not has_address and not is_named(row, kinds):
        where = f" at {' '.join(own.base_url)}" if own.base_url else ""
        raise SetupError(
            f"{str(path)!r} was not made here by you, and its model {own.model}{where} would be asked with your key; "
            f"if that is what you want, name both with {parameter('model')} and {parameter('base_url')}."
        )
    return own


def choose_model(
    path: Path,
    model: str | BaseChatModel | ModelHandle | None,
    base_url: str | Sequence[str] | None,
    prices: Prices | None,
) -> tuple[ModelHandle, Prices | None]:
    """Open the named model, and return it with its prices. Without a name, use the model that made the file at `path`.

    Raises what `stored_model` and `open_model` raise.
    """
    if model is None:
        own = stored_model(path, has_address=bool(base_url))
        model, base_url, prices = own.model, base_url or own.base_url or None, prices or own.prices
    handle = model if isinstance(model, ModelHandle) else open_model(model, base_url=base_url)
    return handle, prices or known_prices(handle)

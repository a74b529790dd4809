"""What jobs are asked to do, and with which models: specs that commands read without loading what runs them."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ..agents.gateway.limits import Prices
from ..core.errors import SetupError
from ..core.model import FrozenModel, Option, Spec
from ..core.prompt import find_language
from ..personas.profiles.biography import Tier


def as_addresses(given: object) -> object:
    """Return an address that stands alone as a tuple of one, and anything else as it is."""
    return (given,) if isinstance(given, str) and given else given or ()


class RoleModel(FrozenModel):
    """The model of a role."""

    #: The model by name.
    model: str
    #: Its endpoints; none for those of the run's default model, where it is asked at any.
    base_url: Annotated[tuple[str, ...], BeforeValidator(as_addresses)] = ()
    #: None where they are to be looked up.
    prices: Prices | None = None


class JobSpec(Spec):
    """What a job is to do. It is stored as it is; the specs of kinds add what they want."""

    #: Items whose results come into the file in one transaction.
    chunk: int = Field(200, ge=1)
    #: Models beside the first, by the role that they are asked in.
    roles: Mapping[str, RoleModel] = {}


class OutputSpec(JobSpec):
    """Which outputs a job is about, and who is asked; the specs of jobs add what they want of them."""

    #: None for all.
    kinds: Annotated[
        tuple[str, ...], Option("Only outputs of this kind; may be given again.  [default: all]", name="kind")
    ] = ()
    all: Annotated[bool, Option("Outputs that were rejected, too.")] = False
    n: Annotated[int | None, Option("How many of them, drawn by chance.  [default: all]")] = Field(None, ge=1)


class TranslatingSpec(OutputSpec):
    """Which outputs are translated, and into what."""

    language: Annotated[
        str,
        AfterValidator(find_language),
        Option("Language to translate into, for example French or fr.", metavar="NAME"),
    ]


class Enrichment(JobSpec):
    """What an enrichment is to find out, and about whom."""

    where: Annotated[
        str | None, Option("Whom: a condition on the columns of personas and profiles.", metavar="SQL")
    ] = None
    n: Annotated[int | None, Option("How many of them, drawn by chance.  [default: all]")] = Field(None, ge=1)
    wiki: Annotated[bool, Option("Biographies too; profiles that contradict each other are asked for again.")] = False
    only_evident: Annotated[bool, Option("What the model only assumes is unknown.")] = False
    replace: Annotated[bool, Option("Ask for what is there already, too.")] = False
    skill: Annotated[
        str | None,
        Option("Instead: make elite personas, among the best at this skill.", name="raise", metavar="SKILL"),
    ] = None
    tier: Annotated[Tier | None, Option("How high: the top 1 or 0.1 per cent.")] = None
    chunk: int = Field(500, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.skill is None) != (self.tier is None):
            raise SetupError("Raising somebody takes a skill and a tier: --raise SKILL --tier 1% (or 0.1%).")
        if self.skill is not None and (self.wiki or self.only_evident):
            raise SetupError("--raise makes new personas; --wiki and --only-evident do not go with it.")
        return self

    @property
    def lacking(self) -> tuple[str, ...]:
        """The tables of which at least one must lack a persona for it to be asked about; none for everybody."""
        if self.replace or self.skill is not None:
            return ()
        return ("profiles", "biographies") if self.wiki else ("profiles",)

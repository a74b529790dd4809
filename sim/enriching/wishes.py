"""What is wished of an enrichment."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...personas.errors import SetupError
from ...personas.profiles.elite import Tier

__all__ = ["Enrichment"]


class Enrichment(BaseModel):
    """What is to be known of whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: A condition in SQL on the columns of personas and profiles; None for everybody.
    where: str | None = None
    #: How many of those, drawn by chance; None for all.
    n: int | None = Field(None, ge=1)
    #: Biographies too; and profiles that contradict those of tied people are asked for once more.
    wiki: bool = False
    #: What the model only assumes is unknown.
    only_evident: bool = False
    #: Ask for what is there already, too.
    replace: bool = False
    #: Instead of profiles: raise these people to this tier of this skill.
    skill: str | None = None
    tier: Tier | None = None
    #: People whose results come into the hub in one transaction.
    chunk: int = Field(500, ge=1)

    @classmethod
    def given(cls, **options: Any) -> Self:
        """Wishes from options of which some are None, that is, not given. Raises `SetupError` in one sentence."""
        try:
            wishes = cls.model_validate({name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            said = first["msg"].removeprefix("Input should ").replace("greater than or equal to", "at least").lower()
            raise SetupError(f"{first['loc'][0]} must {said}, but {first['input']!r} was given.") from error
        wishes.check()
        return wishes

    def check(self) -> None:
        """Raise `SetupError` for wishes that do not go together."""
        if (self.skill is None) != (self.tier is None):
            raise SetupError("Raising somebody takes a skill and a tier: --raise SKILL --tier 1% (or 0.1%).")
        if self.skill is not None and (self.wiki or self.only_evident):
            raise SetupError("--raise makes new personas; --wiki and --only-evident do not go with it.")

    @property
    def lacking(self) -> tuple[str, ...]:
        """The tables of which at least one must lack a persona for it to be asked about; none for everybody."""
        if self.replace or self.skill is not None:
            return ()
        return ("profiles", "biographies") if self.wiki else ("profiles",)

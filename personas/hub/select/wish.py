"""What somebody wants of a hub: who may be chosen, how many, and by which rule."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ...errors import SetupError
from .marginals import Marginals

__all__ = ["Quota", "Rule", "Wish", "parse_quota"]

#: By which rule people are chosen: all of them, at random, in proportion, in equal parts, by quota, to meet targets.
type Rule = Literal["everybody", "random", "stratify", "balance", "quota", "targets"]

#: One share of a quota, `value:number`; a value with a comma or colon in it stands between double quotes.
_SHARE = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^",][^,]*?))\s*:\s*(\d{1,12})\s*(?:,|$)')

_RULES: tuple[Rule, ...] = ("stratify", "balance", "quota", "targets")


class Quota(BaseModel):
    """How many people there are to be of each value of a column."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str = Field(min_length=1)
    counts: dict[str, Annotated[int, Field(ge=1)]] = Field(min_length=1)

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        return f"{self.column}=" + ",".join(f"{_quoted(value)}:{count}" for value, count in self.counts.items())


class Wish(BaseModel):
    """Who is to be chosen from a hub. Without `n` everybody is who meets `where`, or as many as a quota says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: One condition in SQL over the columns of `people`; None for everybody.
    where: str | None = None
    n: int | None = Field(None, ge=1)
    #: Columns in whose combinations the chosen are spread as the candidates are.
    stratify: tuple[str, ...] = ()
    #: Columns of whose combinations there are to be equally many.
    balance: tuple[str, ...] = ()
    quota: Quota | None = None
    #: Shares that the chosen are to meet in several variables at once.
    targets: Marginals | None = None
    #: Whether people are chosen to be as unlike each other as possible instead of at random.
    diverse: bool = False
    seed: int = Field(0, ge=0, lt=2**63)
    #: What the selection, and the view of it, is called; None when it is not to be kept.
    name: str | None = None
    #: Whether near-duplicates may be chosen too.
    with_duplicates: bool = False
    #: Whether fewer than asked for will do where there are no more.
    allow_fewer: bool = False

    @classmethod
    def given(cls, **options: Any) -> Self:
        """A wish from options of which some are None, that is, not given. Raises `SetupError` in one sentence."""
        try:
            return cls.model_validate({name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            raise SetupError(_sentence(error.errors(include_url=False)[0])) from error

    @property
    def rule(self) -> Rule:
        """By which rule people are chosen."""
        return next(
            (rule for rule in _RULES if getattr(self, rule)), "random" if self.n or self.diverse else "everybody"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the rule is about."""
        if self.targets is not None:
            return self.targets.variables
        return (self.quota.column,) if self.quota is not None else self.stratify or self.balance

    @property
    def wanted(self) -> int | None:
        """How many people are asked for; None for everybody."""
        return self.quota.total if self.quota is not None else self.n

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        rules = [rule for rule in _RULES if getattr(self, rule)]
        if len(rules) > 1:
            raise _refusal(f"--{rules[0]} and --{rules[1]} are two rules for one choice; leave one out.")
        if self.quota is not None and self.n not in (None, self.quota.total):
            raise _refusal(f"--quota asks for {self.quota.total:,} people and --n for {self.n:,}; leave --n out.")
        if self.diverse and self.targets is not None:
            raise _refusal("--targets draws by weights and --diverse by distance; leave one out.")
        if self.wanted is None and (rules or self.diverse):
            raise _refusal(f"--{rules[0] if rules else 'diverse'} needs to know how many people to choose; add --n.")
        return self


def parse_quota(text: str) -> Quota:
    """The quota written as `region=north:100,south:50`. Raises `SetupError`."""
    column, _, shares = text.partition("=")
    counts: dict[str, int] = {}
    at = 0
    while at < len(shares) and (share := _SHARE.match(shares, at)):
        value = share[1].replace('""', '"') if share[1] is not None else share[2]
        if value in counts:
            raise SetupError(f"--quota names {value!r} twice; add the two numbers up.")
        counts[value] = int(share[3])
        at = share.end()
    if not column.strip() or not counts or at < len(shares):
        raise SetupError(f"--quota is {text!r}; write it as COLUMN=VALUE:NUMBER,VALUE:NUMBER.")
    empty = next((value for value, count in counts.items() if count == 0), None)
    if empty is not None:
        raise SetupError(f"--quota asks for nobody of {empty!r}; leave it out, or give a number from 1.")
    return Quota(column=column.strip(), counts=counts)


def _quoted(value: str) -> str:
    return value if _SHARE.fullmatch(f"{value}:1") and '"' not in value else '"' + value.replace('"', '""') + '"'


def _refusal(sentence: str) -> PydanticCustomError:
    # The message is a template to pydantic, in which braces would be places.
    return PydanticCustomError("wish", "{sentence}", {"sentence": sentence})


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "wish":
        return str(error["msg"])
    name = ".".join(map(str, error["loc"]))
    given = error["input"]
    if name in {"n", "seed"}:
        least = 1 if name == "n" else 0
        return f"--{name} is {given!r}; it must be a whole number from {least}."
    return f"The wish's {name} is {given!r}: {error['msg']}."

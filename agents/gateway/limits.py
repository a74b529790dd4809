"""What a run may do to an endpoint and what it may cost; no result depends on any of it.

How long to wait before a request is sent again.
"""

import random
from dataclasses import dataclass
from typing import Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ...personas.errors import SetupError, parameter

__all__ = ["Backoff", "Limits"]


#: Parameters of a request that have another place than `extra_body`.
_OURS = frozenset(
    {"model", "messages", "stream", "n", "seed", "max_tokens", "max_completion_tokens", "response_format", "tools"}
    | {"temperature", "top_p"}
)


class Limits(BaseModel):
    """The bounds of a run's calls, its retries and its sampling; None is no bound, or the endpoint's own default.

    Answers depend on `retry_refusals` and on the sampling, and on nothing else here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Calls under way at once, over all endpoints: where their number begins, and what it never passes.
    max_in_flight: int = Field(64, ge=1)
    #: Calls begun, and tokens used (asked and answered), within any minute.
    rpm: int | None = Field(None, ge=1)
    tpm: int | None = Field(None, ge=1)
    #: The budget of the whole run, all of its sessions together; `max_cost` is in US dollars.
    max_calls: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    max_cost: float | None = Field(None, gt=0)
    #: The share of the latest calls that may fail before the run is paused; 1 for never.
    max_error_rate: float = Field(0.8, gt=0, le=1)
    #: Seconds a call may take.
    timeout: float = Field(120.0, gt=0)
    #: Seconds to wait for an endpoint that is gone before the run is paused; 0 for none.
    wait: float = Field(300.0, ge=0)
    #: How often another answer is asked for, with another seed, when the model refuses.
    retry_refusals: int = Field(0, ge=0)
    #: Sampling, sent with every request to a chat model, and part of its hash where it is given.
    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    #: Further parameters of the request, by name, as the endpoint knows them (`{"top_k": 40}`).
    extra_body: dict[str, Any] | None = None

    @field_validator("extra_body", mode="before")
    @classmethod
    def _check_extra_body(cls, given: object) -> object:
        if given in (None, "", {}):
            return None
        try:
            parsed = orjson.loads(given) if isinstance(given, str) else given
        except orjson.JSONDecodeError as error:
            raise ValueError(f"be a JSON object ({error})") from error
        if not isinstance(parsed, dict):
            raise ValueError("be a JSON object")
        if taken := sorted(_OURS & parsed.keys()):
            raise ValueError(f"not hold {', '.join(taken)}, which Populace sets itself")
        return parsed

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling parameters that are given, as keyword arguments of a LangChain chat model."""
        return self.model_dump(include={"temperature", "top_p", "extra_body"}, exclude_none=True)

    @classmethod
    def given(cls, **options: Any) -> Self:
        """Limits from options of which some are None, that is, not given. Raises `SetupError` in one sentence."""
        try:
            return cls.model_validate({name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            said = first["msg"].removeprefix("Input should ").replace("greater than or equal to", "at least").lower()
            said = said.removeprefix("value error, ")
            raise SetupError(
                f"{parameter(str(first['loc'][0]))} must {said}, but {first['input']!r} was given."
            ) from error

    def changed(self, **options: Any) -> Self:
        """These limits with those options that are not None in place. Raises `SetupError` in one sentence."""
        return self.given(**self.model_dump() | {n: v for n, v in options.items() if v is not None})


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential waits with full jitter, never shorter than the endpoint asks for. All in seconds."""

    base: float = 0.5
    cap: float = 30.0
    #: A request whose endpoint asks to wait longer than this is given up.
    patience: float = 600.0

    def delay(self, attempt: int, rng: random.Random, *, asked: float | None = None) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 1); None when the endpoint asks for too much.

        The first two times, a wait that the endpoint asks for is kept to within a twentieth of it.
        """
        if asked is not None and asked > self.patience:
            return None
        # Capped first: 2 to the power of a large attempt is no float.
        ceiling = min(self.cap, self.base * 2 ** min(attempt - 1, 60))
        if asked and attempt <= 2:
            ceiling = min(ceiling, asked / 20)
        return (asked or 0.0) + rng.uniform(0.0, ceiling)

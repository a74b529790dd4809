"""What growing personas asks of a language model, declared here and implemented by the gateway in `agents`.

One async method: a prompt and the schema of the answer go in, a typed answer or a typed outcome comes out.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from .prompt import RenderedPrompt

__all__ = ["Answer", "AnswerGenerator", "AnswerSchema", "Outcome", "PersonaModel", "RequestContext", "strict_schema"]


class Outcome(StrEnum):
    """How one request ended. Exactly one of these is true of every attempt; only `OK` carries a value."""

    OK = "ok"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    DROPPED = "dropped"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CUT_JSON = "cut_json"
    NOT_JSON = "not_json"
    SCHEMA_MISMATCH = "schema_mismatch"
    EMPTY = "empty"
    REFUSAL = "refusal"
    LENGTH = "length"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    MODEL_ERROR = "model_error"
    #: Not sent, because the budget was spent.
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """When and for whom a request is made; with the request itself, this is what a resumed run looks answers up by."""

    #: The kind of work: "growth", "step", or another job's own name.
    phase: str
    #: The hop of growth (0 is Text-to-Persona) or the step of the society (from 1).
    number: int
    #: The passage or persona on whose behalf the request is made.
    owner: str
    #: Sent as the request's sampling seed: drawn from run seed, phase, number and owner.
    seed: int
    #: Which of several answers to one and the same request this is: a cache gives each its own.
    replicate: int = 0
    #: The job on whose behalf it is made, as numbered in its run file.
    job: int = 1


#: Proposes values for an answer, from a random number generator, what the request says (`Situation` of
#: `agents.procedural`) and the answer's JSON Schema; None where the stand-in's own will do.
type AnswerGenerator = Callable[[random.Random, Any, Mapping[str, Any]], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class AnswerSchema[T]:
    """The shape an answer must have: a strict JSON Schema to send, and the check that turns JSON into `T`."""

    name: str
    json_schema: Mapping[str, Any]
    #: Raises `pydantic.ValidationError` or `ValueError`, whose text is shown to the model when it is asked again.
    validate: Callable[[object], T]
    #: What can be answered, by name, as the actions of a turn; each with the function that generates it where no
    #: language model is asked. Neither hashed nor sent to an endpoint.
    generators: Mapping[str, AnswerGenerator] = field(default_factory=dict)

    @staticmethod
    def of[M: BaseModel](model: type[M]) -> "AnswerSchema[M]":
        """The schema of a pydantic model, built once per class."""
        return _schema_of(model)

    def complaint(self, error: ValueError) -> str:
        """One line per mistake, in words a model can act on."""
        if not isinstance(error, ValidationError):
            return str(error)
        return "\n".join(
            f"{'.'.join(map(str, e['loc'])) or self.name}: {e['msg']}" for e in error.errors(include_url=False)
        )


@cache
def _schema_of[M: BaseModel](model: type[M]) -> AnswerSchema[M]:
    return AnswerSchema(model.__name__, strict_schema(model.model_json_schema()), model.model_validate)


@dataclass(frozen=True, slots=True)
class Answer[T]:
    """A typed answer, or the outcome and reason why there is none."""

    outcome: Outcome
    value: T | None = None
    #: Why there is no value, in one sentence; empty when there is one.
    reason: str = ""
    #: Requests sent or recalled for this answer, re-asks and retries included.
    attempts: int = 1
    #: The text that was parsed, as the model wrote it.
    raw: str = ""


class PersonaModel(Protocol):
    """Anything that can be asked for a typed answer."""

    @property
    def name(self) -> str:
        """The model by name, as it is written into every row that it made."""
        ...

    async def ask[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], context: RequestContext) -> Answer[T]:
        """Ask once, re-asking and retrying as the gateway's policy has it.

        Raises `EndpointError` when no further call can succeed (wrong key, no such model, unreachable).
        """
        ...


_DROPPED = frozenset({"default", "discriminator", "title"})


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same schema with every object closed and every property required, without defaults and titles.

    Strict mode of structured output accepts no other objects; `title` and `default` only cost tokens.
    The order of properties is kept: it is the order in which a constrained model writes them.
    """
    strict: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _DROPPED:
            continue
        if key == "oneOf":  # strict mode knows only anyOf
            strict["anyOf"] = _strict_value(value)
        elif key in ("properties", "$defs"):
            strict[key] = {name: strict_schema(sub) for name, sub in value.items()}
        else:
            strict[key] = _strict_value(value)
    if "properties" in strict:
        strict["required"] = list(strict["properties"])
        strict["additionalProperties"] = False
    return strict


def _strict_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return strict_schema(value)
    if isinstance(value, list):
        return [_strict_value(item) for item in value]
    return value

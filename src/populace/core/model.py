"""The protocol of language models, implemented by the gateway in `agents`; and specs, whose fields are options.

One async method: a prompt and the schema of the answer go in, a typed answer or a typed outcome comes out.
"""

import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from .errors import SetupError, parameter
from .inputs import shown
from .prompt import RenderedPrompt
from .text import canonical_text, words

#: Shown wherever text of the built-in generator goes.
PROCEDURAL_NOTICE: Final = "Text by the built-in generator, not a language model: draw no conclusions from it."


class FrozenModel(BaseModel):
    """The base of pydantic models that take no unknown field and are not changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Outcome(StrEnum):
    """How one request ended. Every attempt has exactly one outcome; only `OK` carries a value."""

    OK = "ok"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    DROPPED = "dropped"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CUT_JSON = "cut_json"
    NOT_JSON = "not_json"
    SCHEMA_MISMATCH = "schema_mismatch"
    #: A text of the answer holds a control character: mostly a backslash that was not escaped in JSON.
    CONTROL_CHARACTERS = "control_characters"
    EMPTY = "empty"
    REFUSAL = "refusal"
    LENGTH = "length"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    MODEL_ERROR = "model_error"
    #: More came than a response may hold; it was not read to its end.
    TOO_LARGE = "too_large"
    #: Not sent, because the budget was spent.
    BUDGET = "budget"


#: A prime, so that seeds of replicates do not meet those of requests for another answer, which count up by one.
_SEED_STEP = 1_000_003


class AnswerMistake(StrEnum):
    """What a check found wrong with an answer of the right form, where that is counted: the code of `calls.mistake`."""

    #: Words are given as evidence that are not in the description.
    MISQUOTATION = "misquotation"
    #: A biography contradicts what is known of the person.
    INCONSISTENCY = "inconsistency"


class AnswerError(ValueError):
    """An answer that has the right form and cannot be used, with the code of the mistake."""

    def __init__(self, complaint: str, mistake: AnswerMistake) -> None:
        super().__init__(complaint)
        self.mistake = mistake


#: The role in which no model takes the place of another: that of somebody who takes an agent's turns.
HUMAN = "human"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """When and for whom a request is made. With the request itself, it is the key under which answers are resumed."""

    #: The kind of work: "growth", "step", or another job's own name.
    phase: str
    #: The hop of growth (0 is Text-to-Persona) or the step of the society (from 1).
    number: int
    #: The passage or persona on whose behalf the request is made.
    owner: str
    #: Sent as the request's sampling seed: drawn from run seed, phase, number and owner.
    seed: int
    #: Numbers several answers to the same request, so that a cache gives each its own.
    replicate: int = 0
    #: The job on whose behalf it is made, as numbered in its run file.
    job: int = 1
    #: Which of the run's models is asked: "default", "solver", "grader" or "human"; the default where a role has no
    #: model, unless it is `HUMAN`.
    role: str = "default"

    def vary_context(self, *, role: str | None = None, replicate: int = 0) -> "RequestContext":
        """Return the same context for another role, or for one of several answers to the same request, from 0.

        Each replicate has a sampling seed of its own.
        """
        seed = (self.seed + replicate * _SEED_STEP) % 2**31 if replicate else self.seed
        return replace(self, role=role or self.role, seed=seed, replicate=self.replicate + replicate)


#: Proposes values for an answer, from a random number generator, what the request says (`Situation` of
#: `agents.procedural`) and the answer's JSON Schema; None where the stand-in's own will do.
type AnswerGenerator = Callable[[random.Random, Any, Mapping[str, Any]], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class TextForm:
    """How an answer that is too long for JSON stands in plain text."""

    name: str
    #: The fields in a text. Raises `ValueError`, whose text is shown to the model when it is asked again.
    read: Callable[[str], Mapping[str, Any]]
    #: The text for fields: how the stand-in answers.
    write: Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class NativeTools:
    """How an endpoint is asked that calls tools itself; its reply is written as the JSON that others answer with."""

    #: The conversation and the tools, in OpenAI's form.
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    #: The fields of the answer, from the calls (name, and arguments as JSON) and the text that came with them; None
    #: for a text that is no answer.
    read: Callable[[Sequence[tuple[str, str]], str], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class AnswerSchema[T]:
    """The form of an answer: a strict JSON Schema to send, and the check that parses JSON to `T`.

    With a `text_form` the answer is plain text, and the prompt says how it is to stand there: no schema is sent.
    """

    name: str
    json_schema: Mapping[str, Any]
    #: Raises `pydantic.ValidationError` or `ValueError`, whose text is shown to the model when it is asked again.
    validate: Callable[[object], T]
    #: What can be answered, by name, as the actions of a turn; each with the function that generates it where no
    #: language model is asked. Neither hashed nor sent to an endpoint.
    generators: Mapping[str, AnswerGenerator] = field(default_factory=dict)
    text_form: TextForm | None = None
    #: Sent in place of messages and schema where an endpoint takes it. Not hashed: the answer is the same JSON.
    native: NativeTools | None = None

    @property
    def sent(self) -> Mapping[str, Any]:
        """What a request is told of the form beside its messages, and is hashed with."""
        return self.json_schema if self.text_form is None else {"text": self.text_form.name}

    @staticmethod
    def of[M: BaseModel](model: type[M]) -> "AnswerSchema[M]":
        """Return the schema of a pydantic model, built once per class."""
        return _schema_of(model)

    def then[U](self, change: Callable[[T], U]) -> "AnswerSchema[U]":
        """Return the same schema, whose answer is what `change` makes of it."""
        return replace(self, validate=lambda answer: change(self.validate(answer)))  # type: ignore[arg-type, return-value]

    def complaint(self, error: ValueError) -> str:
        """Return one line per mistake, worded so that a model can correct it."""
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
    """A typed answer, or the outcome and the reason why it is missing."""

    outcome: Outcome
    value: T | None = None
    #: Why there is no value, in one sentence; empty when there is one.
    reason: str = ""
    #: Requests sent or replayed for this answer, including repeats and retries.
    attempts: int = 1
    #: The text that was parsed, as the model wrote it; empty, too, where the endpoint could not read its own answer.
    raw: str = ""
    #: Whether anything came that could be parsed.
    has_come: bool = True
    #: What to tell the model when it is asked again.
    complaint: str = ""
    #: What the schema's own check found, where that has a code.
    mistake: AnswerMistake | None = None
    #: What was repaired before parsing, as in `calls.repair`.
    repair: str = ""


class PersonaModel(Protocol):
    """A model that gives typed answers."""

    @property
    def name(self) -> str:
        """The name of the model, as written into every row that it made."""
        ...

    async def ask[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], context: RequestContext) -> Answer[T]:
        """Ask once; the gateway's policy decides about repeats and retries.

        Raises `EndpointError` when no further call can succeed (wrong key, no such model, unreachable).
        """
        ...


_DROPPED = frozenset({"default", "discriminator", "title"})


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with every object closed and every property required, without defaults and titles.

    The strict mode of structured output accepts no other objects. `title` and `default` only cost tokens. The order of
    properties is kept, because constrained models write them in this order.
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


#: Most characters of a description: five times the longest that the paper shows.
LONGEST = 1_200

_UNWRITABLE = ("Cc", "Cs")


def parse_description(text: str) -> str:
    """Return the canonical text of a description.

    Raises `ValueError` for a description without words, too long, or not printable.
    """
    text = canonical_text(text)
    if not words(text):
        raise ValueError("a description needs words; say in a sentence or two who the person is")
    if len(text) > LONGEST:
        raise ValueError(f"a description of {len(text)} characters is too long; use a sentence or two")
    if any(unicodedata.category(character) in _UNWRITABLE for character in text):
        raise ValueError("a description holds control characters or halves of characters; write plain text")
    return text


Description = Annotated[
    str,
    AfterValidator(parse_description),
    Field(description="One person, in the third person, starting with what that person is.", max_length=LONGEST),
]


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a command, for a field of a spec. Its type, and whether it repeats, follow from the field."""

    help: str
    #: Its name without dashes; None for the name of the field.
    name: str | None = None
    metavar: str | None = None
    #: The panel of the command's help that lists it.
    panel: str = "Options"


def iter_options(spec: type[BaseModel]) -> Iterator[tuple[str, FieldInfo, Option]]:
    """Yield each field of a spec that has an option: its name, itself and the option."""
    for name, info in spec.model_fields.items():
        for option in info.metadata:
            if isinstance(option, Option):
                yield name, info, option


def given_fields(spec: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given for the fields of a spec, by field; None and () are not given."""
    return {name: options[name] for name, _, _ in iter_options(spec) if options.get(name) not in (None, ())}


class Spec(FrozenModel):
    """The base of specs, which are built from options and refuse what cannot be in one sentence."""

    #: What a field must be, by name, where that is not said by its type and bounds.
    ways_out: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def given(cls, **options: Any) -> Self:
        """Build the spec from options. None means not given. Raises `SetupError` in one sentence."""
        return cls.parse({name: value for name, value in options.items() if value is not None})

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Build the spec from the values of its fields. Raises `SetupError` in one sentence."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            # The innermost field: a part of a spec may have specs of its own.
            name = next((one for one in reversed(first["loc"]) if isinstance(one, str)), cls.__name__)
            if first["type"] == "missing":
                raise SetupError(f"{parameter(name)} is missing; give it.") from error
            said = re.sub(r"^(\w+ should |Value error, )", "", first["msg"])
            for words, plain in (("greater than or equal to", "at least"), ("less than or equal to", "at most")):
                said = said.replace(words, plain)
            wanted = f"be {cls.ways_out[name]}" if name in cls.ways_out else said
            raise SetupError(f"{parameter(name)} must {wanted}, but {shown(first['input'])} was given.") from error

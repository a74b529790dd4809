"""What one endpoint accepts, learnt from its answers and refusals.

    tools          tools ──► output mode, for schemas with `NativeTools`
    output mode    json_schema ──► json_schema without bounds ──► json_object ──► prompt
    seed           seed ──► none
    max_tokens     max_tokens ──► max_completion_tokens ──► none
    stream         stream with its usage ──► stream ──► none

A request that is refused falls back at once; the endpoint's own setting changes only when an answer came that way,
so a request that would be refused in any form teaches nothing. A bound that a refusal names (`'minLength' is not
permitted`) is left out from then on, and the others stay. A model that takes a form and never keeps it is told
the form in the prompt from then on.
"""

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, Final

import orjson
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from ...core.model import AnswerSchema, NativeTools, Outcome
from ...core.prompt import PromptMessage, RenderedPrompt, load_prompt
from ..endpoint.errors import RequestError
from ..endpoint.response import ModelResponse
from ..text_faults import is_refusal

_ROOM = (__package__ or "").rpartition(".")[0]

#: Keywords that endpoints with structured output take or refuse, each its own way.
_BOUNDS = frozenset({"minLength", "maxLength", "pattern", "minItems", "maxItems", "minimum", "maximum", "uniqueItems"})

#: A bound that a refusal names; those that are ordinary words count in quotation marks alone.
_NAMED_BOUND = re.compile(
    r"(?<!\w)(minLength|maxLength|minItems|maxItems|uniqueItems)(?!\w)|['\"`](pattern|minimum|maximum)['\"`]"
)

#: Longest text whose length a schema bounds: llama.cpp's grammars repeat nothing more than 2,000 times, and large
#: bounds make any grammar slow. Answers are held to longer bounds when they are read.
_LONGEST_BOUND = 1_500

#: Words by which a refusal shows that it is about the form.
_ABOUT_FORM = ("response_format", "json_schema", "json_object", "schema", "structured", "grammar")

#: Words by which a refusal shows that it is about tools; llama.cpp without templates says so with the status 500.
_ABOUT_TOOLS = re.compile(r"(?<![a-z])(?:tools?|tool_choice|function.?call(?:s|ing)?)(?![a-z])", re.IGNORECASE)

#: Answers in another form than was asked for, with none in it before, after which the prompt itself asks for the form.
_UNHEEDED = 3

#: Schemas that are kept ready as they are sent.
_KEPT = 256


class OutputMode(StrEnum):
    """The ways to ask for a form, best first."""

    STRICT = "json_schema"
    #: The schema without bounds and patterns, which not every endpoint takes; answers are still checked by all of it.
    PLAIN = "json_schema_plain"
    JSON = "json_object"
    PROMPT = "prompt"
    #: Plain text in a form that the prompt describes; no endpoint refuses that.
    TEXT = "text"
    #: The endpoint's own calling of tools, for schemas that are asked for so.
    TOOLS = "tools"


_BELOW = {OutputMode.STRICT: OutputMode.PLAIN, OutputMode.PLAIN: OutputMode.JSON, OutputMode.JSON: OutputMode.PROMPT}
_RANK = {mode: rank for rank, mode in enumerate(OutputMode)}


class OutputModes:
    """What one endpoint is known to accept."""

    def __init__(self, start: OutputMode = OutputMode.STRICT, *, takes_all: bool = False) -> None:
        #: Whether it is the stand-in, which makes no grammar and takes every schema as it is.
        self._takes_all = takes_all
        #: The form that requests begin with.
        self.mode = start
        self._answered: set[OutputMode] = set()
        self._by_schema: dict[str, OutputMode] = {}
        self._made: dict[tuple[int, object], tuple[Mapping[str, Any], Any]] = {}
        #: Bounds that the endpoint has refused by name.
        self.left_out: frozenset[str] = frozenset()
        #: Answers so far in another form than was asked for; None once one had the form.
        self._unheeded: int | None = 0
        #: Replies so far without a call where one was due; None once there was a call.
        self._uncalled: int | None = 0

    def mode_for(self, schema: AnswerSchema[Any], *, native: bool = False) -> OutputMode:
        """Return the form to try first for this schema. `native` means that the endpoint may call tools itself."""
        if native and schema.native is not None and (self._uncalled is None or self._uncalled < _UNHEEDED):
            return OutputMode.TOOLS
        if schema.text_form is not None:
            return OutputMode.TEXT
        return max(self.mode, self._by_schema.get(schema.name, self.mode), key=_RANK.__getitem__)

    def arguments(
        self, mode: OutputMode, prompt: RenderedPrompt, schema: AnswerSchema[Any]
    ) -> tuple[list[BaseMessage], dict[str, Any]]:
        """Return the messages and the keyword arguments that ask for `schema` in a form of this kind."""
        if mode in (OutputMode.STRICT, OutputMode.PLAIN):
            left_out = self.left_out if mode is OutputMode.STRICT else _BOUNDS
            shape = (
                schema.json_schema
                if self._takes_all
                else self._keep_made(schema.json_schema, left_out, partial(sent_shape, left_out=left_out))
            )
            form = {"name": _schema_name(schema.name), "schema": shape, "strict": True}
            return _make_messages(prompt.messages), {"response_format": {"type": "json_schema", "json_schema": form}}
        if mode is OutputMode.TOOLS and schema.native is not None:
            return [_native_message(one) for one in schema.native.messages], {"tools": list(schema.native.tools)}
        if mode is OutputMode.TEXT:
            return _make_messages(prompt.messages), {}
        messages = _make_messages(
            _with_form(prompt.messages, self._keep_made(schema.json_schema, "text", schema_instructions))
        )
        return messages, {"response_format": {"type": mode.value}} if mode is OutputMode.JSON else {}

    def choose_fallback(
        self, mode: OutputMode, fault: RequestError, schema: AnswerSchema[Any], left_out: AbstractSet[str] | None = None
    ) -> OutputMode | None:
        """Return the form in which to repeat a request that was refused in `mode`, or None if that is not to blame.

        `left_out` are the bounds that the request was sent without, if `self.left_out` may have grown since.
        """
        if mode is OutputMode.TOOLS:
            return self._without_tools(fault, schema)
        # A foreign chat model may choke on an argument that it does not know.
        if mode is OutputMode.TEXT or fault.outcome not in (Outcome.BAD_REQUEST, Outcome.MODEL_ERROR):
            return None
        settled = self.mode_for(schema)
        if _RANK[settled] > _RANK[mode]:  # another request found out while this one was under way
            return settled
        named = {one[1] or one[2] for one in _NAMED_BOUND.finditer(fault.detail)}
        if mode is OutputMode.STRICT and (named := named - (self.left_out if left_out is None else left_out)):
            self.left_out |= named
            return mode
        about_form = any(word in fault.detail.lower() for word in _ABOUT_FORM)
        return _BELOW.get(mode) if about_form or mode not in self._answered else None

    def learn(self, mode: OutputMode, schema: AnswerSchema[Any]) -> None:
        """Record that a request in `mode` was answered."""
        if mode in (OutputMode.TEXT, OutputMode.TOOLS) or self._is_unheeded:
            return
        if _RANK[mode] > _RANK[self.mode_for(schema)]:
            self._by_schema[schema.name] = mode
            # An endpoint that did take the better form only refuses this schema in it.
            if self.mode not in self._answered:
                self.mode = mode
        elif _RANK[mode] < _RANK[self.mode]:
            self.mode = mode
        self._answered.add(mode)

    def note_outcome(self, mode: OutputMode, outcome: Outcome, text: str) -> None:
        """Record the outcome of an answer in this form.

        A form that the endpoint takes but the model never keeps is of no use. A refusal in plain words says nothing
        about the form.
        """
        is_known = self._unheeded is None or self._is_unheeded
        if is_known or mode in (OutputMode.TEXT, OutputMode.TOOLS, OutputMode.PROMPT) or is_refusal(text):
            return
        if outcome is Outcome.OK:
            self._unheeded = None
        elif outcome in (Outcome.NOT_JSON, Outcome.SCHEMA_MISMATCH):
            self._unheeded = (self._unheeded or 0) + 1
            if self._is_unheeded:
                self.mode = OutputMode.PROMPT

    def read_native(self, native: NativeTools, response: ModelResponse) -> ModelResponse:
        """Write a reply to a request in `TOOLS` as JSON, and record whether the model calls tools."""
        calls = [(name, arguments) for name, arguments in orjson.loads(response.tool_calls or "[]")]
        answer = native.read(calls, response.raw)
        if calls:
            self._uncalled = None
        elif answer is None and self._uncalled is not None:
            self._uncalled += 1
        return response if answer is None else replace(response, raw=orjson.dumps(answer).decode())

    def _without_tools(self, fault: RequestError, schema: AnswerSchema[Any]) -> OutputMode | None:
        """Return the form in which to repeat a request whose tools may have been refused, or None for other faults."""
        is_named = _ABOUT_TOOLS.search(fault.detail) is not None
        if fault.outcome not in _REFUSALS and not (is_named and fault.outcome is Outcome.SERVER_ERROR):
            return None
        if is_named:
            self._uncalled = _UNHEEDED
        elif self._uncalled is None:
            return None
        return self.mode_for(schema)

    @property
    def _is_unheeded(self) -> bool:
        return self._unheeded is not None and self._unheeded >= _UNHEEDED

    def _keep_made(self, schema: Mapping[str, Any], what: object, make: Callable[[Mapping[str, Any]], Any]) -> Any:
        # Kept by identity, and the schema with it: the number of an object that is gone is given away again.
        kept = self._made.get((id(schema), what))
        if kept is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            kept = self._made[id(schema), what] = (schema, make(schema))
        return kept[1]


def schema_instructions(schema: Mapping[str, Any]) -> str:
    """Return the prompt that asks for one JSON object valid under `schema`."""
    written = orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode()
    return load_prompt(_ROOM, "json_form").render(schema=written).messages[-1][1]


def sent_shape(schema: Any, left_out: AbstractSet[str]) -> Any:
    """Return the schema without the bounds `left_out` and without text lengths that are too long for grammars."""
    if isinstance(schema, list):
        return [sent_shape(item, left_out) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    # A property may be called like a bound; then its value is a schema and no number or pattern.
    return {
        key: sent_shape(value, left_out)
        for key, value in schema.items()
        if isinstance(value, Mapping)
        or not (key in left_out or (key == "maxLength" and isinstance(value, int) and value > _LONGEST_BOUND))
    }


@lru_cache(maxsize=_KEPT)
def _schema_name(name: str) -> str:
    # Endpoints take letters, digits, _ and - only, and 64 of them.
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)[:64] or "answer"


def _with_form(messages: tuple[PromptMessage, ...], form: str) -> tuple[PromptMessage, ...]:
    if messages and messages[0][0] == "system":
        return (("system", f"{messages[0][1]}\n\n{form}"), *messages[1:])
    return (("system", form), *messages)


def _make_messages(messages: tuple[PromptMessage, ...]) -> list[BaseMessage]:
    return [_CLASSES[role](text) for role, text in messages]


def _native_message(told: Mapping[str, Any]) -> BaseMessage:
    if told["role"] == "tool":
        return ToolMessage(told["content"], tool_call_id=told["tool_call_id"], name=told["name"])
    if calls := told.get("tool_calls"):
        return AIMessage(told["content"] or "", additional_kwargs={"tool_calls": calls})
    return _CLASSES[told["role"]](told["content"])


_CLASSES: dict[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


_SEED: Final = "seed"
_LENGTH: Final = "max_tokens"
_NEWER: Final = "max_completion_tokens"
_USAGE: Final = "stream_options"
_STREAM: Final = "stream"

#: Parameters that some endpoints do not take.
PARAMETERS: Final = frozenset({_SEED, _LENGTH, _NEWER, _USAGE, _STREAM})
#: A parameter by its name, and by no longer name that holds it.
_NAMES = {name: re.compile(rf"(?<!\w){name}(?!\w)") for name in (_SEED, _LENGTH, _NEWER, _USAGE)}
_NAMES[_STREAM] = re.compile(r"(?<!\w)stream(?:ing|ed)?(?!\w)", re.IGNORECASE)

#: Words by which a refusal shows that a parameter, and not its value, is what it does not take.
_NOT_TAKEN = re.compile(
    r"unsupported|n['o]t\s+support|unknown|unrecogni[sz]ed|unexpected|undefined|\bextra\b|n['o]t\s+(?:permitted|allowed)"
    r"|forbidden",
    re.IGNORECASE,
)

#: What a foreign chat model says of an argument that it does not know is no HTTP status.
_REFUSALS = frozenset({Outcome.BAD_REQUEST, Outcome.MODEL_ERROR})


class ParameterSupport:
    """What one endpoint is known not to take."""

    def __init__(self) -> None:
        #: The parameters that are left out of every request, as far as that is settled.
        self.without: frozenset[str] = frozenset()
        self._has_streamed = False

    def arguments(
        self, *, seed: int, max_tokens: int, stream: bool = False, without: AbstractSet[str] = frozenset()
    ) -> dict[str, Any]:
        """Return the keyword arguments for a seed, a length limit (0: none) and a stream, as far as they are taken.

        `without` are those that this very request was already refused for.
        """
        left_out = self.without | without
        kwargs: dict[str, Any] = {} if _SEED in left_out else {_SEED: seed}
        if max_tokens and _LENGTH not in left_out:
            kwargs[_LENGTH] = max_tokens
        elif max_tokens and _NEWER not in left_out:
            # Chat models know the parameter by its older name, and some write it so: this is sent as it is.
            kwargs["extra_body"] = {_NEWER: max_tokens}
        if stream and _STREAM not in left_out:
            kwargs[_STREAM] = True
            if _USAGE not in left_out:
                kwargs[_USAGE] = {"include_usage": True}
        return kwargs

    def find_blamed(self, fault: RequestError, arguments: Mapping[str, Any]) -> str | None:
        """Return the parameter among `arguments` to leave out of a refused request, or None if none is to blame."""
        if fault.outcome not in _REFUSALS or not _NOT_TAKEN.search(fault.detail):
            return None
        sent = (*arguments, *arguments.get("extra_body", ()))
        # The newer name is mostly said as what to use instead, so the older one is looked for first.
        return next((name for name, named in _NAMES.items() if name in sent and named.search(fault.detail)), None)

    def may_refuse_stream(self, fault: RequestError, arguments: Mapping[str, Any]) -> bool:
        """Return whether a refusal that names nothing may be about the stream, as the endpoint has never streamed."""
        return fault.outcome is Outcome.BAD_REQUEST and _STREAM in arguments and not self._has_streamed

    def learn(self, without: AbstractSet[str], arguments: Mapping[str, Any] | None = None) -> None:
        """Record that a request without these parameters, and with `arguments`, was answered."""
        self._has_streamed |= _STREAM in (arguments or ())
        if without:
            self.without |= without

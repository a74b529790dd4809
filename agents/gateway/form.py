"""How an endpoint is told which form an answer must have, learnt from what it answers.

    json_schema ──► json_schema without bounds ──► json_object ──► prompt

A request whose form is refused goes down this road by itself; the endpoint's form is settled only when an
answer came that way, so a request that would be refused in any form teaches nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import orjson
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from ...personas.model import AnswerSchema, Outcome
from ...personas.prompt import Message, RenderedPrompt, load_prompt
from ..endpoint.errors import RequestError

__all__ = ["Form", "FormKind", "form_text"]

_ROOM = (__package__ or "").rpartition(".")[0]

#: Keywords that endpoints with structured output take or refuse, each its own way.
_BOUNDS = frozenset({"minLength", "maxLength", "pattern", "minItems", "maxItems", "minimum", "maximum", "uniqueItems"})

#: Words by which a refusal shows that it is about the form.
_ABOUT_FORM = ("response_format", "json_schema", "json_object", "schema", "structured", "grammar")

#: Schemas whose prompt text is kept ready.
_KEPT = 256


class FormKind(StrEnum):
    """The ways to ask for a form, best first."""

    STRICT = "json_schema"
    #: The schema without bounds and patterns, which not every endpoint takes; answers are still checked by all of it.
    PLAIN = "json_schema_plain"
    JSON = "json_object"
    PROMPT = "prompt"


_BELOW = {FormKind.STRICT: FormKind.PLAIN, FormKind.PLAIN: FormKind.JSON, FormKind.JSON: FormKind.PROMPT}
_RANK = {kind: rank for rank, kind in enumerate(FormKind)}


class Form:
    """What one endpoint is known to accept."""

    def __init__(self, start: FormKind = FormKind.STRICT) -> None:
        #: The form that requests begin with.
        self.kind = start
        self._answered: set[FormKind] = set()
        self._of_schema: dict[str, FormKind] = {}
        self._texts: dict[int, tuple[AnswerSchema[Any], str]] = {}

    def kind_for(self, schema: AnswerSchema[Any]) -> FormKind:
        """The form that a request for this schema begins with."""
        return max(self.kind, self._of_schema.get(schema.name, self.kind), key=_RANK.__getitem__)

    def told(
        self, kind: FormKind, prompt: RenderedPrompt, schema: AnswerSchema[Any]
    ) -> tuple[list[BaseMessage], dict[str, Any]]:
        """The messages and the keyword arguments that ask for `schema` in a form of this kind."""
        if kind in (FormKind.STRICT, FormKind.PLAIN):
            shape = schema.json_schema if kind is FormKind.STRICT else _unbounded(schema.json_schema)
            form = {"name": _wire_name(schema.name), "schema": shape, "strict": True}
            return _messages(prompt.messages), {"response_format": {"type": "json_schema", "json_schema": form}}
        messages = _messages(_with_form(prompt.messages, self._text(schema)))
        return messages, {"response_format": {"type": kind.value}} if kind is FormKind.JSON else {}

    def below(self, kind: FormKind, fault: RequestError, schema: AnswerSchema[Any]) -> FormKind | None:
        """The form in which to repeat a request refused in form `kind`; None when that is not to blame."""
        # A foreign chat model may choke on an argument that it does not know.
        if fault.outcome not in (Outcome.BAD_REQUEST, Outcome.MODEL_ERROR):
            return None
        settled = self.kind_for(schema)
        if _RANK[settled] > _RANK[kind]:  # another request found out while this one was under way
            return settled
        about_form = any(word in fault.detail.lower() for word in _ABOUT_FORM)
        return _BELOW.get(kind) if about_form or kind not in self._answered else None

    def learn(self, kind: FormKind, schema: AnswerSchema[Any]) -> None:
        """Take note that a request in form `kind` was answered."""
        if _RANK[kind] > _RANK[self.kind_for(schema)]:
            self._of_schema[schema.name] = kind
            # An endpoint that did take the better form only refuses this schema in it.
            if self.kind not in self._answered:
                self.kind = kind
        elif _RANK[kind] < _RANK[self.kind]:
            self.kind = kind
        self._answered.add(kind)

    def _text(self, schema: AnswerSchema[Any]) -> str:
        # Kept by identity, and the schema with it: the number of an object that is gone is given away again.
        kept = self._texts.get(id(schema))
        if kept is None:
            if len(self._texts) >= _KEPT:
                self._texts.clear()
            kept = self._texts[id(schema)] = (schema, form_text(schema.json_schema))
        return kept[1]


def form_text(schema: Mapping[str, Any]) -> str:
    """The prompt that asks for one JSON object valid under `schema`."""
    written = orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode()
    return load_prompt(_ROOM, "json_form").render(schema=written).messages[-1][1]


def _unbounded(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        # A property may be called like a bound; then what stands behind it is a schema and no number or pattern.
        return {k: _unbounded(v) for k, v in schema.items() if k not in _BOUNDS or isinstance(v, Mapping)}
    return [_unbounded(item) for item in schema] if isinstance(schema, list) else schema


def _wire_name(name: str) -> str:
    # Endpoints take letters, digits, _ and - only, and 64 of them.
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)[:64] or "answer"


def _with_form(messages: tuple[Message, ...], form: str) -> tuple[Message, ...]:
    if messages and messages[0][0] == "system":
        return (("system", f"{messages[0][1]}\n\n{form}"), *messages[1:])
    return (("system", form), *messages)


def _messages(messages: tuple[Message, ...]) -> list[BaseMessage]:
    return [_CLASSES[role](text) for role, text in messages]


_CLASSES: dict[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}

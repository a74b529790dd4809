"""The procedural stand-in as a chat model of langchain-core."""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, ClassVar

import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ...personas.model import AnswerGenerator
from ..schema_fill import fill_schema
from ..schema_fill.check import to_json
from .author import Author
from .situation import Situation, read_situation

__all__ = ["ProceduralModel"]


_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
_FREE_OBJECT: Mapping[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


class ProceduralModel(BaseChatModel):
    """A stand-in for a language model that is none: it fills frames from word lists, the same way every time.

    It needs no weights and no network. It honours `response_format` (any JSON Schema), `tools` with
    `tool_choice`, and `seed`, and passes over other options. The same request gives the same answer in
    every process. The tokens it reports are words. Raises `UnsatisfiableSchemaError` for a schema that
    no value can satisfy.
    """

    #: That it is told the task's name and the generators of what can be answered, which are sent to no endpoint.
    takes_tasks: ClassVar[bool] = True

    model_name: str = "procedural"

    @property
    def _llm_type(self) -> str:
        return "procedural-no-language-model"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model_name": self.model_name, "is_language_model": False}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The same model with tools it may call, or (by `tool_choice`) must."""
        return self.bind(tools=[convert_to_openai_tool(t) for t in tools], tool_choice=tool_choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _answer(messages, stop, kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # The base class would send each answer through a thread, which costs more than the answer.
        return _answer(messages, stop, kwargs)


def _answer(messages: Sequence[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]) -> ChatResult:

    told = [(_ROLES.get(m.type, m.type), m.content if isinstance(m.content, str) else str(m.text)) for m in messages]
    tools = [t["function"] for t in options.get("tools") or () if "function" in t]
    rng = _dice(told, options)
    author = Author(rng, read_situation(told))
    chosen = _tool(rng, tools, options.get("tool_choice"), messages)
    if chosen is not None:
        arguments = fill_schema(chosen.get("parameters") or {"type": "object", "properties": {}}, rng, author)
        call = ToolCall(name=chosen["name"], args=arguments, id=f"call_{rng.getrandbits(96):024x}", type="tool_call")
        return _result(told, to_json(arguments), "", [call])
    text = _written(rng, author, options)
    for mark in stop or ():
        text = text.partition(mark)[0]
    return _result(told, text, text, [])


def _dice(told: Sequence[tuple[str, str]], options: Mapping[str, Any]) -> random.Random:
    digest = blake2b(digest_size=16)
    asked = [options.get(key) for key in ("response_format", "tools", "tool_choice", "seed")]
    digest.update(to_json([told, asked], sort_keys=True).encode())
    return random.Random(digest.digest())  # noqa: S311  # reproducible text, not a secret


def _written(rng: random.Random, author: Author, options: Mapping[str, Any]) -> str:
    response_format = options.get("response_format")
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    if kind == "json_schema":
        schema = (response_format or {})["json_schema"].get("schema", {})
    elif kind == "json_object":
        schema = _schema_in(author.situation) or _FREE_OBJECT
    else:
        return author.voice.prose(author.situation.plain)
    proposed = _proposed(rng, author.situation, schema, options.get("generators") or {})
    return to_json(fill_schema(schema, rng, author, proposed))


def _proposed(
    rng: random.Random, situation: Situation, schema: Mapping[str, Any], generators: Mapping[str, AnswerGenerator]
) -> Mapping[str, Any] | None:
    """What the generator of one of the actions proposes, in the form of the whole answer."""
    names = list(generators)
    if not names:
        return None
    name = "dialogue" if situation.heard and "dialogue" in names else names[0] if len(names) == 1 else rng.choice(names)
    action = {"kind": name, **(generators[name](rng, situation, schema) or {})}
    return action if len(names) == 1 else {"action": action}


def _schema_in(situation: Situation) -> Mapping[str, Any] | None:
    # In JSON mode the form stands in the prompt.
    for text in (situation.rules, situation.plain):
        start = text.find("{", max(text.find("JSON Schema"), 0))
        if "JSON Schema" not in text or start < 0:
            continue
        try:
            found = orjson.loads(text[start : text.rindex("}") + 1])
        except (orjson.JSONDecodeError, ValueError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _tool(
    rng: random.Random, tools: Sequence[Mapping[str, Any]], choice: Any, messages: Sequence[BaseMessage]
) -> Mapping[str, Any] | None:
    if not tools or choice == "none":
        return None
    name = choice["function"]["name"] if isinstance(choice, Mapping) and "function" in choice else choice
    if named := [t for t in tools if t["name"] == name]:
        return named[0]
    if choice in (None, "auto", False) and messages and isinstance(messages[-1], ToolMessage):
        return None
    return rng.choice(tools)


@lru_cache(maxsize=64)
def _word_count(system: str) -> int:
    # The world and the rules are the same for all agents.
    return len(system.split())


def _result(told: Sequence[tuple[str, str]], written: str, content: str, calls: list[ToolCall]) -> ChatResult:
    read, made = (
        sum(_word_count(text) if role == "system" else len(text.split()) for role, text in told),
        len(written.split()),
    )
    message = AIMessage(
        content=content,
        tool_calls=calls,
        usage_metadata={"input_tokens": read, "output_tokens": made, "total_tokens": read + made},
        response_metadata={"is_language_model": False, "model_name": "procedural", "finish_reason": "stop"},
    )
    info = {"finish_reason": "stop"}
    return ChatResult(
        generations=[ChatGeneration(message=message, generation_info=info)],
        llm_output={"model_name": "procedural"},
    )

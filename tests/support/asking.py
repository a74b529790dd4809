"""Asking a gateway in a test: a small schema, prompts and contexts by number, and a scripted chat model."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from memory_ledger import MemoryLedger
from pydantic import BaseModel, Field
from quick_time import seconds

from populace.agents.endpoint.models import ModelHandle
from populace.agents.gateway.client import Gateway
from populace.agents.gateway.limits import Backoff, Limits
from populace.core.model import Answer, AnswerSchema, RequestContext
from populace.core.prompt import RenderedPrompt

QUICK = Backoff(base=0.001, cap=0.01)


class Line(BaseModel):
    text: str = Field(min_length=1)
    loud: bool


LINE = AnswerSchema.of(Line)
VALID = '{"text":"hello","loud":false}'

type Open = Callable[..., Gateway]


def prompt_of(number: int) -> RenderedPrompt:
    return RenderedPrompt("turn", 3, (("system", "A village."), ("user", f"I am person <{number}>.")))


def context_of(number: int) -> RequestContext:
    return RequestContext("step", 1, f"person-{number}", 1000 * number)


async def ask(gateway: Gateway, number: int = 1) -> Answer[Line]:
    return await gateway.ask(prompt_of(number), LINE, context_of(number))


async def ask_all(gateway: Gateway, count: int) -> list[Answer[Line]]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(gateway, number)) for number in range(count)]
    return [task.result() for task in tasks]


class Scripted(BaseChatModel):
    """Answers in turn, or raises what stands in the answer's place."""

    script: list[Any]
    seen: list[dict[str, Any]]
    #: Seconds until each answer.
    latency: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise AssertionError("the gateway took the blocking way to a model; it has an async one")

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.seen.append({"messages": messages, "at": seconds(), **kwargs})
        answer = self.script.pop(0)
        await asyncio.sleep(self.latency)
        if isinstance(answer, Exception):
            raise answer
        message = answer if isinstance(answer, AIMessage) else AIMessage(answer)
        return ChatResult(generations=[ChatGeneration(message=message)])


def scripted(script: Sequence[Any], ledger: MemoryLedger, **options: Any) -> tuple[Gateway, Scripted]:
    chat = Scripted(script=list(script), seen=[])
    return gateway_over(ModelHandle("scripted", chat), **{"ledger": ledger, **options}), chat


def gateway_over(handle: ModelHandle, **options: Any) -> Gateway:
    """A gateway that waits for nothing, with the options of `Limits`, and `attempts`, among those of its own."""
    backoff = replace(QUICK, attempts=options.pop("attempts", QUICK.attempts))
    limits = Limits.given(**{name: options.pop(name) for name in Limits.model_fields if name in options})
    return Gateway(handle, **{"limits": limits, "backoff": backoff, **options})

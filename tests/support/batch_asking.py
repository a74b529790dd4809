"""Asking a batch queue in a test: customers, and what they are told."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from batch_server import BatchServer
from langchain_core.messages import HumanMessage

from populace.agents.batch.client import PollInterval
from populace.agents.batch.queue import BatchQueue
from populace.agents.endpoint.chat_openai import LeanChatOpenAI
from populace.agents.endpoint.errors import RequestError
from populace.agents.gateway.call import CallKey
from populace.core.model import Outcome

if TYPE_CHECKING:
    from populace.agents.endpoint.response import ModelResponse

#: Seconds until what a slow and busy machine does at some time, too, is given up.
PATIENCE = 300.0

FAST = PollInterval(first=0.001, most=0.004)

type OpenQueue = Callable[..., "Customer"]


class Customer:
    """A queue with those who ask at it: what they are told is kept, as a ledger would."""

    def __init__(self, queue: BatchQueue, chat: LeanChatOpenAI) -> None:
        self.queue = queue
        self._chat = chat
        self.answers: dict[int, ModelResponse] = {}
        self.faults: dict[int, RequestError] = {}

    async def ask(self, number: int) -> None:
        try:
            delivery = await self.queue.post(key_of(number), payload_of(self._chat, number))
        except RequestError as fault:
            self.faults[number] = fault
        else:
            self.answers[number] = delivery

    async def ask_all(self, *numbers: int) -> None:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for number in numbers:
                group.create_task(self.ask(number))

    async def outcome(self) -> Outcome:
        await self.ask_all(0)
        return self.faults[0].outcome


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that happens in the server's thread or in a task of the queue's own."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - another thread's work
            await asyncio.sleep(0.002)


def key_of(number: int) -> CallKey:
    return CallKey("growth", 1, f"person-{number}", f"{number:032x}")


def payload_of(chat: LeanChatOpenAI, number: int) -> dict[str, Any]:
    return chat.payload([HumanMessage(f"I am person <{number}>.")], seed=number)


def overpaid(server: BatchServer) -> list[str]:
    return [name for name, count in server.paid.items() if count > 1]

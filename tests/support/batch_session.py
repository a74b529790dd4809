"""A session that asks by batch and can be killed: `batch_session.py BASE_URL FILE COUNT DIE_AT`.

Everything that must survive goes into FILE, one JSON array a line; after line number DIE_AT (from 1) it is killed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from populace.agents.batch import BatchClient, BatchQueue, OpenBatch, PollInterval
from populace.agents.endpoint.http_client import HttpConnection
from populace.agents.gateway.call import CallKey
from populace.agents.gateway.limits import Backoff


class Diary:
    """A journal and a ledger in one file."""

    def __init__(self, path: Path, die_at: int) -> None:
        self._die_at = die_at
        self._file = path.open("ab", buffering=0)
        self._entries = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        self.answered = {entry[1] for entry in self._entries if entry[0] == "answer"}

    def write(self, *entry: Any) -> None:
        self._file.write(orjson.dumps(entry) + b"\n")
        self._die_at -= 1
        if self._die_at == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async def opened(self, batch: OpenBatch) -> None:
        self.write("opened", asdict(batch))

    async def closed(self, nonce: str, status: str) -> None:
        self.write("closed", nonce, status)

    def open_batches(self) -> Sequence[OpenBatch]:
        closed = {entry[1] for entry in self._entries if entry[0] == "closed"}
        opened = {entry[1]["nonce"]: entry[1] for entry in self._entries if entry[0] == "opened"}
        return [_batch(said) for nonce, said in opened.items() if nonce not in closed]


def _batch(said: dict[str, Any]) -> OpenBatch:
    created = datetime.fromisoformat(said["created_at"])
    return OpenBatch(**{**said, "created_at": created, "custom_ids": tuple(said["custom_ids"])})


def _read(reply: dict[str, Any]) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=AIMessage(reply["choices"][0]["message"]["content"]))])


async def main(base_url: str, path: Path, count: int, die_at: int) -> None:
    diary = Diary(path, die_at)
    client = BatchClient(HttpConnection(base_url, whole=False))
    quick = {"quiet": 0.02, "interval": PollInterval(0.001, 0.01), "backoff": Backoff(base=0.001, cap=0.01)}
    queue = BatchQueue(client, journal=diary, read=_read, **quick)  # type: ignore[arg-type]

    async def ask(number: int) -> None:
        key = CallKey("growth", 1, f"person-{number}", f"{number:032x}")
        if number in diary.answered:
            queue.recalled(key)
            return
        payload = {"model": "m", "messages": [{"role": "user", "content": f"I am person <{number}>."}]}
        delivery = await queue.post(key, payload)
        diary.write("answer", number, delivery.raw)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(ask(number))
    await queue.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))

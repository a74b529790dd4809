"""The tests' server with the OpenAI batch protocol: files, batches, and everything that goes wrong with them.

Lines are answered, and fail, as the same requests to `/chat/completions` would.
"""

import asyncio
import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web
from openai_replies import error
from openai_server import OpenAIServer

_UNDONE = {"expired": "batch_expired", "cancelled": "batch_cancelled"}


@dataclass
class Plan:
    """What becomes of one batch."""

    #: Looks until it has ended.
    looks: int = 3
    #: How it ends.
    status: str = "completed"
    #: The share of its requests that are done when it ends.
    share: float = 1.0
    #: For a batch that fails: what the server says.
    errors: list[dict[str, Any]] = field(default_factory=list)
    #: What is done to the lines of the output file, last of all.
    spoil: Callable[[list[bytes]], list[bytes]] = list


@dataclass
class Batch:
    """A batch as the server keeps it."""

    id: str
    file_id: str
    metadata: dict[str, str]
    plan: Plan
    created_at: int
    status: str = "validating"
    looks: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None

    def said(self, total: int) -> dict[str, Any]:
        done = total if self.status == "completed" else 0
        failed = self.status == "failed"
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "errors": {"object": "list", "data": self.plan.errors} if failed else None,
            "input_file_id": self.file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "request_counts": {"total": total, "completed": done, "failed": 0},
            "metadata": self.metadata,
            "a_field_of_its_own": 1,
        }


class BatchServer(OpenAIServer):
    """A server that keeps what it was given through drops and hang-ups, and counts what it was paid for."""

    def __init__(self, *, port: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self._port = port
        #: What becomes of the next batches, in turn; then of all others.
        self.plans: list[Plan] = []
        self.plan = Plan()
        self.batches: dict[str, Batch] = {}
        #: Answers that were made and are to be paid, by custom id; lines that came in batches.
        self.paid: Counter[str] = Counter()
        self.lines = 0
        #: Requests of the protocol so far, by method and path without ids.
        self.requests: list[str] = []
        #: Requests by their number in `requests` (from 0) or their name, and what is done to them.
        self.mishaps: dict[int | str, list[str]] = {}
        #: Set when a request hangs.
        self.hung = threading.Event()
        self.lists = True
        self.keeps_metadata = True
        self._files: dict[str, bytes] = {}
        self._ids = itertools.count(1)

    def restarted(self) -> "BatchServer":
        """A server at the same address with everything that this one kept; this one must have ended."""
        other = BatchServer(port=int(self.base_url.rpartition(":")[2].partition("/")[0]), procedural=False)
        other.batches, other.paid, other._files, other._ids = self.batches, self.paid, self._files, self._ids
        other.plans, other.plan, other.lines = self.plans, self.plan, self.lines
        return other

    def _run_thread(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self.serve(self._port))

    def add_routes(self, app: web.Application) -> None:
        for method, path, answer in (
            ("POST", "/v1/files", self._upload),
            ("GET", "/v1/files/{id}/content", self._content),
            ("POST", "/v1/batches", self._create),
            ("GET", "/v1/batches", self._list),
            ("GET", "/v1/batches/{id}", self._look),
            ("POST", "/v1/batches/{id}/cancel", self._cancel),
        ):
            app.router.add_route(method, path, self._through(f"{method} {path[3:]}", answer))

    def mishap(self, at: int | str, *kinds: str) -> Self:
        """Let the next requests of this name, or the one of this number, go wrong.

        Kinds: `drop` (never handled), `drop_after` (handled, and nobody hears of it), `hang`, `hang_after`, a status.
        """
        self.mishaps.setdefault(at, []).extend(kinds)
        return self

    def _through(self, name: str, answer: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.requests.append(name)
            if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
                return error(401, f"Incorrect API key provided: {request.headers.get('Authorization', '')[7:]}.")
            todo = self.mishaps.get(len(self.requests) - 1) or self.mishaps.get(name) or []
            kind = todo.pop(0) if todo else ""
            if kind.isdecimal():
                return error(int(kind), f"Status {kind} as told.")
            if kind == "hang":
                await self._hang()
            if kind == "drop":
                return self._drop(request)
            response: web.StreamResponse = await answer(request)
            if kind == "hang_after":
                await self._hang()
            return self._drop(request) if kind == "drop_after" else response

        return handle

    async def _hang(self) -> None:
        self.hung.set()
        await asyncio.sleep(3600)

    def _drop(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.close()
        return web.Response()

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        sent = form.get("file")
        if form.get("purpose") != "batch" or not isinstance(sent, web.FileField):
            return error(400, "purpose must be batch, and file a file")
        name = f"file-{next(self._ids)}"
        with sent.file:
            self._files[name] = sent.file.read()
        return web.json_response({"id": name, "object": "file", "purpose": "batch"})

    async def _content(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self._files:
            return error(404, f"No such File object: {name}")
        return web.Response(body=self._files[name], content_type="application/octet-stream")

    async def _create(self, request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())
        if (asked["endpoint"], asked["completion_window"]) != ("/v1/chat/completions", "24h"):
            return error(400, "no such endpoint or window")
        if asked["input_file_id"] not in self._files:
            return error(400, "no such file")
        metadata = asked["metadata"] if self.keeps_metadata else {}
        plan = self.plans.pop(0) if self.plans else self.plan
        number = next(self._ids)
        batch = Batch(f"batch_{number}", asked["input_file_id"], metadata, plan, 4_000_000_000 + number)
        self.batches[batch.id] = batch
        self.lines += len(self.asked_in(batch))
        return self._said(batch)

    async def _list(self, request: web.Request) -> web.Response:
        if not self.lists:
            return error(404, "Not Found")
        newest = list(reversed(self.batches.values()))
        ids = [batch.id for batch in newest]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        end = start + int(request.query["limit"])
        data = [batch.said(len(self.asked_in(batch))) for batch in newest[start:end]]
        return web.json_response({"object": "list", "data": data, "has_more": end < len(newest)})

    async def _look(self, request: web.Request) -> web.Response:
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return error(404, f"No batch found with id '{request.match_info['id']}'.")
        batch.looks += 1
        if batch.status in ("validating", "in_progress", "finalizing"):
            left = batch.plan.looks - batch.looks
            batch.status = "finalizing" if left == 1 else "in_progress"
            if left <= 0:
                await self._end(request, batch, batch.plan.status, batch.plan.share)
        elif batch.status == "cancelling":
            await self._end(request, batch, "cancelled", batch.plan.share)
        return self._said(batch)

    async def _cancel(self, request: web.Request) -> web.Response:
        batch = self.batches[request.match_info["id"]]
        batch.status = "cancelling"
        return self._said(batch)

    def _said(self, batch: Batch) -> web.Response:
        return web.json_response(batch.said(len(self.asked_in(batch))))

    def asked_in(self, batch: Batch) -> list[bytes]:
        """The lines of a batch's file."""
        return self._files[batch.file_id].splitlines()

    async def _end(self, request: web.Request, batch: Batch, status: str, share: float) -> None:
        batch.status = status
        if status == "failed":
            return
        asked = [orjson.loads(line) for line in self.asked_in(batch)]
        done = round(len(asked) * share)
        results = [await self._result(request, line) for line in asked[:done]]
        undone = [_undone(line["custom_id"], status) for line in asked[done:]] if status in _UNDONE else []
        good = [orjson.dumps(r) for r in results if r["response"]["status_code"] == 200]
        bad = [orjson.dumps(r) for r in results if r["response"]["status_code"] != 200]
        random.Random(len(asked)).shuffle(good)
        batch.output_file_id = self._written(batch.plan.spoil(good))
        batch.error_file_id = self._written(bad + undone)

    def _written(self, lines: list[bytes]) -> str | None:
        if not lines:
            return None
        name = f"file-{next(self._ids)}"
        self._files[name] = b"\n".join(lines) + b"\n"
        return name

    async def _result(self, request: web.Request, line: dict[str, Any]) -> dict[str, Any]:
        body = orjson.dumps(line["body"])
        self.by_body[body.hex()] += 1
        fault = next((f for f in self.faults if f.meets(body, self.by_body[body.hex()])), None)
        response = await self._answer(request, body, fault)
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
            raise TypeError("no line of a batch can be dropped or hang")
        self.paid[line["custom_id"]] += response.status == 200
        said = {"status_code": response.status, "request_id": "r", "body": orjson.loads(response.body)}
        return {"id": f"batch_req_{next(self._ids)}", "custom_id": line["custom_id"], "response": said, "error": None}


def _undone(name: str, status: str) -> bytes:
    said = {"code": _UNDONE[status], "message": f"The batch {status} before this request was executed."}
    return orjson.dumps({"id": "batch_req_0", "custom_id": name, "response": None, "error": said})

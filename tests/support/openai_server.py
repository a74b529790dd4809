"""The tests' own OpenAI-compatible server, on a free loopback port.

In a test: the fixture `openai_server`. As a process: `python tests/support/openai_server.py --port 0`, which
prints its base URL on the first line. Its answers depend on the request alone, so runs can be compared at any
concurrency.
"""

import argparse
import asyncio
import hashlib
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import orjson
from aiohttp import web
from openai_answers import fill, names_near, procedural_model, written_by
from openai_faults import KINDS, MODEL_FAULTS, Fault, FaultKind, Latency
from openai_replies import broken, error, reply, schema_in, wire_fault
from openai_vectors import vectors_reply


@dataclass(frozen=True, slots=True)
class _Scripted:
    status: int
    body: bytes
    headers: dict[str, str]

    def response(self) -> web.Response:
        return web.Response(status=self.status, body=self.body, headers=self.headers, content_type="application/json")


class OpenAIServer:
    """A server that answers, counts and fails as it is told to; as a context manager it runs in a thread."""

    def __init__(
        self,
        *,
        latency: Latency | float = 0.0,
        procedural: bool = True,
        key: str = "",
        keep_bodies: bool = True,
        allow: int | None = None,
    ) -> None:
        self.latency = latency if isinstance(latency, Latency) else Latency(latency)
        self.faults: list[Fault] = []
        #: The key that is asked for; empty takes any.
        self.key = key
        self.base_url = ""
        self.calls = 0
        self.in_flight = 0
        self.peak_in_flight = 0
        #: Calls by the hash of their body, and by the fault they met ("" for none).
        self.by_body: Counter[str] = Counter()
        self.by_fault: Counter[str] = Counter()
        #: The bodies, oldest first, as long as `keep_bodies` is set.
        self.keep_bodies = keep_bodies
        self.bodies: list[dict[str, Any]] = []
        #: How often a vector was sent for each text.
        self.embedded: Counter[str] = Counter()
        #: Calls that may be under way at once; one more is refused with 429. None is no limit.
        self.allow = allow
        #: Writes the answer to a request: its text, or the fields of its message, `finish_reason` among them.
        self.writer: Callable[[dict[str, Any]], str | dict[str, Any]] | None = None
        self._held, self._held_text = 0, b""
        self._stalled: int | None = None
        self._released = asyncio.Event()
        self._script: deque[_Scripted] = deque()
        self._model = procedural_model() if procedural else None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run_thread, daemon=True)
        self._ready = threading.Event()

    def fault(
        self,
        kind: FaultKind,
        share: float = 1.0,
        *,
        attempts: int | Literal["default"] | None = "default",
        containing: str = "",
        retry_after: float = 0.0,
    ) -> Self:
        """Let something go wrong from now on.

        By default, what the model writes goes wrong at every attempt at the same body. Everything else,
        when a share is given, goes wrong at the first attempt only: a retry succeeds, in any order.
        """
        if attempts == "default":
            attempts = 1 if share < 1.0 and kind not in MODEL_FAULTS else None
        self.faults.append(Fault(kind, share, attempts, containing, retry_after))
        return self

    def hold(self, count: int, *, containing: str = "") -> Self:
        """Answer no request that holds this text until so many calls are under way at once.

        A call that is refused counts as well. After five minutes those that wait fail.
        """
        self._held, self._held_text = count, containing.encode()
        return self

    def stall(self, after: int | None) -> Self:
        """Answer no call behind so many until that is taken back with None: a job that is to be killed waits."""
        self._stalled = after
        return self

    def script(
        self, body: dict[str, Any] | bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Self:
        """Let the next call that has no script yet be answered with exactly this."""
        written = body if isinstance(body, bytes) else orjson.dumps(body)
        self._script.append(_Scripted(status, written, dict(headers or {})))
        return self

    def fail_forever(self, containing: str, kind: FaultKind = "server_error") -> Self:
        """Let every request that holds this text fail, at every attempt."""
        return self.fault(kind, containing=containing, attempts=None)

    def reset(self) -> None:
        """Forget all faults and counts."""
        self.faults.clear()
        self.bodies.clear()
        self.by_body.clear()
        self.by_fault.clear()
        self.embedded.clear()
        self.calls = self.peak_in_flight = 0

    def counts(self) -> dict[str, Any]:
        """What was counted, as `GET /counts` gives it."""
        return {
            "calls": self.calls,
            "distinct": len(self.by_body),
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
            "by_fault": dict(self.by_fault),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(120):
            raise RuntimeError("the tests' server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(120)

    def _run_thread(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self.serve(0))

    async def serve(self, port: int, *, announce: bool = False) -> None:
        """Serve until told to stop, on `port` (0: a free one)."""
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/embeddings", self._complete)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/counts", self._counts)
        self.add_routes(app)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        loop = asyncio.get_running_loop()
        assert runner.server is not None
        server = await loop.create_server(runner.server, "127.0.0.1", port, backlog=1024)
        (listening,) = server.sockets
        self.base_url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        if announce:
            print(self.base_url, flush=True)  # noqa: T201
        self._ready.set()
        await self._stop.wait()
        # A connection that is taken in the turn in which its server closes would stay open, and fail a later test.
        loop.remove_reader(listening.fileno())
        for _ in range(3):
            await asyncio.sleep(0)
        server.close()
        await runner.cleanup()

    def add_routes(self, app: web.Application) -> None:
        """What a server of this kind speaks besides chat completions."""

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "test", "object": "model"}]})

    async def _counts(self, request: web.Request) -> web.Response:
        return web.json_response(self.counts())

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        number = self.calls
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        if self._held and self.in_flight >= self._held:
            self._released.set()
        try:
            body = await request.read()
            if self.allow is not None and self.in_flight > self.allow:
                self.by_fault["too_many"] += 1
                return error(429, "Too many calls at once.")
            digest = hashlib.blake2b(body, digest_size=16).hexdigest()
            self.by_body[digest] += 1
            fault = next((f for f in self.faults if f.meets(body, self.by_body[digest])), None)
            self.by_fault[fault.kind if fault else ""] += 1
            if self._held and self._held_text in body:
                async with asyncio.timeout(300):
                    await self._released.wait()
            while self._stalled is not None and number > self._stalled:  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(0.01)
            if delay := self.latency.of(body):
                await asyncio.sleep(delay)
            if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
                return error(401, f"Incorrect API key provided: {request.headers.get('Authorization', '')[7:]}.")
            return await self._answer(request, body, fault)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, body: bytes, fault: Fault | None) -> web.StreamResponse:
        asked = orjson.loads(body)
        if self.keep_bodies:
            self.bodies.append(asked)
        if self._script:
            return self._script.popleft().response()
        kind = fault.kind if fault else None
        if fault is not None and kind not in MODEL_FAULTS:
            return await wire_fault(request, fault, asked)
        if "input" in asked:
            self.embedded.update(asked["input"])
            return vectors_reply(asked, kind)
        written = self.writer(asked) if self.writer is not None else await self._text(asked)
        fields = {"content": written} if isinstance(written, str) else dict(written)
        finish = fields.pop("finish_reason", "stop")
        message: dict[str, Any] = {"role": "assistant", "refusal": None, **fields}
        text = message.get("content") or ""
        if kind == "refusal":
            message |= {"content": None, "refusal": "I cannot help with that."}
        elif kind == "length":
            message["content"], finish = text[: len(text) // 2], "length"
        elif kind is not None:
            message["content"] = broken(kind, text)
        return reply(asked, message, finish)

    async def _text(self, asked: dict[str, Any]) -> str:
        form = asked.get("response_format") or {}
        if "json_schema" not in form:
            schema = schema_in(asked["messages"])
            if schema is not None:
                form = {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": schema, "strict": True},
                }
        if self._model is not None:
            return await written_by(self._model, {**asked, "response_format": form} if form else asked)
        rng = random.Random(hashlib.blake2b(orjson.dumps([asked["messages"], asked.get("seed")])).digest())
        if "json_schema" not in form:
            return "A plain answer."
        names = [name for message in asked["messages"] for name in names_near(str(message["content"]))]
        return orjson.dumps(fill(form["json_schema"]["schema"], rng, names=names)).decode()


def _fault_option(text: str) -> tuple[FaultKind, float]:
    kind, _, share = text.partition(":")
    if kind not in KINDS:
        raise argparse.ArgumentTypeError(f"{kind} is none of {', '.join(sorted(KINDS))}")
    return kind, float(share or 1)  # type: ignore[return-value]


def main() -> None:
    """Serve until killed; the first line of output is the base URL."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--latency", type=float, default=0.0, help="median, in seconds")
    options.add_argument("--sigma", type=float, default=0.0, help="of the lognormal; 0 is fixed")
    options.add_argument("--fault", type=_fault_option, action="append", default=[], metavar="KIND[:SHARE]")
    options.add_argument("--allow", type=int, metavar="CALLS", help="answer 429 above so many at once")
    options.add_argument("--filler", action="store_true", help="plain filler text instead of the procedural model")
    given = options.parse_args()
    server = OpenAIServer(
        latency=Latency(given.latency, given.sigma),
        procedural=not given.filler,
        keep_bodies=False,
        allow=given.allow,
    )
    for kind, share in given.fault:
        server.fault(kind, share)
    asyncio.run(server.serve(given.port, announce=True))


if __name__ == "__main__":
    main()

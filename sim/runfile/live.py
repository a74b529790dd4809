"""SQL over a running run: answered by its own process on loopback, since no other process can open the file.

`POST /sql` with `{"sql": ..., "params": ...}` and the sidecar's token gives an Arrow stream, or status 400
and `{"error": sentence}`. Every query has a thread and a cursor of its own; the run does not wait for it.
"""

import os
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...personas.errors import SetupError
from ...personas.query import ask
from ...personas.user_sql import QueryLimit, run_query
from .answer import write_answer
from .cursors import ClosedError, Cursors
from .runlog import RunLog
from .sidecar import Sidecar

__all__ = ["LiveSql"]

_LARGEST_QUESTION = 1 << 20
#: A query that takes longer is stopped: it would go on when whoever asked has left.
QUERY_SECONDS = 300.0
#: Share of the database's memory that a query may add, which the run needs as well.
_MEMORY = 0.25
#: A larger answer waits on disk.
_IN_MEMORY = 1 << 24
#: A still larger one is refused.
_MOST_BYTES = 1 << 31


class LiveSql:
    """Answers SQL about a run for as long as it is entered; must be left before the log is closed."""

    def __init__(self, log: RunLog) -> None:
        self._path = log.path
        self._server = _Server(log.cursors, secrets.token_urlsafe(32))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="populace-sql", daemon=True
        )
        self.sidecar = Sidecar(port=self._server.server_port, pid=os.getpid(), token=self._server.token)

    def __enter__(self) -> Self:
        """Begin to answer, and leave word beside the run file."""
        # Whoever reads it at once waits until the thread has begun: the port is open.
        try:
            self.sidecar.write(self._path)
        except BaseException:
            self._server.server_close()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer no more. What is being answered is cut off when the log closes."""
        self.sidecar.remove(self._path)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, cursors: Cursors, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cursors = cursors
        self.token = token

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Whoever asked has gone away; the terminal belongs to the run.
        pass


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sql: str
    params: list[Any] | dict[str, Any] = []
    seconds: float | None = Field(None, gt=0, allow_inf_nan=False)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: _Server

    def do_POST(self) -> None:
        self.close_connection = True
        question = self._question()
        if question is None:
            return
        try:
            with SpooledTemporaryFile(_IN_MEMORY) as answer:
                self._fill(answer, question)
                self._answer(answer)
        except SetupError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except ClosedError:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "The run has just ended; ask its file.")

    def _fill(self, answer: IO[bytes], question: _Question) -> None:
        # Whole before it is sent: what fails late still has its status, and who reads slowly holds no cursor.
        def work() -> None:
            write_answer(ask(cursor, question.sql, question.params, most_bytes=_MOST_BYTES), answer)

        with self.server.cursors.reading() as cursor:
            run_query(cursor, work, _limit_of(question))

    def _answer(self, answer: IO[bytes]) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/vnd.apache.arrow.stream")
        self.send_header("Content-Length", str(answer.tell()))
        self.end_headers()
        answer.seek(0)
        copyfileobj(answer, self.wfile)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server calls
        pass

    def _question(self) -> _Question | None:
        length = self.headers.get("Content-Length", "")
        given = self.headers.get("Authorization", "").encode()
        if not secrets.compare_digest(given, f"Bearer {self.server.token}".encode()):
            self._refuse(HTTPStatus.UNAUTHORIZED, "The token is not the one in the sidecar of the run file.")
        elif self.path != "/sql":
            self._refuse(HTTPStatus.NOT_FOUND, f"There is nothing at {self.path!r}; post to /sql.")
        elif not length.isdecimal() or int(length) > _LARGEST_QUESTION:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A question may have {_LARGEST_QUESTION} bytes at most.")
        else:
            return self._parsed(self.rfile.read(int(length)))
        return None

    def _parsed(self, body: bytes) -> _Question | None:
        try:
            return _Question.model_validate_json(body)
        except ValidationError:
            self._refuse(HTTPStatus.BAD_REQUEST, 'A question is JSON: {"sql": "SELECT ...", "params": [...]}.')
            return None

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        body = orjson.dumps({"error": sentence})
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _limit_of(question: _Question) -> QueryLimit:
    if question.seconds is not None and question.seconds < QUERY_SECONDS:
        return QueryLimit.given(question.seconds, memory=_MEMORY)
    return QueryLimit(QUERY_SECONDS, "ask for less, or ask the file later", memory=_MEMORY)

"""SQL over a running run: answered by its own process on loopback, since no other process can open the file.

`POST /sql` with `{"sql": ..., "params": ...}` and the sidecar's token gives a Parquet file, or status 400
and `{"error": sentence}`. Every query has a thread and a cursor of its own; the run does not wait for it.
"""

import os
import secrets
import threading
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO, Any, Self, cast

import orjson
from arro3.core import Table
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...core.arrow import open_parquet, read_stream, write_parquet
from ...core.database import quote_text
from ...core.errors import SetupError, StorageError
from ...core.files import whole_file
from ...core.model import FrozenModel
from ...core.query import Params, Query, QueryError, QueryLimit, QueryResult, ask, run_query
from .database import ClosedError, Cursors
from .runlog import RunLog


class Sidecar(FrozenModel):
    """Where a running run answers SQL, and the token that it asks for. Readable by the file's owner alone."""

    #: A port of this machine's loopback interface.
    port: int = Field(ge=1, le=65535)
    #: The process that runs.
    pid: int
    token: str

    @staticmethod
    def path_of(run_file: Path) -> Path:
        """Return the path of the sidecar: `RUN.duckdb.live` beside `RUN.duckdb`."""
        return run_file.with_name(run_file.name + ".live")

    @classmethod
    def read(cls, run_file: Path) -> "Sidecar | None":
        """Read the sidecar of a run file. Returns None if there is none that can be read."""
        try:
            return cls.model_validate_json(cls.path_of(run_file).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, run_file: Path) -> None:
        """Write the sidecar beside the run file, and replace one that a killed run left."""
        # It holds a token: readable by its owner alone, even where the run file is shared.
        try:
            with whole_file(self.path_of(run_file), replace=True, private=True) as part:
                part.write_text(self.model_dump_json())
        except OSError as error:
            raise StorageError(
                f"Nothing can be written beside {str(run_file)!r} ({error.strerror}); make room or check rights, then "
                f"go on with `populace resume {run_file}`."
            ) from error

    def remove(self, run_file: Path) -> None:
        """Remove the sidecar, unless another run has replaced it."""
        if Sidecar.read(run_file) == self:
            self.path_of(run_file).unlink(missing_ok=True)


_LARGEST_QUESTION = 1 << 20
#: A query that takes longer is stopped: it would go on after the asking process has gone.
QUERY_SECONDS = 300.0
#: Share of the database's memory that a query may add, which the run needs as well.
_MEMORY = 0.25
#: A larger answer is refused.
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
        """Start to answer queries, and write the sidecar beside the run file."""
        # The port is open: a client that reads it at once waits until the thread has begun.
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
        """Stop answering. Queries in progress are cut off when the log closes."""
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
        # The client has gone; the terminal belongs to the run.
        pass


class _LiveQuery(BaseModel):
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
        question = self._read_question()
        if question is None:
            return
        try:
            with TemporaryDirectory(prefix="populace-") as folder:
                answer = Path(folder, "answer.parquet")
                self._fill_answer(answer, question)
                self._send_answer(answer)
        except SetupError as error:
            self._send_refusal(HTTPStatus.BAD_REQUEST, str(error))
        except ClosedError:
            self._send_refusal(HTTPStatus.SERVICE_UNAVAILABLE, "The run has just ended; ask its file.")

    def _fill_answer(self, answer: Path, question: _LiveQuery) -> None:
        # Whole before it is sent: what fails late still has its status, and who reads slowly holds no cursor.
        def write_rows() -> None:
            write_answer(ask(cursor, question.sql, question.params, most_bytes=_MOST_BYTES), answer)

        with self.server.cursors.reading() as cursor:
            run_query(cursor, write_rows, _limit_of(question))

    def _send_answer(self, answer: Path) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/vnd.apache.parquet")
        self.send_header("Content-Length", str(answer.stat().st_size))
        self.end_headers()
        with answer.open("rb") as file:
            copyfileobj(file, self.wfile)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server calls
        pass

    def _read_question(self) -> _LiveQuery | None:
        length = self.headers.get("Content-Length", "")
        given = self.headers.get("Authorization", "").encode()
        if not secrets.compare_digest(given, f"Bearer {self.server.token}".encode()):
            self._send_refusal(HTTPStatus.UNAUTHORIZED, "The token is not the one in the sidecar of the run file.")
        elif self.path != "/sql":
            self._send_refusal(HTTPStatus.NOT_FOUND, f"There is nothing at {self.path!r}; post to /sql.")
        elif not length.isdecimal() or int(length) > _LARGEST_QUESTION:
            self._send_refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A question may have {_LARGEST_QUESTION} bytes at most."
            )
        else:
            return self._parse_question(self.rfile.read(int(length)))
        return None

    def _parse_question(self, body: bytes) -> _LiveQuery | None:
        try:
            return _LiveQuery.model_validate_json(body)
        except ValidationError:
            self._send_refusal(HTTPStatus.BAD_REQUEST, 'A question is JSON: {"sql": "SELECT ...", "params": [...]}.')
            return None

    def _send_refusal(self, status: HTTPStatus, sentence: str) -> None:
        body = orjson.dumps({"error": sentence})
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _limit_of(question: _LiveQuery) -> QueryLimit:
    if question.seconds is not None and question.seconds < QUERY_SECONDS:
        return QueryLimit.given(question.seconds, memory=_MEMORY)
    return QueryLimit(QUERY_SECONDS, "ask for less, or ask the file later", memory=_MEMORY)


#: Longer than the run lets any query take.
_PATIENCE_SECONDS = 330.0


class LiveClient:
    """Asks the run that a sidecar tells of."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    def query(self, sql: str, params: Params = (), *, seconds: float | None = None) -> QueryResult:
        """Run one read-only statement within `seconds`, or within the limit of the run if it is None.

        Raises `QueryError` with the run's own sentence, and `ClosedError` if no run answers there.
        """
        try:
            body = orjson.dumps({"sql": sql, "params": params, "seconds": seconds})
        except TypeError as error:
            raise QueryError(f"A parameter cannot be sent to a running run: {error}; give it as text.") from error
        connection = HTTPConnection("127.0.0.1", self._sidecar.port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request("POST", "/sql", body, {"Authorization": f"Bearer {self._sidecar.token}"})
            return _read_result(connection.getresponse())
        except (OSError, HTTPException) as error:
            raise ClosedError from error
        finally:
            connection.close()


def _read_result(response: HTTPResponse) -> QueryResult:
    if response.status == HTTPStatus.OK:
        return read_answer(response)
    if response.status == HTTPStatus.BAD_REQUEST:
        raise QueryError(cast("str", orjson.loads(response.read())["error"]))
    raise ClosedError


def write_answer(query: Query, path: Path) -> None:
    """Write the whole answer as a Parquet file. Raises `QueryError` if the query fails."""
    names = {"columns": orjson.dumps(query.columns).decode(), "types": orjson.dumps(query.types).decode()}
    # Names may stand twice in an answer, but not in a file.
    schema = Table.from_batches([], schema=query.schema).rename_columns([str(n) for n in range(len(query.columns))])
    batches = (Table.from_batches([batch]).rename_columns(schema.column_names) for batch in query)
    write_parquet(chain([schema], batches), path, names)


def read_answer(body: IO[bytes]) -> QueryResult:
    """Read an answer that `write_answer` wrote."""
    with TemporaryDirectory(prefix="populace-") as folder:
        path = Path(folder, "answer.parquet")
        with path.open("wb") as file:
            copyfileobj(body, file)
        with open_parquet(path) as rows:
            facts = rows.query("_", f"SELECT key, value FROM parquet_kv_metadata({quote_text(str(path))})")  # noqa: S608  # noqa: S608 - our own path
            names = dict(facts.fetchall()) if facts else {}
            columns, types = (tuple(orjson.loads(names[name])) for name in (b"columns", b"types"))
            return Query(columns, types, *read_stream(rows)).result()

"""Asking a run of another process, over loopback."""

from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import cast

import orjson

from ...personas.query import Params, QueryError, Result
from .answer import read_answer
from .cursors import ClosedError
from .sidecar import Sidecar

__all__ = ["LiveClient"]

#: Longer than the run lets any query take.
_PATIENCE_SECONDS = 330.0


class LiveClient:
    """Asks the run that a sidecar tells of."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    def query(self, sql: str, params: Params = (), *, seconds: float | None = None) -> Result:
        """The answer to one statement that only reads, within so many seconds, or as many as the run gives.

        Raises `QueryError` with the run's own sentence, and `ClosedError` when no run answers there.
        """
        try:
            body = orjson.dumps({"sql": sql, "params": params, "seconds": seconds})
        except TypeError as error:
            raise QueryError(f"A parameter cannot be sent to a running run: {error}; give it as text.") from error
        connection = HTTPConnection("127.0.0.1", self._sidecar.port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request("POST", "/sql", body, {"Authorization": f"Bearer {self._sidecar.token}"})
            return _result(connection.getresponse())
        except (OSError, HTTPException) as error:
            raise ClosedError from error
        finally:
            connection.close()


def _result(response: HTTPResponse) -> Result:
    if response.status == HTTPStatus.OK:
        return read_answer(response.read()).result()
    if response.status == HTTPStatus.BAD_REQUEST:
        raise QueryError(cast("str", orjson.loads(response.read())["error"]))
    raise ClosedError

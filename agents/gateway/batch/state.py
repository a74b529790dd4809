"""What a server says of a batch."""

from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from ....personas.model import Outcome
from ...endpoint.errors import RequestError, error_of_status, words_of
from .line import status_of_code

__all__ = ["BatchState", "RequestCounts"]

_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


class RequestCounts(BaseModel):
    """How far a batch is."""

    # Servers add fields of their own to what the protocol names, here and below.
    model_config = ConfigDict(extra="ignore")

    total: int = 0
    completed: int = 0
    failed: int = 0


class BatchState(BaseModel):
    """One batch as its server describes it. A status that is not known counts as under way."""

    model_config = ConfigDict(extra="ignore")

    id: str
    status: str
    created_at: float | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    request_counts: RequestCounts | None = None
    metadata: dict[str, Any] | None = None
    #: {"data": [{"code", "message", "line"}]} by the protocol; some servers have a mere string.
    errors: Any = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in _ENDED

    def failure(self, *, key: str = "") -> RequestError:
        """Why a batch whose status is `failed` was not begun, in the server's own words."""
        data = self.errors.get("data") if isinstance(self.errors, dict) else None
        listed = [error for error in data if isinstance(error, dict)] if isinstance(data, list) else []
        words = "; ".join(_said(error) for error in listed[:3]) or words_of(orjson.dumps(self.errors or ""))
        status = status_of_code(listed[0].get("code") if listed else None, 400)
        # Words and outcome as of a refusal of one request: what stops a run there stops it here.
        judged = error_of_status(status, words, key=key)
        said = f": {judged.body}" if judged.body else ", and the server did not say why"
        return RequestError(judged.outcome, f"The batch failed as a whole{said}", status=status, body=judged.body)

    def left_undone(self) -> RequestError:
        """Why a request has no line in what came of a batch that did end."""
        if self.status == "expired":
            return RequestError(Outcome.TIMEOUT, "The batch expired before this request was done.")
        if self.status == "cancelled":
            return RequestError(Outcome.DROPPED, "The batch was cancelled before this request was done.")
        return RequestError(Outcome.DROPPED, "The batch ended without a whole line for this request.")


def _said(error: dict[str, Any]) -> str:
    where = f"line {error['line']}: " if error.get("line") is not None else ""
    code = f" ({error['code']})" if error.get("code") else ""
    return f"{where}{error.get('message') or 'no message'}{code}"

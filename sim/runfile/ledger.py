"""The ledger of a job: calls go into the run file, and paid answers to unfinished work come back."""

from collections.abc import Sequence

from ...agents.gateway.budget import Spent
from ...agents.gateway.call import Call, CallKey, RecordedReply
from .runlog import RunLog

__all__ = ["RunLedger", "spent_before"]

_LAST = "SELECT coalesce(max(rowid), -1) FROM calls WHERE job = $job AND raw IS NOT NULL"
_PAID = """
SELECT phase, number, owner, request_hash, replicate, job, raw, finish_reason
FROM calls
WHERE job = $job AND phase = $phase AND number = $number AND raw IS NOT NULL AND rowid <= $last
"""
_OF_OWNERS = "AND owner IN (SELECT unnest($owners))"

_SPENT = """
SELECT count(*), count(raw),
       coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
       coalesce(sum(reasoning_tokens), 0), coalesce(sum(cached_tokens), 0),
       coalesce(sum(cost), 0.0), count(raw) - count(cost), count(raw) - count(output_tokens)
FROM calls
WHERE job = $job AND source IN ('endpoint', 'batch')
"""


def spent_before(log: RunLog) -> Spent:
    """What the calls of all earlier sessions of a job came to."""
    (sums,) = log.query(_SPENT, {"job": log.job})
    return Spent(*sums)


class RunLedger:
    """Keeps calls in a run file, and gives back answers of earlier sessions: those of one chunk are in memory."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        ((self._last,),) = log.query(_LAST, {"job": log.job})
        self._prepared = ("", -1)
        self._paid: dict[CallKey, RecordedReply] = {}

    def record(self, call: Call) -> None:
        """Hand the call over to the run file's writer. Raises `StorageError` when that cannot write."""
        self._log.submit((call,))

    def prepare(self, phase: str, number: int, owners: Sequence[str | None] = (None,)) -> None:
        """Have the answers of a hop or step ready that were paid for on behalf of these owners; None is anybody."""
        self._prepared = (phase, number)
        if self._last < 0:
            return
        params: dict[str, object] = {"job": self._log.job, "phase": phase, "number": number, "last": self._last}
        named = [owner for owner in owners if owner is not None]
        if len(named) == len(owners):
            params["owners"] = named
        # A request that was answered twice was not content with the first: the later answer stands.
        found = self._log.query(f"{_PAID} {_OF_OWNERS if 'owners' in params else ''} ORDER BY rowid", params)
        self._paid = {CallKey(*key): RecordedReply(raw, finish_reason) for *key, raw, finish_reason in found}

    def recall(self, key: CallKey) -> RecordedReply | None:
        """The answer that an earlier session paid for, if this very request was made then."""
        if self._prepared != (key.phase, key.number):
            self.prepare(key.phase, key.number)
        return self._paid.get(key)

"""The ledger of a run: calls go into the run file, and paid answers to unfinished work come back."""

from ...agents.gateway.budget import Spent
from ...agents.gateway.call import Call, CallKey, RecordedReply
from .runlog import RunLog

__all__ = ["RunLedger", "spent_before"]

_PAID = """
SELECT phase, number, owner, request_hash, replicate, job, raw, finish_reason
FROM calls AS c
WHERE job = $job AND raw IS NOT NULL AND NOT EXISTS (
    FROM markers AS m WHERE m.job = c.job AND m.phase = c.phase AND m.number = c.number AND m.chunk = 0
)
ORDER BY rowid
"""

_SPENT = """
SELECT count(*), count(raw),
       coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
       coalesce(sum(reasoning_tokens), 0), coalesce(sum(cached_tokens), 0),
       coalesce(sum(cost), 0.0), count(raw) - count(cost), count(raw) - count(output_tokens)
FROM calls
WHERE job = $job AND source IN ('endpoint', 'batch')
"""


def spent_before(log: RunLog) -> Spent:
    """What the calls of all earlier sessions of a run came to."""
    (sums,) = log.query(_SPENT, {"job": log.job})
    return Spent(*sums)


class RunLedger:
    """Keeps calls in a run file; gives back what was answered after its last complete hop, chunk of a hop, or step."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        # A request that was answered twice was not content with the first: the later answer stands.
        found = log.query(_PAID, {"job": log.job})
        self._paid = {CallKey(*key): RecordedReply(raw, finish_reason) for *key, raw, finish_reason in found}

    def __len__(self) -> int:
        """Answers that can still be recalled."""
        return len(self._paid)

    def record(self, call: Call) -> None:
        """Hand the call over to the run file's writer. Raises `StorageError` when that cannot write."""
        self._log.submit((call,))

    def recall(self, key: CallKey) -> RecordedReply | None:
        """The answer that an earlier session paid for, if this very request was made then."""
        return self._paid.get(key)

    def forget(self, phase: str, number: int) -> None:
        """Let go of the answers of a hop or step that is complete now."""
        if self._paid:
            self._paid = {k: r for k, r in self._paid.items() if (k.phase, k.number) != (phase, number)}

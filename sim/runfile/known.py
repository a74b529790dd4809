"""The answers of the run that this one was forked from."""

from ...agents.gateway.call import Call, CallKey, RecordedReply
from .runlog import RunLog

__all__ = ["KnownAnswers"]

_ANSWERS = """
SELECT owner, request_hash, replicate,
       raw, finish_reason, input_tokens, output_tokens, reasoning_tokens, cached_tokens
FROM known_answers
WHERE job = 1 AND phase = $phase AND number = $number
ORDER BY rowid
"""


class KnownAnswers:
    """A store of answers by hop or step; those of one at a time are in memory."""

    source = "fork"

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self._loaded = ("", -1)
        self._replies: dict[CallKey, RecordedReply] = {}

    def recall(self, key: CallKey, scope: str) -> RecordedReply | None:
        """The answer that the earlier run had to this very request."""
        if self._loaded != (key.phase, key.number):
            found = self._log.query(_ANSWERS, {"phase": key.phase, "number": key.number})
            # A request that was answered twice was not content with the first: the later answer stands.
            self._replies = {CallKey(key.phase, key.number, *row[:3]): RecordedReply(*row[3:]) for row in found}
            self._loaded = (key.phase, key.number)
        return self._replies.get(key)

    def keep(self, call: Call, scope: str) -> None:
        """Nothing: the calls of this run are in its own ledger."""

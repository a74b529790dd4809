"""What the gateway keeps in a run file, and finds there again: calls, answers of a fork, batches and vectors."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import orjson

from ...agents.batch.client import OpenBatch
from ...agents.embedding.vectors import Vector
from ...agents.endpoint.response import ModelResponse
from ...agents.gateway.budget import Spent
from ...agents.gateway.call import Call, CallKey, RequestPart
from ...personas.hub.tables import VectorRow
from .job_rows import BatchRow
from .runlog import RunLog
from .writer import Statement

#: Parts of requests that are remembered as kept: those that many requests share come soon again.
_PARTS = 500_000
_KNOWN_PARTS = "SELECT part FROM request_parts LIMIT $most"

_LAST = "SELECT coalesce(max(rowid), -1) FROM calls WHERE job = $job AND raw IS NOT NULL"
_PAID = """
SELECT phase, number, owner, request_hash, replicate, job, raw, finish_reason, reasoning
FROM calls
WHERE job = $job AND phase = $phase AND number = $number AND raw IS NOT NULL AND rowid <= $last
"""
_OF_OWNERS = "AND owner IN (SELECT unnest($owners))"

#: The totals of the calls of a job, as the fields of `Spent`.
SPENT = """
SELECT count(*), count(raw),
       coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
       coalesce(sum(reasoning_tokens), 0), coalesce(sum(cached_tokens), 0),
       coalesce(sum(cost), 0.0), count(raw) - count(cost), count(raw) - count(output_tokens)
FROM calls
WHERE job = $job AND source IN ('endpoint', 'batch')
"""


def spent_before(log: RunLog) -> Spent:
    """Return the totals of all calls of earlier sessions of a job."""
    if not log.may_hold(Call):
        return Spent()
    (sums,) = log.query(SPENT, {"job": log.job})
    return Spent(*sums)


class RunLedger:
    """Keeps calls in a run file, and gives back answers of earlier sessions: those of one chunk are in memory."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self._last = -1
        #: Parts of requests that the file has, as far as is remembered, and those that go with the next call.
        self._parts: set[int] = set()
        self._new_parts: list[RequestPart] = []
        if log.may_hold(Call):
            ((self._last,),) = log.query(_LAST, {"job": log.job})
            self._parts.update(part for (part,) in log.query(_KNOWN_PARTS, {"most": _PARTS}))
        self._prepared = ("", -1)
        self._paid: dict[CallKey, ModelResponse] = {}

    def keep(self, parts: Sequence[RequestPart]) -> None:
        """Queue the request parts that the file does not have yet.

        Only recent parts are remembered, so in a long run a part may be written again.
        """
        if len(self._parts) > _PARTS:
            self._parts.clear()
        for one in parts:
            if one.part not in self._parts:
                self._parts.add(one.part)
                self._new_parts.append(one)

    def record(self, call: Call) -> None:
        """Queue the call for the run file's writer. Raises `StorageError` if the writer has failed."""
        new, self._new_parts = self._new_parts, []
        self._log.submit((*new, call))

    def prepare(self, phase: str, number: int, owners: Sequence[str | None] = (None,)) -> None:
        """Load the answers of a hop or step that were paid for on behalf of these owners.

        If None is among the owners, load the answers of all owners.
        """
        self._prepared = (phase, number)
        if self._last < 0:
            return
        params: dict[str, object] = {"job": self._log.job, "phase": phase, "number": number, "last": self._last}
        named = [owner for owner in owners if owner is not None]
        if len(named) == len(owners):
            params["owners"] = named
        # A request that was answered twice was not content with the first: the later answer stands.
        found = self._log.query(f"{_PAID} {_OF_OWNERS if 'owners' in params else ''} ORDER BY rowid", params)
        self._paid = {
            CallKey(*key): ModelResponse(raw, finish, reasoning=thought) for *key, raw, finish, thought in found
        }

    def recall(self, key: CallKey) -> ModelResponse | None:
        """Return the answer an earlier session paid for, or None if it did not make this request."""
        if self._prepared != (key.phase, key.number):
            self.prepare(key.phase, key.number)
        return self._paid.get(key)


_ANSWERS = """
SELECT owner, request_hash, replicate,
       raw, finish_reason, input_tokens, output_tokens, reasoning_tokens, cached_tokens, reasoning
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
        self._replies: dict[CallKey, ModelResponse] = {}

    def recall(self, key: CallKey, scope: str) -> ModelResponse | None:
        """Return the earlier run's answer to this request, or None."""
        if self._loaded != (key.phase, key.number):
            found = self._log.query(_ANSWERS, {"phase": key.phase, "number": key.number})
            # A request that was answered twice was not content with the first: the later answer stands.
            self._replies = {CallKey(key.phase, key.number, *row[:3]): ModelResponse(*row[3:]) for row in found}
            self._loaded = (key.phase, key.number)
        return self._replies.get(key)

    def keep(self, call: Call, scope: str) -> None:
        """Do nothing, since the run's own ledger has its calls."""


_OPENED = "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?, 'open', ?, NULL)"
_OPEN = "WHERE job = $job AND ended_at IS NULL ORDER BY created_at"
_CLOSED = "UPDATE batches SET status = ?, ended_at = ? WHERE nonce = ?"


class RunBatches:
    """The journal of a run's batches; one that is not closed is continued when the run is resumed."""

    def __init__(self, log: RunLog) -> None:
        self._log = log

    async def opened(self, batch: OpenBatch) -> None:
        """Store a batch in place of what was stored under its nonce, and wait until that is durable."""
        requests = orjson.dumps(batch.custom_ids).decode()
        created = batch.created_at.astimezone(UTC).replace(tzinfo=None)
        values = [batch.nonce, self._log.job, batch.batch_id, batch.endpoint, batch.input_file_id, requests, created]
        await self._commit_statement(Statement(_OPENED, values))

    async def closed(self, nonce: str, status: str) -> None:
        """Record how a batch ended. It is durable after the calls the batch brought."""
        await self._commit_statement(Statement(_CLOSED, [status, datetime.now(UTC).replace(tzinfo=None), nonce]))

    def open_batches(self) -> Sequence[OpenBatch]:
        """Return the batches of earlier sessions that are not closed."""
        return [
            OpenBatch(
                nonce=row.nonce,
                endpoint=row.endpoint,
                input_file_id=row.input_file or "",
                custom_ids=tuple(orjson.loads(row.requests)),
                created_at=row.created_at.replace(tzinfo=UTC),
                batch_id=row.batch,
            )
            for row in self._log.rows(BatchRow, _OPEN, {"job": self._log.job})
        ]

    async def _commit_statement(self, statement: Statement) -> None:
        await asyncio.wrap_future(self._log.commit(statements=[statement]))


#: The vectors of some texts, the latest first.
KNOWN_VECTORS = """
SELECT text_hash, vector FROM vectors
WHERE model = $model AND text_hash IN (SELECT unnest($hashes))
ORDER BY rowid DESC
"""


class RunVectors:
    """The `VectorStore` of a run file. No vector that is in the file is held in memory."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        #: What was handed over and is not durable yet.
        self._fresh: dict[tuple[str, str], Vector] = {}

    def known(self, hashes: Iterable[str], model: str) -> Mapping[str, Vector]:
        """Return the vectors of this model for those of the texts that have one, by hash."""
        wanted = list(hashes)
        fresh = ((key, self._fresh.get((model, key))) for key in wanted)
        found = {key: vector for key, vector in fresh if vector is not None}
        missing = [key for key in wanted if key not in found]
        if missing:
            with self._log.cursors.reading() as cursor:
                known = cursor.execute(KNOWN_VECTORS, {"model": model, "hashes": missing}).fetchnumpy()
            found |= dict(zip(known["text_hash"], known["vector"], strict=True))
        return found

    def keep(self, call: Call, vectors: Mapping[str, Vector]) -> None:
        """Queue a call and its vectors for the run file's writer, all or nothing. Raises `StorageError`."""
        fresh = {(call.model, key): vector for key, vector in vectors.items()}
        self._fresh |= fresh
        made = [VectorRow(key, call.model, vector, call.request_hash) for key, vector in vectors.items()]
        # One commit for hundreds of paid texts: they need not wait for others.
        durable = self._log.commit([call, *made])
        durable.add_done_callback(lambda _: [self._fresh.pop(key, None) for key in fresh])

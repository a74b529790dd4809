"""The vectors of a run: they go into its file with the calls that brought them, and come back by the texts' hashes."""

from collections.abc import Iterable, Mapping

from ...agents.embedding.vectors import Vector
from ...agents.gateway.call import Call
from .rows import VectorRow
from .runlog import RunLog

__all__ = ["KNOWN_VECTORS", "RunVectors"]

#: The vectors of some texts, whoever made them last first.
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
        """Those of these texts that have a vector of this model."""
        wanted = list(hashes)
        fresh = ((key, self._fresh.get((model, key))) for key in wanted)
        found = {key: vector for key, vector in fresh if vector is not None}
        missing = [key for key in wanted if key not in found]
        if missing:
            with self._log.cursors.reading() as cursor:
                table = cursor.sql(KNOWN_VECTORS, params={"model": model, "hashes": missing}).to_arrow_table()
            for key, vector in zip(table["text_hash"], table["vector"], strict=True):
                found[key.as_py()] = vector.values.to_numpy()
        return found

    def keep(self, call: Call, vectors: Mapping[str, Vector]) -> None:
        """Hand a call and its vectors over to the run file's writer, all or nothing. Raises `StorageError`."""
        fresh = {(call.model, key): vector for key, vector in vectors.items()}
        self._fresh |= fresh
        made = [VectorRow(key, call.model, vector, call.request_hash) for key, vector in vectors.items()]
        # One commit for hundreds of paid texts: they need not wait for others.
        durable = self._log.commit([call, *made])
        durable.add_done_callback(lambda _: [self._fresh.pop(key, None) for key in fresh])

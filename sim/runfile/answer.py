"""How the answer to a query travels between processes: as an Arrow stream that also names DuckDB's types."""

from typing import IO

import orjson
import pyarrow as pa

from ...personas.query import Query

__all__ = ["read_answer", "write_answer"]


def write_answer(query: Query, sink: IO[bytes]) -> None:
    """Write the whole answer to a binary stream. Raises `QueryError` when the query fails."""
    names = {"columns": orjson.dumps(query.columns), "types": orjson.dumps(query.types)}
    schema = query.batches.schema.with_metadata(names)
    with pa.ipc.new_stream(sink, schema) as stream:
        for batch in query:
            stream.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))


def read_answer(body: bytes) -> Query:
    """The answer that was written."""
    batches = pa.ipc.open_stream(body)
    names = batches.schema.metadata
    return Query(tuple(orjson.loads(names[b"columns"])), tuple(orjson.loads(names[b"types"])), batches)

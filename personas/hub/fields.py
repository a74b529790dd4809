"""What a file says of people beside their description, written into a hub: lineage, model, licences, profiles."""

from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import pyarrow as pa

from .exported import FIELD_SCHEMA, Fields
from .extras import Extra

__all__ = ["RENAMED", "with_fields", "write_fields"]

#: Ids in a file that are others in the hub: of descriptions that were edited, or that a judge has rewritten.
RENAMED = "CREATE TEMP TABLE IF NOT EXISTS exported_renamed (file INTEGER, was VARCHAR, now VARCHAR)"
_RENAME = "INSERT INTO exported_renamed SELECT $file, was, id FROM imported_batch WHERE was IS NOT NULL AND was <> id"
#: The hub may have met a text before without being told who wrote it. That a model did is not to be lost.
_FILL = """
UPDATE personas SET origin = coalesce(b.origin, personas.origin), hop = coalesce(b.hop, personas.hop),
    parent = coalesce(b.parent, personas.parent), model = b.model, prompt = b.prompt
FROM imported_batch AS b
WHERE personas.id = b.id AND personas.model IS NULL AND b.model IS NOT NULL
"""
_LICENCES = """
INSERT INTO imports (persona, file, row, source, licence, revision, imported_at)
SELECT i.persona, i.file, i.row, i.source, unnest(list_filter(b.licences, lambda x: x <> coalesce(i.licence, ''))),
       i.revision, i.imported_at
FROM imported_batch AS b JOIN imports AS i ON i.file = $file AND i.row = b.row WHERE len(b.licences) > 1
"""
_EXTRAS: Mapping[Extra, str] = {
    Extra.PROFILES: """INSERT INTO profiles BY NAME
        SELECT b.id AS persona, e.* EXCLUDE (row) FROM imported_extras AS e JOIN imported_batch AS b ON b.row = e.row
        ON CONFLICT DO NOTHING""",
    Extra.BIOGRAPHIES: """INSERT INTO biographies BY NAME
        SELECT b.id AS persona, e.* EXCLUDE (row) FROM imported_extras AS e JOIN imported_batch AS b ON b.row = e.row
        ON CONFLICT DO NOTHING""",
    Extra.ELITES: """INSERT INTO elites BY NAME
        SELECT b.id AS persona, e.* EXCLUDE (row) FROM imported_extras AS e JOIN imported_batch AS b ON b.row = e.row
        WHERE NOT EXISTS (FROM elites AS x WHERE x.persona = b.id AND x.original = e.original AND x.skill = e.skill)""",
}


def with_fields(rows: pa.Table, fields: Sequence[Fields]) -> pa.Table:
    """The rows of a batch with the columns of `FIELD_SCHEMA`; they are null where the file says nothing of a row."""
    found = pa.concat_tables([one.table() for one in fields]) if fields else FIELD_SCHEMA.empty_table()
    numbers, wanted = found["row"].to_numpy(), rows["row"].to_numpy()
    places = np.searchsorted(numbers, wanted)
    inside = np.minimum(places, max(len(numbers) - 1, 0))
    is_there = (numbers[inside] == wanted) if len(numbers) else np.zeros(len(wanted), bool)
    taken = found.take(pa.array(inside if len(numbers) else [], pa.int64(), mask=~is_there if len(numbers) else None))
    for field in FIELD_SCHEMA:
        if field.name != "row":
            column = taken[field.name] if len(numbers) else pa.nulls(rows.num_rows, field.type)
            rows = rows.append_column(field, column)
    return rows


def write_fields(con: duckdb.DuckDBPyConnection, fields: Sequence[Fields], *, file: int) -> None:
    """Write what the rows of the registered `imported_batch` say beyond personas and imports."""
    con.execute(RENAMED)
    con.execute(_RENAME, {"file": file})
    con.execute(_FILL)
    con.execute(_LICENCES, {"file": file})
    for part in fields:
        for extra in part.extras:
            con.register("imported_extras", part.of(extra))
            try:
                con.execute(_EXTRAS[extra])
            finally:
                con.unregister("imported_extras")

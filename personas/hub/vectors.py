"""Near-duplicates by meaning: the vectors of a hub's people, and comparison by their cosines.

It follows comparison by words. Vectors are rows of the hub, fetched once and kept by the hash of the text and
the model's name. Verdicts are rows of `duplicates` whose stage names the model, because a cosine of 0.9 means another
likeness for each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..dedup.vectors import COSINE, check_cosine, find_similar_vectors, is_compared_exactly
from ..errors import SetupError
from ..persona import canonical_text
from .dedup import COMPARED, ORDER, insert_verdicts
from .file import HubFile
from .reconcile import COSINE_STAGE, reconcile, record_comparison

__all__ = [
    "CHUNK",
    "EmbeddedReport",
    "PersonTexts",
    "Vectors",
    "compared",
    "dedup_embedded",
    "read_people",
    "read_vectors",
    "without_vector",
]

#: One vector of each text, should there be several: the latest.
_LATEST = "SELECT max(rowid) AS row, text_hash FROM vectors WHERE model = $model GROUP BY text_hash"
_WITHOUT = f"""
SELECT p.rowid AS row {COMPARED}
AND NOT EXISTS (SELECT 1 FROM vectors AS v WHERE v.model = $model AND v.text_hash = p.id) {ORDER}
"""  # noqa: S608 - our own words
_WITH = f"""
SELECT c.person, v.row AS vector, c.undone
FROM (SELECT p.rowid AS person, p.id, p.ordinal, coalesce(d.undone, false) AS undone {COMPARED}) AS c
JOIN ({_LATEST}) AS v ON v.text_hash = c.id
ORDER BY c.ordinal, c.person
"""  # noqa: S608 - our own words
_DIMS = "SELECT DISTINCT len(vector) AS dims FROM vectors WHERE model = ? ORDER BY dims"
_SCAN = "SELECT rowid AS row, vector FROM vectors WHERE model = $model"
_BATCH = 1 << 14


@dataclass(frozen=True, slots=True)
class Vectors:
    """Everybody who is compared and has a vector, in order of arrival."""

    #: Numbers of the rows in `personas`.
    persons: NDArray[np.int64]
    #: Whose verdict was undone, and who is an original therefore.
    undone: NDArray[np.bool_]
    matrix: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PersonTexts:
    """Some people by id, with their texts."""

    ids: Sequence[str]
    texts: Sequence[str]


def without_vector(hub: HubFile, model: str) -> NDArray[np.int64]:
    """The rows of those in `personas` who are compared and have no vector of this model, in order of arrival."""
    rows: NDArray[np.int64] = hub.con.execute(_WITHOUT, {"model": model}).fetchnumpy()["row"]
    return rows


def compared(hub: HubFile) -> int:
    """How many people no verdict marks, so that they are compared."""
    ((number,),) = hub.con.execute(f"SELECT count(*) {COMPARED}").fetchall()
    return int(number)


def read_people(hub: HubFile, rows: NDArray[np.int64]) -> PersonTexts:
    """The people of these rows, in their order."""
    with hub.con.cursor() as cursor:
        cursor.register("wanted_people", pa.table({"place": np.arange(len(rows)), "row": rows}))
        query = "SELECT p.id, p.text FROM wanted_people AS w JOIN personas AS p ON p.rowid = w.row ORDER BY w.place"
        found = cursor.sql(query).to_arrow_table()
    # An embedder keys vectors by the hash of its input, which must be the id.
    return PersonTexts(found["id"].to_pylist(), [canonical_text(text) for text in found["text"].to_pylist()])


def read_vectors(hub: HubFile, model: str) -> Vectors:
    """The vectors of everybody who is compared and has one of this model, with nothing else in memory.

    Raises `SetupError` when they are not of one length, so that another model must have been served by the name.
    """
    sizes = [int(size) for (size,) in hub.con.execute(_DIMS, [model]).fetchall()]
    if len(sizes) > 1:
        raise SetupError(
            f"The vectors that {str(hub.path)!r} has of model {model} have {' and '.join(map(str, sizes))} numbers, so "
            f"more than one model was served by that name; delete those of one from the table vectors."
        )
    found = hub.con.execute(_WITH, {"model": model}).fetchnumpy()
    matrix = np.empty((len(found["person"]), sizes[0] if sizes else 1), dtype=np.float32)
    _fill(hub, model, matrix, np.asarray(found["vector"], dtype=np.int64))
    return Vectors(np.asarray(found["person"], dtype=np.int64), np.asarray(found["undone"], dtype=np.bool_), matrix)


def _fill(hub: HubFile, model: str, matrix: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
    """Copy the vectors of these rows into a matrix in the order of the table: sorting would hold them twice."""
    order = np.argsort(rows)
    ordered = rows[order]
    with hub.con.cursor() as cursor:
        for batch in cursor.sql(_SCAN, params={"model": model}).to_arrow_reader(_BATCH):
            row = batch.column("row").to_numpy()
            wanted = np.isin(row, ordered)
            flat = batch.column("vector").flatten().to_numpy().reshape(len(row), -1)
            matrix[order[np.searchsorted(ordered, row[wanted])]] = flat[wanted]


#: People whose vectors come into the hub in one transaction.
CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class EmbeddedReport:
    """What comparing a hub's people by their vectors found, in personas."""

    model: str
    #: Those who were compared, and those whom no earlier stage marked and who have no vector.
    judged: int
    without: int
    #: New verdicts, all of stage `stage`.
    marked: int
    #: The least cosine of near-duplicates.
    threshold: float
    stage: str
    #: Whether everybody was compared with everybody; an index may overlook a few in a thousand.
    is_exact: bool


def _cosine_stage(model: str) -> str:
    """The stage that verdicts by the vectors of a model have."""
    return f"{COSINE_STAGE}{model}"


def dedup_embedded(
    hub: HubFile,
    model: str,
    *,
    threshold: float = COSINE,
    exact: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> EmbeddedReport:
    """Mark each persona whose vector is nearly that of an earlier original, in one transaction.

    It is for those whom the words left, so `dedup_hub` comes first, and follows its rules: the first stays,
    standing verdicts stay, whoever has one is no original, and whose verdict was undone is. Who has no vector of this
    model is left alone. `exact` is as for `near_vectors`. Raises `SetupError` for a threshold outside 0
    to 1, and `StorageError` for a full disk.
    """
    check_cosine(threshold)
    without = len(without_vector(hub, model))
    vectors = read_vectors(hub, model)
    found = find_similar_vectors(vectors.matrix, threshold, fixed=vectors.undone, exact=exact, progress=progress)
    stage = _cosine_stage(model)
    with hub.writing() as con:
        insert_verdicts(hub, found, vectors.persons, stage)
        record_comparison(con, stage, threshold)
        reconcile(con)
    whole = is_compared_exactly(found.compared, exact)
    return EmbeddedReport(model, found.compared, without, len(found), threshold, stage, whole)

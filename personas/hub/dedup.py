"""Near-duplicates of a hub, by words and then by meaning: verdicts are rows, and nothing is deleted.

The file keeps no index that could disagree with its rows. Sets of words are made again from the texts, a million in
about a second, so what a killed process left behind is compared as if nothing had happened. Vectors are rows of the
hub, fetched once and kept by the hash of the text and the model's name; the stage of verdicts by them names the model,
because a cosine of 0.9 means another likeness for each.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from arro3.core import Table
from numpy.typing import NDArray

from ...core.arrow import iter_batches, make_table, to_matrix
from ...core.errors import SetupError, parameter
from ...core.text import canonical_text
from ..dedup import STAGE, DedupMethod, Duplicates
from ..dedup.near_duplicates import find_in_blocks
from ..dedup.vectors import COSINE, check_cosine, find_similar_vectors, is_compared_exactly
from .file import HubFile
from .queries import count, registered
from .rewrites import (
    COMPARED,
    COSINE_STAGE,
    ORDER,
    PEOPLE,
    TEXT_HASHES,
    iter_text_blocks,
    reconcile_verdicts,
    record_comparison,
)

#: Everybody who is compared where the verdicts from before are withdrawn.
_COMPARED_ANEW = PEOPLE.format(of_verdicts="bool_or")
_COUNTS = """
SELECT (SELECT count(*) FROM personas),
    count(DISTINCT persona) FILTER (NOT undone),
    (SELECT count(*) FROM (SELECT bool_and(undone) AS undone FROM duplicates WHERE kind = 'persona' GROUP BY persona)
     WHERE undone)
FROM duplicates WHERE kind = 'persona'
"""
_INSERT = """
INSERT INTO duplicates BY NAME
SELECT 'persona' AS kind, p.id AS persona, o.id AS "of", $stage AS stage, f.similarity, false AS undone
FROM found_duplicates AS f JOIN personas AS p ON p.rowid = f.persona JOIN personas AS o ON o.rowid = f."of"
ORDER BY f.place
"""
_WITHDRAW = "DELETE FROM duplicates WHERE kind = 'persona' AND NOT undone"
_BATCH = 1 << 16
_EXACT = DedupMethod()
#: From so many personas on, the words of the originals are kept in a file beside the hub.
_MANY = 3_000_000


@dataclass(frozen=True, slots=True)
class DedupReport:
    """What one deduplication of a hub found, in personas."""

    #: Everybody in the hub, near-duplicates included.
    personas: int
    #: Those who were compared this time: the originals so far and the newcomers.
    judged: int
    #: New verdicts, all of stage `stage`.
    marked: int
    #: Those who had a verdict that held before; it still does, unless everybody was compared again.
    marked_before: int
    #: Those whose verdict was undone, and who are originals therefore.
    undone: int
    #: The least Jaccard similarity of near-duplicates.
    threshold: float
    stage: str = STAGE


def dedup_hub(
    hub: HubFile,
    *,
    threshold: float = 0.9,
    anew: bool = False,
    method: DedupMethod = _EXACT,
) -> DedupReport:
    """Mark each persona that nearly repeats an earlier original, in one transaction.

    The first of near-duplicates in order of arrival is kept. The verdict on a later one names the original most like
    it, the earliest of equals. Earlier verdicts hold, at whatever threshold they were found, and a persona with one is
    not an original. A verdict whose survivor was rejected since, or is a near-duplicate now, is decided again. `anew`
    withdraws earlier verdicts of every stage, which another threshold needs. What was undone stays undone.

    `method` says how candidates are found: exactly, or by MinHash, with n-grams and thresholds from 0.1.

    Raises `SetupError` for a threshold out of range, and if the personas of a society that has run are to be
    compared again. Raises `StorageError` for a full disk.
    """
    least = method.parse_threshold(threshold)
    if anew and hub.has_agents:
        raise SetupError(
            f"The people of {str(hub.path)!r} are agents of a run, and are not judged anew; leave "
            f"{parameter('anew')} out."
        )
    if not anew:
        with hub.writing() as con:
            reconcile_verdicts(con)
    compared = _COMPARED_ANEW if anew else COMPARED
    ((personas, marked_before, undone),) = hub.con.execute(_COUNTS).fetchall()
    rows = hub.con.execute(f"SELECT p.rowid AS row {compared} {ORDER}").fetchnumpy()["row"]
    found = find_in_blocks(
        _iter_texts(hub, compared),
        least,
        method=method,
        scratch=hub.path.absolute().parent if len(rows) >= _MANY else None,
    )
    with hub.writing() as con:
        if anew:
            con.execute(_WITHDRAW)
        _insert_verdicts(hub, found, rows, method.stage)
        record_comparison(con, method.stage, threshold, anew=anew)
        reconcile_verdicts(con)
    return DedupReport(personas, len(rows), len(found), marked_before, undone, threshold, method.stage)


def _insert_verdicts(hub: HubFile, found: Duplicates, rows: NDArray[np.int64], stage: str) -> None:
    """Write the near-duplicates found among these rows of `personas` as verdicts of a stage."""
    columns = {
        "place": np.arange(len(found)),
        "persona": rows[found.rows],
        "of": rows[found.of],
        "similarity": found.similarity,
    }
    with registered(hub.con, columns, "found_duplicates"):
        hub.con.execute(_INSERT, {"stage": stage})


def _iter_texts(hub: HubFile, compared: str) -> Iterator[tuple[list[str], NDArray[np.bool_]]]:
    for batch in _iter_batches(hub, f"SELECT p.text, coalesce(d.undone, false) AS undone {compared} {ORDER}"):
        yield from iter_text_blocks(batch)


def _iter_batches(hub: HubFile, query: str) -> Iterator[Table]:
    # A cursor of its own: the caller may ask the hub other things meanwhile.
    with hub.con.cursor() as cursor:
        yield from iter_batches(cursor.sql(query), _BATCH)


#: One vector of each text, should there be several: the latest.
_LATEST = "SELECT max(rowid) AS row, text_hash FROM vectors WHERE model = $model GROUP BY text_hash"
_WITHOUT = f"""
SELECT p.rowid AS row {COMPARED}
AND p.id NOT IN (
    SELECT t.id FROM ({TEXT_HASHES}) AS t SEMI JOIN vectors AS v ON v.model = $model AND v.text_hash = t.text_hash
) {ORDER}
"""  # noqa: S608 - our own words
_WITH = f"""
SELECT c.person, v.row AS vector, c.undone
FROM (SELECT p.rowid AS person, p.id, p.ordinal, coalesce(d.undone, false) AS undone {COMPARED}) AS c
JOIN ({TEXT_HASHES}) AS t ON t.id = c.id JOIN ({_LATEST}) AS v ON v.text_hash = t.text_hash
ORDER BY c.ordinal, c.person
"""  # noqa: S608 - our own words
_DIMS = "SELECT DISTINCT len(vector) AS dims FROM vectors WHERE model = ? ORDER BY dims"
_SCAN = "SELECT rowid AS row, vector FROM vectors WHERE model = $model"
_VECTORS = 1 << 14


@dataclass(frozen=True, slots=True)
class PersonVectors:
    """Everybody who is compared and has a vector, in order of arrival."""

    #: Numbers of the rows in `personas`.
    persons: NDArray[np.int64]
    #: Whose verdict was undone, and who is an original therefore.
    undone: NDArray[np.bool_]
    matrix: NDArray[np.float32]


def without_vector(hub: HubFile, model: str) -> NDArray[np.int64]:
    """Return the rows of compared `personas` without a vector of this model, in order of arrival."""
    rows: NDArray[np.int64] = hub.con.execute(_WITHOUT, {"model": model}).fetchnumpy()["row"]
    return rows


def compared(hub: HubFile) -> int:
    """Count the personas that no verdict marks, so that they are compared."""
    return count(hub.con, f"SELECT count(*) {COMPARED}")


def read_texts(hub: HubFile, rows: NDArray[np.int64]) -> list[str]:
    """Read the descriptions of the personas of these rows, in their order."""
    with hub.con.cursor() as cursor:
        cursor.register("wanted_people", make_table({"place": np.arange(len(rows)), "row": rows}))
        query = "SELECT p.text FROM wanted_people AS w JOIN personas AS p ON p.rowid = w.row ORDER BY w.place"
        found = cursor.execute(query).fetchall()
    # An embedder keys vectors by the hash of its input, which must be the id.
    return [canonical_text(text) for (text,) in found]


def read_vectors(hub: HubFile, model: str) -> PersonVectors:
    """Read the vectors of everybody who is compared and has one of this model, with nothing else in memory.

    Raises `SetupError` if they differ in length, so that more than one model must have been served by the name.
    """
    sizes = [int(size) for (size,) in hub.con.execute(_DIMS, [model]).fetchall()]
    if len(sizes) > 1:
        raise SetupError(
            f"The vectors that {str(hub.path)!r} has of model {model} have {' and '.join(map(str, sizes))} numbers, so "
            f"more than one model was served by that name; delete those of one from the table vectors."
        )
    found = hub.con.execute(_WITH, {"model": model}).fetchnumpy()
    matrix = np.empty((len(found["person"]), sizes[0] if sizes else 1), dtype=np.float32)
    _fill_matrix(hub, model, matrix, np.asarray(found["vector"], dtype=np.int64))
    return PersonVectors(
        np.asarray(found["person"], dtype=np.int64), np.asarray(found["undone"], dtype=np.bool_), matrix
    )


def _fill_matrix(hub: HubFile, model: str, matrix: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
    """Copy the vectors of these rows into a matrix in the order of the table: sorting would hold them twice."""
    order = np.argsort(rows)
    ordered = rows[order]
    with hub.con.cursor() as cursor:
        for batch in iter_batches(cursor.sql(_SCAN, params={"model": model}), _VECTORS):
            row = batch["row"].to_numpy()
            wanted = np.isin(row, ordered)
            matrix[order[np.searchsorted(ordered, row[wanted])]] = to_matrix(batch["vector"])[wanted]


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


def dedup_embedded(
    hub: HubFile,
    model: str,
    *,
    threshold: float = COSINE,
    exact: bool | None = None,
) -> EmbeddedReport:
    """Mark each persona whose vector is nearly that of an earlier original, in one transaction.

    Run `dedup_hub` first. This is for the personas that the comparison of words left, and follows the same rules.
    Personas without a vector of this model are left out. `exact` is as for `find_similar_vectors`. Raises `SetupError`
    for a threshold outside 0 to 1, and `StorageError` for a full disk.
    """
    check_cosine(threshold)
    without = len(without_vector(hub, model))
    vectors = read_vectors(hub, model)
    found = find_similar_vectors(vectors.matrix, threshold, fixed=vectors.undone, exact=exact)
    stage = f"{COSINE_STAGE}{model}"
    with hub.writing() as con:
        _insert_verdicts(hub, found, vectors.persons, stage)
        record_comparison(con, stage, threshold)
        reconcile_verdicts(con)
    whole = is_compared_exactly(found.compared, exact)
    return EmbeddedReport(model, found.compared, without, len(found), threshold, stage, whole)

"""Near-duplicates of a hub by their words: verdicts are rows, nothing is deleted and nobody is compared twice.

The file keeps no index that could disagree with its rows. Sets of words are made again from the texts, a million in
about a second, so what a killed process left behind is compared as if nothing had happened.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..dedup import STAGE, DedupMethod, Duplicates, write_signatures
from ..dedup.near_duplicates import find_in_blocks
from ..dedup.word_sets import iter_blocks
from ..errors import SetupError, parameter
from .file import HubFile
from .queries import TURNED_AWAY, count, registered
from .reconcile import reconcile, record_comparison

__all__ = ["COMPARED", "ORDER", "DedupReport", "dedup_hub", "insert_verdicts"]

#: Everybody whom no rule turned away, and whether the verdicts on them were undone: who was undone is an original.
_PEOPLE = f"""
FROM personas AS p LEFT JOIN (
    SELECT persona, {{of_verdicts}}(undone) AS undone FROM duplicates WHERE kind = 'persona' GROUP BY persona
) AS d ON d.persona = p.id
WHERE p.id NOT IN ({TURNED_AWAY})
"""  # noqa: S608 - our own words
#: Of them those without a verdict that holds; and all of them, where such verdicts are to be withdrawn.
COMPARED = _PEOPLE.format(of_verdicts="bool_and") + "AND d.undone IS DISTINCT FROM false\n"
_COMPARED_ANEW = _PEOPLE.format(of_verdicts="bool_or")
#: The order of arrival.
ORDER = "ORDER BY p.ordinal, p.rowid"
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
    stood: int
    #: Those whose verdict was undone, and who are originals therefore.
    undone: int
    #: The least Jaccard similarity of near-duplicates.
    threshold: float
    #: Whether earlier verdicts were withdrawn first.
    anew: bool = False
    stage: str = STAGE


def dedup_hub(
    hub: HubFile,
    *,
    threshold: float = 0.9,
    anew: bool = False,
    method: DedupMethod = _EXACT,
    signatures: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DedupReport:
    """Mark each persona that nearly repeats an earlier original, in one transaction.

    The first of near-duplicates in order of arrival is kept, and the verdict on a later one names the original most
    like it, the earliest of equals. Verdicts from before hold, at whatever threshold they were found, and whoever has
    one is no original; one whose survivor was turned away since, or is a near-duplicate now, is decided again. `anew`
    withdraws earlier verdicts of every stage, which another threshold needs; what was undone stays undone.

    `method` says how candidates are found: exactly, or by MinHash, with n-grams and thresholds from 0.1. `signatures`
    is a new Parquet file for the MinHash signatures of everybody compared. `progress` is called with the personas
    compared so far and how many there are.

    Raises `SetupError` for a threshold out of range, for signatures without MinHash or where there is a file, and when
    the people of a run that has lived are to be compared again; `StorageError` for a full disk.
    """
    least = method.parse_threshold(threshold)
    if signatures is not None and method.name != "minhash":
        raise SetupError(f"Signatures are made by MinHash; give {parameter('method', 'minhash')} with them.")
    if anew and hub.has_lived:
        raise SetupError(
            f"The people of {str(hub.path)!r} have lived, and are not judged anew; leave {parameter('anew')} out."
        )
    if not anew:
        with hub.writing() as con:
            reconcile(con)
    compared = _COMPARED_ANEW if anew else COMPARED
    total = count(hub.con, f"SELECT count(*) {compared}")
    ((personas, stood, undone),) = hub.con.execute(_COUNTS).fetchall()
    rows = hub.con.execute(f"SELECT p.rowid AS row {compared} {ORDER}").fetchnumpy()["row"]
    written = (
        nullcontext()
        if signatures is None
        else write_signatures(signatures, threshold, ngram=method.ngram, ids=_ids(hub, compared))
    )
    with written as file:
        found = find_in_blocks(
            _texts(hub, compared),
            least,
            method=method,
            signatures=file,
            scratch=hub.path.absolute().parent if total >= _MANY else None,
            progress=None if progress is None else lambda done: progress(done, total),
        )
    with hub.writing() as con:
        if anew:
            con.execute(_WITHDRAW)
        insert_verdicts(hub, found, rows, method.stage)
        record_comparison(con, method.stage, threshold, anew=anew)
        reconcile(con)
    return DedupReport(personas, total, len(found), stood, undone, threshold, anew, method.stage)


def insert_verdicts(hub: HubFile, found: Duplicates, rows: NDArray[np.int64], stage: str) -> None:
    """Write the near-duplicates found among these rows of `personas` as verdicts of a stage."""
    columns = {
        "place": np.arange(len(found)),
        "persona": rows[found.rows],
        "of": rows[found.of],
        "similarity": found.similarity,
    }
    with registered(hub.con, pa.table(columns), "found_duplicates"):
        hub.con.execute(_INSERT, {"stage": stage})


def _ids(hub: HubFile, compared: str) -> Iterator[str]:
    for batch in _batches(hub, f"SELECT p.id {compared} {ORDER}"):
        yield from batch.column("id").to_pylist()


def _texts(hub: HubFile, compared: str) -> Iterator[tuple[list[str], NDArray[np.bool_]]]:
    query = f"SELECT p.text, coalesce(d.undone, false) AS undone {compared} {ORDER}"
    for batch in _batches(hub, query):
        undone = batch.column("undone").to_numpy(zero_copy_only=False)
        at = 0
        for block in iter_blocks(batch.column("text").to_pylist()):
            yield block, undone[at : at + len(block)]
            at += len(block)


def _batches(hub: HubFile, query: str) -> Iterator[pa.RecordBatch]:
    # A cursor of its own: the caller may ask the hub other things meanwhile.
    with hub.con.cursor() as cursor:
        yield from cursor.sql(query).to_arrow_reader(_BATCH)

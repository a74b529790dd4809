"""Marking the near-duplicates of a hub: verdicts as rows, nothing deleted, nothing judged twice.

There is no index in the file that could disagree with its rows: sets of words are made anew from the texts, a
million in about a second, so whatever a killed process left behind is judged as if nothing had happened.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..dedup import STAGE, Duplicates, NearDuplicates
from ..dedup.near_duplicates import find_in_blocks
from ..dedup.pairs import Threshold
from ..dedup.word_sets import iter_blocks
from ..errors import SetupError
from .file import HubFile
from .queries import TURNED_AWAY
from .reconcile import reconcile, record_comparison

__all__ = ["COMPARED", "ORDER", "DedupReport", "dedup_hub", "load_originals"]

#: Everybody whom no rule turned away, and whether the verdicts on them were undone: whose were is an original.
_PEOPLE = f"""
FROM personas AS p LEFT JOIN (
    SELECT persona, {{of_verdicts}}(undone) AS undone FROM duplicates WHERE kind = 'persona' GROUP BY persona
) AS d ON d.persona = p.id
WHERE p.id NOT IN ({TURNED_AWAY})
"""  # noqa: S608 - our own words
#: Of them those without a standing verdict; and all of them, where standing verdicts are to go.
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
SELECT 'persona' AS kind, p.id AS persona, o.id AS "of", f.stage, f.similarity, false AS undone
FROM found_duplicates AS f JOIN personas AS p ON p.rowid = f.persona JOIN personas AS o ON o.rowid = f."of"
ORDER BY f.place
"""
_WITHDRAW = "DELETE FROM duplicates WHERE kind = 'persona' AND NOT undone"
_BATCH = 1 << 16
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
    #: Those whose verdict stood before: it still does, unless they were judged anew.
    stood: int
    #: Those whose verdict somebody has undone, and who are originals therefore.
    undone: int
    #: The least Jaccard similarity of near-duplicates.
    threshold: float
    #: Whether verdicts that stood were withdrawn first.
    anew: bool = False
    stage: str = STAGE


def dedup_hub(
    hub: HubFile, *, threshold: float = 0.9, anew: bool = False, progress: Callable[[int, int], None] | None = None
) -> DedupReport:
    """Mark each persona that nearly repeats an earlier original, in one transaction; says how many there were.

    In order of arrival the first of near-duplicates stays, and the verdict on a later one names the original that is
    most like it, the earliest of equals. Standing verdicts stay, at whatever threshold they were found; whoever has one
    is no original. A verdict whose survivor was turned away since, or is a near-duplicate itself now, is decided anew.
    `anew` withdraws standing verdicts of every stage, which another threshold calls for; what somebody has undone stays
    undone. `progress` is told the personas judged so far and those there are. Raises `SetupError` for a threshold
    outside 0.5 to 1, and when people who have lived are to be judged anew; `StorageError` for a full disk.
    """
    least = Threshold.parse(threshold)
    if anew and hub.has_lived:
        raise SetupError(f"The people of {str(hub.path)!r} have lived, and are not judged anew; leave --anew out.")
    if not anew:
        with hub.writing() as con:
            reconcile(con)
    compared = _COMPARED_ANEW if anew else COMPARED
    ((total,),) = hub.con.execute(f"SELECT count(*) {compared}").fetchall()
    ((personas, stood, undone),) = hub.con.execute(_COUNTS).fetchall()
    rows = hub.con.execute(f"SELECT p.rowid AS row {compared} {ORDER}").fetchnumpy()["row"]
    found = find_in_blocks(
        _texts(hub, compared),
        least,
        scratch=_scratch(hub, total),
        progress=None if progress is None else lambda done: progress(done, total),
    )
    _write(hub, found, rows, threshold, anew=anew)
    return DedupReport(personas, total, len(found), stood, undone, threshold, anew)


def load_originals(hub: HubFile, *, threshold: float = 0.9) -> NearDuplicates[str]:
    """The index of everybody in a hub who is nobody's near-duplicate, by persona id, to compare newcomers with."""
    index = NearDuplicates[str](threshold)
    for batch in _batches(hub, f"SELECT p.id, p.text {COMPARED} {ORDER}"):
        index.keep_all(batch.column("id").to_pylist(), batch.column("text").to_pylist())
    return index


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


def _scratch(hub: HubFile, total: int) -> Path | None:
    return hub.path.absolute().parent if total >= _MANY else None


def _write(hub: HubFile, found: Duplicates, rows: NDArray[np.int64], threshold: float, *, anew: bool) -> None:
    table = pa.table(
        {
            "place": pa.array(np.arange(len(found))),
            "persona": pa.array(rows[found.rows]),
            "of": pa.array(rows[found.of]),
            "stage": pa.array([STAGE] * len(found)),
            "similarity": pa.array(found.similarity),
        }
    )
    with hub.writing() as con:
        con.register("found_duplicates", table)
        try:
            if anew:
                con.execute(_WITHDRAW)
            con.execute(_INSERT)
        finally:
            con.unregister("found_duplicates")
        record_comparison(con, STAGE, threshold, anew=anew)
        reconcile(con)

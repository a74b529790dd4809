"""The second stage of near-duplicates in a hub: whom the words left, compared by the vectors of their texts.

Vectors are rows of the hub, fetched once; verdicts are rows of `duplicates` whose stage names the model, because a
cosine of 0.9 means something else for each.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..dedup.cosine import COSINE, check_cosine
from ..dedup.vectors import SimilarVectors, find_similar_vectors, is_compared_exactly
from .file import HubFile
from .reconcile import COSINE_STAGE, reconcile, record_comparison
from .vectors import Embed, Vectors, keep_vectors, read_people, read_vectors, without_vector

__all__ = ["CHUNK", "EmbeddedReport", "cosine_stage", "dedup_embedded", "fetch_vectors"]

_INSERT = """
INSERT INTO duplicates BY NAME
SELECT 'persona' AS kind, p.id AS persona, o.id AS "of", $stage AS stage, f.similarity, false AS undone
FROM found_near AS f JOIN personas AS p ON p.rowid = f.persona JOIN personas AS o ON o.rowid = f."of"
ORDER BY f.place
"""
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


def cosine_stage(model: str) -> str:
    """The stage that verdicts by the vectors of a model have."""
    return f"{COSINE_STAGE}{model}"


async def fetch_vectors(hub: HubFile, embed: Embed, model: str, *, chunk: int = CHUNK) -> int:
    """How many people got a vector who were to be compared and had none of this model yet.

    What a chunk brought is durable before the next is asked for. Whatever `embed` raises ends it.
    """
    missing, fetched = without_vector(hub, model), 0
    for first in range(0, len(missing), chunk):
        people = read_people(hub, missing[first : first + chunk])
        found = await embed(people.texts)
        if len(found.places):
            keep_vectors(hub, people.ids, found, model)
        fetched += len(found.places)
    return fetched


def dedup_embedded(
    hub: HubFile,
    model: str,
    *,
    threshold: float = COSINE,
    exact: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> EmbeddedReport:
    """Mark each persona whose vector is nearly that of an earlier original, in one transaction; says how many.

    It is for those whom the words left, so `dedup_hub` comes first, and follows its rules: the first stays,
    standing verdicts stay, whoever has one is no original, and whose verdict was undone is. Who has no vector of this
    model is left alone. `exact` is as for `find_similar_vectors`. Raises `SetupError` for a threshold outside 0
    to 1, and `StorageError` for a full disk.
    """
    check_cosine(threshold)
    without = len(without_vector(hub, model))
    vectors = read_vectors(hub, model)
    found = find_similar_vectors(vectors.matrix, threshold, fixed=vectors.undone, exact=exact, progress=progress)
    stage = cosine_stage(model)
    _write(hub, found, vectors, stage, threshold)
    whole = is_compared_exactly(found.vectors, exact)
    return EmbeddedReport(model, found.vectors, without, len(found), threshold, stage, whole)


def _write(hub: HubFile, found: SimilarVectors, vectors: Vectors, stage: str, threshold: float) -> None:
    table = pa.table(
        {
            "place": np.arange(len(found)),
            "persona": vectors.persons[found.rows],
            "of": vectors.persons[found.of],
            "similarity": found.similarity,
        }
    )
    with hub.writing() as con:
        con.register("found_near", table)
        try:
            con.execute(_INSERT, {"stage": stage})
        finally:
            con.unregister("found_near")
        record_comparison(con, stage, threshold)
        reconcile(con)

"""The diversity of a run's outputs in numbers, what they mean, and what cannot be said of them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SetupError, parameter
from ...core.result import Note, Result, make_result
from ..table import Queryable
from . import similarity as by_words
from .similarity import (
    PAIRS,
    OutputSample,
    SampleVectors,
    cluster_share,
    compare_levels,
    nearest_by_vectors,
    paper_facts,
    read_sample,
    read_vectors,
    vector_models,
    vendi_score,
)

#: Accepted outputs that are measured, unless more are asked for.
SAMPLE = 2_000
#: Outputs that count as the latest.
LATEST = 500
ORDERS = (1, 2, 3, 4)
#: Shares of the outputs at which the curve of nearest neighbours is given.
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
#: Similarities from which outputs are one cluster: the paper's for very different texts, and its usual one.
CLUSTERS = (0.5, 0.9)

_NEW = f"""
SELECT count(*), count(*) FILTER (NOT is_repeated) FROM (
    SELECT emission IN (SELECT emission FROM duplicates WHERE NOT undone AND emission IS NOT NULL) AS is_repeated
    FROM emissions WHERE ($kind IS NULL OR kind = $kind) ORDER BY emission DESC LIMIT {LATEST}
)
"""  # noqa: S608 - our own words
_TEMPERATURES = """
SELECT DISTINCT sampling ->> '$.temperature' FROM calls
WHERE phase = 'step' AND role = 'default' AND outcome = 'ok' ORDER BY 1
"""
_MODEL = "SELECT model, is_language_model FROM runs"


def measure_diversity(
    run: Queryable,
    *,
    n: int = SAMPLE,
    seed: int = 0,
    kind: str | None = None,
    embeddings: str | None = None,
    pairs: int = PAIRS,
) -> Result:
    """Measure a sample of `n` of a run's accepted outputs, of one kind or of all.

    `seed` draws the sample. `embeddings` names the embedding model whose vectors in the file are used. By default it is
    the first model that gave some of these outputs a vector. `pairs` are drawn at each level of persona similarity.
    Memory grows with `n` alone. Raises `SetupError` for a run without accepted outputs, an unknown kind, and a model
    that gave none of them a vector.
    """
    if not 1 <= n <= by_words.MOST_TEXTS:
        raise SetupError(f"{parameter('n', n)} is out of range; measure from 1 to {by_words.MOST_TEXTS:,} outputs.")
    sample = read_sample(run, n=n, seed=seed, kind=kind)
    tried = (read_vectors(run, sample, model) for model in ([embeddings] if embeddings else vector_models(run)))
    vectors = next((found for found in tried if found is not None), None)
    if embeddings and vectors is None:
        raise SetupError(f"The run has no vectors of its outputs by model {embeddings!r}; fetch them first.")
    ((latest, new),) = run.query(_NEW, {"kind": kind}).rows
    nearest_by_words, clusters = by_words.compare_by_words(sample.texts, CLUSTERS)
    measures: list[tuple[object, ...]] = [
        (f"distinct-{order}", by_words.distinct_n(sample.texts, order), f"share of different {order}-grams of words")
        for order in ORDERS
    ]
    measures += [
        ("compression ratio", by_words.compression_ratio(sample.texts), "from about 1; less is more diverse"),
        *(
            (f"clusters by words, {least:g}", share, "clusters as a share of the outputs")
            for least, share in clusters.items()
        ),
        ("new", new / latest if latest else None, f"share of the latest {latest} outputs that is new"),
    ]
    curves = [("words (Jaccard)", *_read_quantiles(nearest_by_words))]
    parts = []
    if vectors is not None:
        measures += _measure_vectors(vectors)
        curves.append(("meaning (cosine)", *_read_quantiles(nearest_by_vectors(vectors.outputs))))
        parts.append(_study_similarity(vectors, pairs, seed))
    quantiles = ("compared_by", *(f"{q:.0%}" for q in QUANTILES))
    nearest = make_result("Similarity to the nearest other output: so many outputs stay at or below", quantiles, curves)
    whole = "all" if len(sample) == sample.accepted else f"{len(sample):,} of"
    drawn = "" if len(sample) == sample.accepted else f", drawn with seed {seed}"
    return make_result(
        f"Diversity of {whole} {sample.accepted:,} accepted outputs{f' of the kind {kind}' * bool(kind)}{drawn}",
        ("measure", "value", "meaning"),
        measures,
        notes=list(_read_notes(run, sample, vectors)),
        parts=[nearest, *parts],
    )


def _read_quantiles(nearest: NDArray[np.float64]) -> list[float | None]:
    """Return the quantiles of nearest similarity; a single text has no nearest other."""
    return [None] * len(QUANTILES) if len(nearest) < 2 else np.quantile(nearest, QUANTILES).tolist()


def _measure_vectors(vectors: SampleVectors) -> list[tuple[object, ...]]:
    what = f"effective number of different outputs, 1 to {len(vectors.places):,}"
    clusters = [
        (f"clusters by meaning, {least:g}", cluster_share(vectors.outputs, least), "clusters as a share of the outputs")
        for least in CLUSTERS
    ]
    return [("Vendi score", vendi_score(vectors.outputs), what), *clusters]


def _study_similarity(vectors: SampleVectors, pairs: int, seed: int) -> Result:
    rows: list[tuple[object, ...]] = []
    paper = paper_facts()
    for level, *measured in compare_levels(vectors.paired_personas, vectors.paired_outputs, pairs=pairs, seed=seed):
        rows.append((level, "this run", *measured))
        rows += [
            (level, box["label"], paper["pairs"], None, *box["box"]) for box in paper["boxes"] if box["level"] == level
        ]
    return make_result(
        "How alike outputs are by how alike their personas are (Figure 10 of the paper)",
        ("personas", "outputs_of", "pairs", "of", "low", "Q1", "median", "Q3", "high"),
        rows,
    )


def _read_notes(run: Queryable, sample: OutputSample, vectors: SampleVectors | None) -> Iterator[Note]:
    ((_, is_language_model),) = run.query(_MODEL).rows
    if not is_language_model:
        said = "these numbers say nothing about personas or language models."
        yield Note("procedural", f"The outputs are by the built-in generator, not a language model: {said}")
    if vectors is None:
        yield Note(
            "no_vectors",
            "Without an embedding model this cannot give: the similarity study of the paper (Figure 10), the Vendi "
            "score, and nearest neighbours and clusters by meaning. Name one with "
            f"{parameter('embeddings', 'openai:MODEL')}.",
        )
        return
    yield Note(
        "vectors",
        f"Vectors are by {vectors.model}, of {vectors.dims} numbers; the paper's are by {paper_facts()['embeddings']}. "
        "Another embedding model shifts every similarity: compare how boxes rise, not their numbers.",
    )
    named = [f"{float(t):g}" if t is not None else "the endpoint's own" for (t,) in run.query(_TEMPERATURES).rows]
    if is_language_model:
        yield Note("temperature", f"The temperature of the run: {' and '.join(named)}; that of the paper: 0.")
    yield Note(
        "pairs",
        f"{len(vectors.paired):,} personas have an output and a vector. A level with fewer pairs than the paper's "
        f"{PAIRS} is an anecdote; measure more outputs.",
    )
    if missing := len(sample) - len(vectors.places):
        yield Note("without_vector", f"{missing:,} of the {len(sample):,} outputs have no vector of this model.")

"""The diversity of a run's outputs in numbers, what they mean, and what cannot be said of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SetupError, parameter
from ..table import Queryable, Section
from . import similarity as by_words
from .similarity import (
    PAIRS,
    FiveNumbers,
    SampleVectors,
    SimilarityBin,
    cluster_share,
    compare_levels,
    nearest_by_vectors,
    paper_boxes,
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


@dataclass(frozen=True, slots=True)
class VectorDiversity:
    """What only an embedding model can tell. Similarities are cosines."""

    model: str
    #: Numbers in a vector.
    dims: int
    #: Outputs of the sample with a vector.
    outputs: int
    #: Effective number of different outputs, 1 to `outputs`.
    vendi_score: float | None
    #: By share of the outputs, the similarity to the nearest other one below which that share stays.
    nearest: Mapping[float, float]
    #: By similarity, the number of clusters as a share of the outputs.
    clusters: Mapping[float, float | None]
    #: Personas with one output each, of whose pairs the levels are made.
    personas: int
    levels: Sequence[SimilarityBin]


@dataclass(frozen=True, slots=True)
class DiversityReport:
    """How different the accepted outputs of a run are, by a sample of them."""

    #: All outputs and the accepted ones, of this kind or of all kinds.
    outputs: int
    accepted: int
    kind: str | None
    #: Accepted outputs that were measured, and the seed they were drawn by.
    sample: int
    seed: int
    #: By n, the share of different n-grams.
    distinct: Mapping[int, float | None]
    self_bleu: float | None
    compression_ratio: float | None
    #: As in `VectorDiversity`, with Jaccard similarity of sets of words.
    nearest: Mapping[float, float]
    clusters: Mapping[float, float | None]
    #: The latest outputs, accepted or not, at most 500, and the share of them that repeats no earlier one.
    latest: int
    share_new: float | None
    embedded: VectorDiversity | None
    model: str
    is_language_model: bool
    #: Temperatures that were sent with the requests; None where the endpoint's own held.
    temperatures: Sequence[float | None]
    #: Embedding models whose vectors the file has.
    embedding_models: Sequence[str]


def measure_diversity(
    run: Queryable,
    *,
    n: int = SAMPLE,
    seed: int = 0,
    kind: str | None = None,
    embeddings: str | None = None,
    pairs: int = PAIRS,
) -> DiversityReport:
    """Measure a sample of `n` of a run's accepted outputs, of one kind or of all.

    `seed` draws the sample. `embeddings` names the embedding model whose vectors in the file are used. By default it is
    the first model that gave some of these outputs a vector. `pairs` are drawn at each level of persona similarity.
    Memory grows with `n` alone. Raises `SetupError` for a run without accepted outputs, an unknown kind, and a model
    that gave none of them a vector.
    """
    if not 1 <= n <= by_words.MOST_TEXTS:
        raise SetupError(f"{parameter('n', n)} is out of range; measure from 1 to {by_words.MOST_TEXTS:,} outputs.")
    sample = read_sample(run, n=n, seed=seed, kind=kind)
    models = vector_models(run)
    tried = (read_vectors(run, sample, model) for model in ([embeddings] if embeddings else models))
    vectors = next((found for found in tried if found is not None), None)
    if embeddings and vectors is None:
        raise SetupError(f"The run has no vectors of its outputs by model {embeddings!r}; fetch them first.")
    ((latest, new),) = run.query(_NEW, {"kind": kind}).rows
    ((name, is_language_model),) = run.query(_MODEL).rows
    texts = sample.texts
    compared = by_words.compare_by_words(texts, CLUSTERS)
    return DiversityReport(
        outputs=sample.outputs,
        accepted=sample.accepted,
        kind=kind,
        sample=len(sample),
        seed=seed,
        distinct={order: by_words.distinct_n(texts, order) for order in ORDERS},
        self_bleu=by_words.self_bleu(texts),
        compression_ratio=by_words.compression_ratio(texts),
        nearest=_curve(compared.nearest),
        clusters=compared.clusters,
        latest=latest,
        share_new=new / latest if latest else None,
        embedded=None if vectors is None else _embedded(vectors, pairs, seed),
        model=name,
        is_language_model=is_language_model,
        temperatures=[None if t is None else float(t) for (t,) in run.query(_TEMPERATURES).rows],
        embedding_models=models,
    )


def _curve(nearest: NDArray[np.float64]) -> dict[float, float]:
    """Return the quantiles of nearest similarity; empty for a single text, which has no nearest other."""
    return {} if len(nearest) < 2 else dict(zip(QUANTILES, np.quantile(nearest, QUANTILES).tolist(), strict=True))


def _embedded(vectors: SampleVectors, pairs: int, seed: int) -> VectorDiversity:
    return VectorDiversity(
        vectors.model,
        vectors.dims,
        len(vectors.places),
        vendi_score(vectors.outputs),
        _curve(nearest_by_vectors(vectors.outputs)),
        {least: cluster_share(vectors.outputs, least) for least in CLUSTERS},
        len(vectors.paired),
        compare_levels(vectors.paired_personas, vectors.paired_outputs, pairs=pairs, seed=seed),
    )


def describe_diversity(found: DiversityReport) -> Iterator[Section]:
    """Describe the numbers as tables for the terminal."""
    yield Section(f"Diversity of {_what(found)}", ("measure", "value", "range", "meaning"), _TEXTS, _measures(found))
    curves = {"words (Jaccard)": found.nearest}
    if found.embedded:
        curves["meaning (cosine)"] = found.embedded.nearest
    rows = [(name, *(_number(curve.get(q)) for q in QUANTILES)) for name, curve in curves.items()]
    headings = ("compared by", *(f"{q:.0%}" for q in QUANTILES))
    yield Section(
        "Similarity to the nearest other output: so many outputs stay at or below", headings, _numeric(headings), rows
    )
    if found.embedded:
        headings = ("personas", "outputs of", "pairs", "of", "low", "Q1", "median", "Q3", "high")
        yield Section(
            "How alike outputs are by how alike their personas are (Figure 10 of the paper)",
            headings,
            ("VARCHAR", "VARCHAR", *["DOUBLE"] * 7),
            list(_levels(found.embedded)),
        )


_TEXTS = ("VARCHAR", "DOUBLE", "VARCHAR", "VARCHAR")


def _numeric(headings: Sequence[str]) -> tuple[str, ...]:
    return ("VARCHAR", *["DOUBLE"] * (len(headings) - 1))


def _what(found: DiversityReport) -> str:
    kind = f" of the kind {found.kind}" if found.kind else ""
    if found.sample == found.accepted:
        return f"all {found.accepted:,} accepted outputs{kind}"
    return f"{found.sample:,} of {found.accepted:,} accepted outputs{kind}, drawn with seed {found.seed}"


def _measures(found: DiversityReport) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [
        (f"distinct-{n}", _number(share), "0 to 1", f"share of different {'words' if n == 1 else f'{n}-grams'}")
        for n, share in found.distinct.items()
    ]
    rows += [
        (
            "self-BLEU",
            _number(found.self_bleu),
            "0 to 1",
            "likeness to the others; less is more diverse",
        ),
        ("compression ratio", _number(found.compression_ratio), "from about 1", "less is more diverse"),
    ]
    rows += [
        (f"clusters by words, {least:g}", _number(share), "0 to 1", "clusters as a share of the outputs")
        for least, share in found.clusters.items()
    ]
    rows.append(("new", _number(found.share_new), "0 to 1", f"share of the latest {found.latest} that is new"))
    if (embedded := found.embedded) is not None:
        what = f"effective number of different outputs, of {embedded.outputs:,}"
        rows.append(("Vendi score", _number(embedded.vendi_score), f"1 to {embedded.outputs:,}", what))
        rows += [
            (f"clusters by meaning, {least:g}", _number(share), "0 to 1", "clusters as a share of the outputs")
            for least, share in embedded.clusters.items()
        ]
    return rows


def _levels(embedded: VectorDiversity) -> Iterator[tuple[object, ...]]:
    paper = paper_boxes()
    for level in embedded.levels:
        named = f"{level.similarity:g}"
        yield (named, "this run", level.pairs, level.found, *_box(level.box))
        for one in paper:
            if one.level == level.similarity:
                yield ("", one.label, paper_facts()["pairs"], None, *_box(one.box))


def _box(box: FiveNumbers | None) -> tuple[float | None, ...]:
    return (None,) * 5 if box is None else tuple(_number(v) for v in (box.low, box.q1, box.median, box.q3, box.high))


def _number(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def notes_on(found: DiversityReport) -> Iterator[str]:
    """Yield sentences on what a reader has to know of the numbers."""
    if not found.is_language_model:
        yield (
            "The outputs are by the built-in generator, not a language model: these numbers say nothing about personas "
            "or language models."
        )
    if found.embedded is None:
        yield (
            "Without an embedding model this cannot give: the similarity study of the paper (Figure 10), the Vendi "
            "score, and nearest neighbours and clusters by meaning. Name one with "
            f"{parameter('embeddings', 'openai:MODEL')}."
        )
        return
    embedded, facts = found.embedded, paper_facts()
    yield (
        f"Vectors are by {embedded.model}, of {embedded.dims} numbers; the paper's are by {facts['embeddings']}. "
        "Another embedding model shifts every similarity: compare how boxes rise, not their numbers."
    )
    yield _temperature(found)
    few = [level for level in embedded.levels if level.pairs < PAIRS]
    if few:
        counts = ", ".join(f"{level.pairs} at {level.similarity:g}" for level in few)
        yield (
            f"{embedded.personas:,} personas have an output and a vector. Fewer pairs than the paper's {PAIRS} are at "
            f"some levels: {counts}. Measure more outputs, or take what these levels show as an anecdote."
        )
    if embedded.outputs < found.sample:
        yield f"{found.sample - embedded.outputs:,} of the {found.sample:,} outputs have no vector of this model."


def _temperature(found: DiversityReport) -> str:
    named = [f"{t:g}" for t in found.temperatures if t is not None]
    if not found.is_language_model:
        return "The built-in generator has no temperature; the paper's outputs are by GPT-4 at temperature 0."
    if not named:
        return "The requests named no temperature, so the endpoint's own held; the paper's is 0."
    same = named == ["0"] and None not in found.temperatures
    rest = ", as in the paper." if same else "; the paper's outputs are at temperature 0, so these differ more."
    return f"The run sampled at temperature {' and '.join(named)}{rest}"

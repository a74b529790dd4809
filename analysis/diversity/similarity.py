"""Measures of diversity, by words and by vectors; numbers of different embedding models cannot be compared.

Among them the paper's similarity study (section 4.1, Figure 10): how alike outputs are by how alike personas are.
"""

import tomllib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ...core.arrow import Floats, Ints, Matrix
from ...core.errors import SetupError, parameter
from ...core.inputs import nearest
from ...core.result import Note, Result, make_result
from ...core.text import word_list
from ...personas.dedup.vectors import find_similar_vectors, units
from ...personas.dedup.word_sets import word_sets
from ...personas.persona import content_id
from ..table import Queryable

#: Similarities of personas at which the paper compares outputs; a pair is at a level when it is within `WIDTH` of it.
LEVELS = (0.4, 0.6, 0.8, 0.9)
WIDTH = 0.01
#: Pairs at each level, in the paper.
PAIRS = 100
#: Rows of a matrix of similarities held at once.
_ROWS = 256
#: Eigenvalues below are what floating point leaves of none.
_NONE = 1e-12


@cache
def paper_facts() -> Mapping[str, Any]:
    """What the paper says of its figure: source, embeddings, temperature, pairs, boxes."""
    return tomllib.loads(files(__package__).joinpath("paper.toml").read_text(encoding="utf-8"))


def compare_levels(
    personas: Matrix,
    outputs: Matrix,
    *,
    pairs: int = PAIRS,
    seed: int = 0,
) -> list[tuple[Any, ...]]:
    """Measure how alike outputs are by the similarity of their personas: level, pairs drawn, pairs found, and box.

    The box is the least similarity of the outputs, its quartiles and the greatest; None without any pair. Row i of both
    matrices belongs to one persona and its one output. All pairs of personas are looked at, and of those at a level at
    most `pairs` are drawn at random. Memory does not grow with the number of pairs.
    """
    one, other = units(personas), units(outputs)
    draws = [_PairSample(pairs, np.random.default_rng([seed, place])) for place in range(len(LEVELS))]
    for first in range(0, len(one), _ROWS):
        cosines = one[first : first + _ROWS] @ one.T
        for level, draw in zip(LEVELS, draws, strict=True):
            rows, columns = np.nonzero(np.abs(cosines - level) <= WIDTH)
            behind = columns > rows + first
            draw.add(rows[behind] + first, columns[behind])
    found: list[tuple[Any, ...]] = []
    for level, draw in zip(LEVELS, draws, strict=True):
        alike = (other[draw.left] * other[draw.right]).sum(axis=1)
        box = np.quantile(alike, [0, 0.25, 0.5, 0.75, 1]).tolist() if len(alike) else [None] * 5
        found.append((level, len(alike), draw.found, *box))
    return found


class _PairSample:
    """A random choice among pairs that come in blocks: those with the least of as many random numbers."""

    def __init__(self, most: int, rng: np.random.Generator) -> None:
        self.found = 0
        self.left, self.right = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self._most, self._rng, self._ranks = most, rng, np.empty(0)

    def add(self, left: Ints, right: Ints) -> None:
        self.found += len(left)
        ranks = np.concatenate([self._ranks, self._rng.random(len(left))])
        kept = np.argsort(ranks, kind="stable")[: self._most]
        self._ranks = ranks[kept]
        self.left, self.right = np.concatenate([self.left, left])[kept], np.concatenate([self.right, right])[kept]


def vendi_score(matrix: Matrix) -> float | None:
    """The effective number of different texts, from 1 (all alike) to the number of texts (nothing in common).

    The Vendi score of Friedman and Dieng (2023): the exponential of the entropy of the eigenvalues of K / n, where K
    holds the cosines. It is at most the number of dimensions, and is computed from the smaller of the two Gram
    matrices, which have the same eigenvalues. None without any vector.
    """
    if not len(matrix):
        return None
    scaled = units(matrix)
    gram = scaled.T @ scaled if scaled.shape[0] > scaled.shape[1] else scaled @ scaled.T
    values = np.linalg.eigvalsh(gram / len(scaled))
    values = values[values > _NONE]
    return float(np.exp(-(values * np.log(values)).sum()))


def nearest_by_vectors(matrix: Matrix) -> Floats:
    """For each vector the cosine to the one most like it, from -1 to 1; every pair is compared."""
    scaled = units(matrix).astype(np.float32)
    nearest = np.zeros(len(scaled))
    for first in range(0, len(scaled), _ROWS):
        cosines = scaled[first : first + _ROWS] @ scaled.T
        places = np.arange(len(cosines))
        cosines[places, first + places] = -1
        nearest[first : first + _ROWS] = cosines.max(axis=1, initial=-1)
    return nearest


def cluster_share(matrix: Matrix, threshold: float = 0.5) -> float | None:
    """The number of clusters of vectors as a share of the vectors, from nearly 0 to 1: 1 where no two are alike.

    A cluster is an original with all whose cosine to it is at least `threshold`, found as near-duplicates are; 0.5 is
    the paper's threshold where few and very different texts are wanted (section 2.3). None without any vector.
    """
    return 1 - len(find_similar_vectors(matrix, threshold, exact=True)) / len(matrix) if len(matrix) else None


#: The greatest number of texts that are compared with each other.
MOST_TEXTS = 20_000

type Ngram = tuple[str, ...]


def distinct_n(texts: Iterable[str], n: int) -> float | None:
    """The share of different n-grams among all n-grams of the texts, from 0 to 1: 1 where none occurs twice.

    Distinct-n of Li et al. (2016, A Diversity-Promoting Objective Function for Neural Conversation Models). It falls
    with the number of words, so only samples of about one size can be compared. None where no text has n words.
    """
    seen: set[Ngram] = set()
    number = 0
    for text in texts:
        grams = _list_ngrams(word_list(text), n)
        seen.update(grams)
        number += len(grams)
    return len(seen) / number if number else None


def _list_ngrams(words: Sequence[str], n: int) -> list[Ngram]:
    return [tuple(words[place : place + n]) for place in range(len(words) - n + 1)]


def compression_ratio(texts: Sequence[str]) -> float | None:
    """How many times smaller the texts are when compressed, about 1 and more: the higher, the more they repeat.

    The ratio of Shaib et al. (2024, Standardizing the Measurement of Text Diversity), by DEFLATE at level 9 on the
    texts with a line break between. It rises with the amount of text. None without any text.
    """
    data = "\n".join(texts).encode(errors="replace")
    return len(data) / len(zlib.compress(data, 9)) if data else None


def compare_by_words(
    texts: Sequence[str], thresholds: Sequence[float] = ()
) -> tuple[NDArray[np.float64], dict[float, float]]:
    """Compare every pair of at most `MOST_TEXTS` texts, by the sets of words by which near-duplicates are found.

    Return for each text its Jaccard similarity to the text most like it, and for each threshold the number of clusters
    as a share of the texts, as `cluster_share` gives it.
    """
    sets = word_sets(texts)
    _, columns = np.unique(sets.words, return_inverse=True)
    matrix = csr_array((np.ones(len(columns), dtype=np.float32), columns, sets.starts), dtype=np.float32)
    sizes = sets.sizes.astype(np.float64)
    nearest = np.zeros(len(texts))
    first_of = {least: np.zeros(len(texts), dtype=np.bool_) for least in thresholds}
    for first in range(0, len(texts), _ROWS):
        end = min(first + _ROWS, len(texts))
        common = (matrix[first:end] @ matrix.T).toarray().astype(np.float64)
        union = sizes[first:end, None] + sizes[None, :] - common
        alike = np.divide(common, union, out=np.ones_like(common), where=union > 0)
        alike[np.arange(end - first), np.arange(first, end)] = 0
        nearest[first:end] = alike.max(axis=1, initial=0)
        for least, is_first in first_of.items():
            near = alike >= least
            for row in range(end - first):
                earlier = first + row
                is_first[earlier] = not (near[row, :earlier] & is_first[:earlier]).any()
    shares = {least: float(is_first.mean()) if len(texts) else 0.0 for least, is_first in first_of.items()}
    return nearest, shares


#: Drawn by MD5, which is the same everywhere and always: a larger sample holds a smaller one.
_DRAWN = """
WITH drawn AS (
    SELECT emission, agent, text FROM outputs
    WHERE status = 'accepted' AND ($kind IS NULL OR kind = $kind)
    ORDER BY md5(concat(emission, ':', $seed)), emission
    LIMIT $n
)
SELECT d.emission, d.agent, d.text, coalesce(p.text, '') FROM drawn AS d LEFT JOIN personas AS p ON p.id = d.agent
ORDER BY d.emission
"""
_KINDS = "SELECT kind, count(*) FILTER (status = 'accepted'), count(*) FROM outputs GROUP BY kind ORDER BY 2 DESC, 1"
_MODELS = "SELECT model, count(*) FROM vectors GROUP BY model ORDER BY count(*) DESC, model"
_VECTORS = "SELECT text_hash, vector FROM vectors WHERE model = $model AND text_hash IN (SELECT unnest($hashes))"
#: Vectors that are asked for at once.
_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class OutputSample:
    """Accepted outputs, in their order, each with the persona that made it."""

    emissions: Sequence[int]
    agents: Sequence[str]
    texts: Sequence[str]
    personas: Sequence[str]
    #: Accepted outputs that it was drawn from, and all outputs, rejected ones included.
    accepted: int
    outputs: int

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def embeddable(self) -> list[str]:
        """What needs a vector: each output, and the persona of each."""
        return [*self.texts, *dict.fromkeys(self.personas)]


@dataclass(frozen=True, slots=True)
class SampleVectors:
    """Those of a sample whose output has a vector, in the sample's order."""

    model: str
    #: Places in the sample.
    places: Sequence[int]
    outputs: Matrix
    #: Places, and vectors of output and persona, of one output for each persona: the first, where both have vectors.
    paired: Sequence[int]
    paired_outputs: Matrix
    paired_personas: Matrix

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        return int(self.outputs.shape[1])


def count_outputs(run: Queryable, kind: str | None = None) -> tuple[int, int]:
    """How many outputs of one kind, or of all, are accepted, and how many there are.

    Raises `SetupError` for a kind that there is not, and for a run without accepted outputs.
    """
    kinds = {name: (accepted, outputs) for name, accepted, outputs in run.query(_KINDS).rows}
    if kind is not None and kind not in kinds:
        raise SetupError(
            f"The run has no outputs of the kind {kind!r}{nearest(kind, kinds)}; it has {', '.join(kinds) or 'none'}."
        )
    counted = [kinds[kind]] if kind is not None else list(kinds.values())
    accepted, outputs = (sum(column) for column in zip(*counted, strict=True)) if counted else (0, 0)
    if not accepted:
        what = f"{outputs:,} outputs, all rejected" if outputs else "no output"
        raise SetupError(
            f"The run has {what}; make some first, or see `populace data yield` for why they were rejected."
        )
    return accepted, outputs


def read_sample(run: Queryable, *, n: int, seed: int = 0, kind: str | None = None) -> OutputSample:
    """At most `n` of the accepted outputs, of one kind or of all. Raises `SetupError` as `count_outputs` does."""
    accepted, outputs = count_outputs(run, kind)
    rows = run.query(_DRAWN, {"kind": kind, "seed": seed, "n": n}).rows
    emissions, agents, texts, personas = zip(*rows, strict=True)
    return OutputSample(emissions, agents, texts, personas, accepted, outputs)


def vector_models(run: Queryable) -> list[str]:
    """The embedding models whose vectors the run has, that with the most first."""
    return [model for model, _ in run.query(_MODELS).rows]


def read_vectors(run: Queryable, sample: OutputSample, model: str) -> SampleVectors | None:
    """The vectors of this model that the run has of the sample's outputs and personas; None where it has none.

    Raises `SetupError` when they are not of one length, so that several models must have been served by the name.
    """
    keys = [content_id(text) for text in sample.texts]
    found = vectors_of(run, {*keys, *sample.agents}, model)
    sizes = sorted({len(vector) for vector in found.values()})
    if len(sizes) > 1:
        raise SetupError(
            f"The vectors that the run has of model {model} have {' and '.join(map(str, sizes))} numbers, so more than "
            f"one model was served by that name; name another with {parameter('embeddings')}."
        )
    places = [place for place, key in enumerate(keys) if key in found]
    if not places:
        return None
    first: dict[str, int] = {}
    for place in places:
        if sample.agents[place] in found:
            first.setdefault(sample.agents[place], place)
    paired = list(first.values())
    return SampleVectors(
        model,
        places,
        np.array([found[keys[place]] for place in places], dtype=np.float32),
        paired,
        _stack_vectors([found[keys[place]] for place in paired], sizes[0]),
        _stack_vectors([found[sample.agents[place]] for place in paired], sizes[0]),
    )


def vectors_of(run: Queryable, hashes: set[str], model: str) -> dict[str, NDArray[np.float32]]:
    """The vectors of this model that the run has of the texts with these hashes (`content_id`)."""
    found: dict[str, NDArray[np.float32]] = {}
    wanted = sorted(hashes)
    for first in range(0, len(wanted), _AT_ONCE):
        params = {"model": model, "hashes": wanted[first : first + _AT_ONCE]}
        rows = run.query(_VECTORS, params).rows
        found |= {key: np.array(vector, dtype=np.float32) for key, vector in rows}
    return found


def _stack_vectors(vectors: Sequence[NDArray[np.float32]], dims: int) -> Matrix:
    return np.array(vectors, dtype=np.float32).reshape(len(vectors), dims)


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
    if not 1 <= n <= MOST_TEXTS:
        raise SetupError(f"{parameter('n', n)} is out of range; measure from 1 to {MOST_TEXTS:,} outputs.")
    sample = read_sample(run, n=n, seed=seed, kind=kind)
    tried = (read_vectors(run, sample, model) for model in ([embeddings] if embeddings else vector_models(run)))
    vectors = next((found for found in tried if found is not None), None)
    if embeddings and vectors is None:
        raise SetupError(f"The run has no vectors of its outputs by model {embeddings!r}; fetch them first.")
    ((latest, new),) = run.query(_NEW, {"kind": kind}).rows
    nearest_by_words, clusters = compare_by_words(sample.texts, CLUSTERS)
    measures: list[tuple[object, ...]] = [
        (f"distinct-{order}", distinct_n(sample.texts, order), f"share of different {order}-grams of words")
        for order in ORDERS
    ]
    measures += [
        ("compression ratio", compression_ratio(sample.texts), "from about 1; less is more diverse"),
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

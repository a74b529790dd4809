"""Some of a run's accepted outputs with their personas, drawn by a seed, and the vectors that the run has of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...personas.arrays import Matrix
from ...personas.errors import SetupError, parameter
from ...personas.inputs import nearest
from ...personas.persona import content_id
from ..table import Queryable

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
    seed: int
    #: The kind of the outputs; None where all kinds are among them.
    kind: str | None

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
        raise SetupError(f"The run has {what}; make some first, or see `populace funnel` for why they were rejected.")
    return accepted, outputs


def read_sample(run: Queryable, *, n: int, seed: int = 0, kind: str | None = None) -> OutputSample:
    """At most `n` of the accepted outputs, of one kind or of all. Raises `SetupError` as `count_outputs` does."""
    accepted, outputs = count_outputs(run, kind)
    rows = run.query(_DRAWN, {"kind": kind, "seed": seed, "n": n}).rows
    emissions, agents, texts, personas = zip(*rows, strict=True)
    return OutputSample(emissions, agents, texts, personas, accepted, outputs, seed, kind)


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
        _matrix([found[keys[place]] for place in paired], sizes[0]),
        _matrix([found[sample.agents[place]] for place in paired], sizes[0]),
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


def _matrix(vectors: Sequence[NDArray[np.float32]], dims: int) -> Matrix:
    return np.array(vectors, dtype=np.float32).reshape(len(vectors), dims)

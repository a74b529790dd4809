"""Which outputs of which runs an export takes: all of them, or shares of several runs by a recipe in TOML.

rows = 10_000          # of all runs together; without it as many as the weights allow
seed = 7               # which rows are drawn

[[run]]
file = "math.duckdb"
weight = 3             # rows of this run for each row of a run of weight 1
most = 5_000           # at most so many
kinds = ["problem"]    # these kinds alone
rename = { text = "question" }
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...personas.errors import SourceError
from ...personas.hub.queries import registered
from ...personas.inputs import read_utf8
from .source import PROVENANCE, STATUS, OutputSource


@dataclass(frozen=True, slots=True)
class MixPart:
    """What is taken of one run."""

    file: Path
    weight: float | None = None
    most: int | None = None
    kinds: tuple[str, ...] = ()
    #: New names of columns, by their old ones.
    rename: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mix:
    """What is taken of all runs together."""

    parts: tuple[MixPart, ...]
    rows: int | None = None
    seed: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every row of every run is taken."""
        return self.rows is None and all(part.weight is None and part.most is None for part in self.parts)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _MixRun(_Strict):
    file: Path
    weight: Annotated[float, Field(gt=0)] | None = None
    most: Annotated[int, Field(ge=1)] | None = None
    kinds: tuple[str, ...] = ()
    rename: dict[str, str] = {}


class _MixFile(_Strict):
    rows: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    run: Annotated[list[_MixRun], Field(min_length=1)]


def read_mix(path: Path) -> Mix:
    """The recipe in a TOML file; the paths in it count from its folder. Raises `SourceError` for one that is wrong."""
    try:
        recipe = _MixFile.model_validate(tomllib.loads(read_utf8(path)))
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"{path} is not TOML ({error}); write a recipe such as `[[run]]` with `file`.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        raise SourceError(
            f"{path}: {where}: {first['msg']}; a [[run]] has file, weight, most, kinds, rename."
        ) from error
    for one in recipe.run:
        if fixed := [name for name in (*one.rename, *one.rename.values()) if name in (*PROVENANCE, *STATUS)]:
            raise SourceError(f"{path}: {fixed[0]!r} says where a row comes from and keeps its name; rename another.")
    parts = tuple(MixPart(path.parent / one.file, one.weight, one.most, one.kinds, one.rename) for one in recipe.run)
    return Mix(parts, recipe.rows, recipe.seed)


def quotas(mix: Mix, there: Sequence[int]) -> list[int]:
    """How many rows are taken of each run, of which so many are `there`; the weights hold as far as the rows go.

    >>> parts = (MixPart(Path("a"), weight=3), MixPart(Path("b"), weight=1))
    >>> quotas(Mix(parts), [90, 100]), quotas(Mix(parts, rows=40), [90, 100]), quotas(Mix(parts, rows=40), [20, 100])
    ([90, 30], [30, 10], [20, 10])
    """
    most = [min(number, part.most or number) for number, part in zip(there, mix.parts, strict=True)]
    if mix.rows is None and all(part.weight is None for part in mix.parts):
        return most
    weights = [1.0 if part.weight is None else part.weight for part in mix.parts]
    total = sum(weights)
    if mix.rows is None:
        scale = min(number / weight for number, weight in zip(most, weights, strict=True))
        return [min(number, round(scale * weight)) for number, weight in zip(most, weights, strict=True)]
    return [min(n, round(mix.rows * weight / total)) for n, weight in zip(most, weights, strict=True)]


def choose(
    source: OutputSource,
    kinds: Sequence[str],
    *,
    rows: int | None,
    seed: int,
    test: NDArray[np.int64] | None,
) -> None:
    """Make the table `exported_chosen` of a source: the emissions that are exported, and the side of each.

    With `rows`, so many are drawn by `seed`. `test` has the emissions on the test side; None for no split.
    """
    held: dict[str, Any] = {"emission": test if test is not None else []}
    with registered(source.con, held, types={"emission": "BIGINT"}) as name:
        side = f"CASE WHEN o.emission IN (SELECT emission FROM {name}) THEN 'test' ELSE 'train' END"  # noqa: S608
        source.con.execute(
            f"CREATE TEMP TABLE exported_chosen AS SELECT o.emission, {side} AS side FROM outputs AS o "  # noqa: S608
            f"WHERE o.kind IN (SELECT unnest(CAST(? AS VARCHAR[]))) AND {source.which} "
            "ORDER BY md5(? || ':' || o.emission) LIMIT ?",
            [list(kinds), f"{seed}:{source.run}", (1 << 62) if rows is None else rows],
        )

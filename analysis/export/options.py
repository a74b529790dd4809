"""What an export is asked for, and where it goes: one file, one for each side of a split, or a folder."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...core.errors import SetupError, SourceError, parameter
from ...core.files import compression_of, uncompressed_suffix
from ...core.inputs import read_utf8
from ...personas.hub.queries import registered
from .shapes import TRAINING, DatasetFormat, PersonaPlace
from .source import PROVENANCE, STATUS, HeldOut, OutputSource
from .split import Split
from .writing import PersonalPolicy


@dataclass(frozen=True, slots=True)
class DatasetOptions:
    """What is exported of the runs, and how."""

    #: None: decided by the path.
    format: DatasetFormat | None = None
    #: Kinds of outputs; none are all.
    kinds: tuple[str, ...] = ()
    #: Columns beside those of the format and those that say where a row comes from; None are the usual ones.
    columns: tuple[str, ...] | None = None
    #: The fields of payloads that are the prompt and the response of a training row, by `prompt` and `response`.
    mapping: Mapping[str, str] = field(default_factory=dict)
    #: Rejected outputs too, with the stage and the reason of each.
    rejected: bool = False
    persona: PersonaPlace = "out"
    system: str | None = None
    train_on: Literal["all", "last"] | None = None
    personal: PersonalPolicy = PersonalPolicy.FLAG
    #: Name or file of the tokenizer that counts the column `tokens`.
    tokenizer: str | None = None
    #: The licence of what states none.
    licence: str | None = None
    split: Split | None = None
    #: Whether outputs are taken that a run holds out for measuring.
    held_out: HeldOut = "exclude"

    def check(self, form: DatasetFormat, layout: "Layout") -> None:
        """Raise `SetupError` for options that do not go together."""
        if unknown := set(self.mapping) - {"prompt", "response"}:
            raise SetupError(f"{parameter('mapping')} knows prompt and response, and not {sorted(unknown)[0]!r}.")
        if self.mapping and "response" not in self.mapping:
            raise SetupError(f"{parameter('mapping')} names the prompt alone; name the response too: response=FIELD.")
        asked = {"persona": self.persona != "out", "system": bool(self.system), "mapping": bool(self.mapping)}
        for name, is_asked in asked.items():
            if is_asked and form not in TRAINING:
                raise SetupError(
                    f"{parameter(name)} is for formats that models are trained on ({', '.join(TRAINING)}), and {form} "
                    "is none; leave it out."
                )
        if self.train_on and form is not DatasetFormat.OPENAI:
            raise SetupError(f"{form} has no place for a loss mask; {parameter('train_on')} is for openai.")


class Layout(StrEnum):
    """The files that rows go to."""

    JSONL = ".jsonl"
    CSV = ".csv"
    PARQUET = ".parquet"
    #: A folder of Parquet files.
    SHARDS = "shards"
    #: The same with the files in `data/`, as the Hugging Face hub has them.
    DATASET = "dataset"

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self in (Layout.SHARDS, Layout.DATASET)


@dataclass(frozen=True, slots=True)
class Target:
    """Where an export goes."""

    path: Path
    format: DatasetFormat
    layout: Layout

    def files(self, *, split: bool) -> dict[str, Path]:
        """The file of each side of a split, or the one file."""
        if not split:
            return {"train": self.path}
        name = self.path.name
        ending = "".join(self.path.suffixes[-2 if compression_of(self.path) else -1 :])
        stem = name.removesuffix(ending)
        return {side: self.path.with_name(f"{stem}-{side}{ending}") for side in ("train", "test")}

    @property
    def card(self) -> Path:
        """The card of a file, beside it."""
        return self.path.with_name(f"{self.path.name}.card.md")


_ENDINGS = {".jsonl": Layout.JSONL, ".ndjson": Layout.JSONL, ".csv": Layout.CSV, ".parquet": Layout.PARQUET}
_LAYOUTS = {DatasetFormat.JSONL: Layout.JSONL, DatasetFormat.CSV: Layout.CSV}


def target_of(path: Path, form: DatasetFormat | None) -> Target:
    """Where an export to this path goes. Raises `SetupError` where path and format do not say it or contradict."""
    ending = uncompressed_suffix(path)
    layout = _ENDINGS.get(ending)
    if form is None:
        if layout is None and ending:
            raise SetupError(
                f"{str(path)!r} does not say by its ending what to write; give {parameter('format')}, one of "
                f"{', '.join(DatasetFormat)}."
            )
        form = (
            DatasetFormat(ending.removeprefix(".").replace("ndjson", "jsonl")) if layout else DatasetFormat.HUGGINGFACE
        )
    if layout is Layout.PARQUET and compression_of(path):
        raise SetupError(f"Parquet is compressed within; give {str(path)!r} the ending .parquet alone.")
    if form is DatasetFormat.HUGGINGFACE and layout:
        raise SetupError(
            f"{form} writes a folder, and {str(path)!r} is called like a file; give a name without ending."
        )
    fixed = _LAYOUTS.get(form) or (Layout.PARQUET if form is DatasetFormat.PARQUET and layout else None)
    if fixed and layout and fixed is not layout:
        raise SetupError(f"{str(path)!r} is called like a file of another format than {form}; rename it.")
    if fixed:
        return Target(path, form, fixed)
    if form is DatasetFormat.PARQUET:
        return Target(path, form, Layout.SHARDS)
    return Target(path, form, layout or Layout.DATASET)


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

"""What an export is asked for, and where it goes: one file, one for each side of a split, or a folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from ...personas.errors import SetupError, parameter
from ...personas.files import compression_of, uncompressed_suffix
from .shapes import ANNOTATION, TRAINING, DatasetFormat, PersonaPlace
from .source import HeldOut
from .split import Split
from .texts import PersonalPolicy


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
    #: A JSON list.
    JSON = ".json"
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


_ENDINGS = {".ndjson": Layout.JSONL} | {
    layout.value: layout for layout in (Layout.JSONL, Layout.CSV, Layout.PARQUET, Layout.JSON)
}
_LAYOUTS = {
    DatasetFormat.JSONL: Layout.JSONL,
    DatasetFormat.CSV: Layout.CSV,
    **dict.fromkeys(ANNOTATION, Layout.JSON),
}


def target_of(path: Path, form: DatasetFormat | None) -> Target:
    """Where an export to this path goes. Raises `SetupError` where path and format do not say it or contradict."""
    ending = uncompressed_suffix(path)
    layout = _ENDINGS.get(ending)
    if form is None:
        if layout is Layout.JSON or (layout is None and ending):
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
    if (fixed or Layout.JSON) is not layout and layout and (fixed or layout is Layout.JSON):
        raise SetupError(f"{str(path)!r} is called like a file of another format than {form}; rename it.")
    if form in ANNOTATION and not layout:
        raise SetupError(f"{form} writes one file; give {str(path)!r} the ending .json.")
    if fixed:
        return Target(path, form, fixed)
    if form is DatasetFormat.PARQUET:
        return Target(path, form, Layout.SHARDS)
    return Target(path, form, layout or Layout.DATASET)

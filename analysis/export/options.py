"""What an export is asked for: options, the place it goes to, the rows it takes of each run, and their division.

A division leaves train and test rows that know nothing of each other: what belongs together stays on one side.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SetupError, parameter
from ...core.files import compression_of, uncompressed_suffix
from ...personas.dedup import find_duplicates
from ...personas.dedup.near_duplicates import near_any
from ...personas.dedup.pairs import Threshold
from ...personas.hub.queries import registered
from .shapes import TRAINING, DatasetFormat, PersonaPlace
from .source import HeldOut, OutputSource

#: Rounds of looking for similar texts across the border; each moves what it finds.
_ROUNDS = 12


class PersonalPolicy(StrEnum):
    """What happens to outputs in which personal data are found."""

    #: They are exported, and the column `personal` says what kinds were found.
    FLAG = "flag"
    #: They are left out, and counted.
    DROP = "drop"
    #: The data are replaced: equal names by equal invented ones, everything else by its kind, as `[email]`.
    REDACT = "redact"


class SplitBy(StrEnum):
    """What stays on one side, besides outputs that nearly repeat each other."""

    #: What one persona made.
    PERSONA = "persona"
    #: What a persona and all who were grown from the same first one made.
    LINEAGE = "lineage"
    #: Nothing else.
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Split:
    """How rows are divided. Raises `SetupError` for a share or a similarity that cannot be."""

    #: The share of train rows, between 0 and 1.
    train: float
    by: SplitBy = SplitBy.LINEAGE
    #: Seed of which rows are test rows.
    seed: int = 0
    #: Jaccard similarity of their sets of words from which texts stay together, from 0.5 to 1.
    similarity: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.train < 1:
            raise SetupError(f"{parameter('train')} is {self.train:g}; give the share of train rows, between 0 and 1.")
        Threshold.parse(self.similarity)


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
    personal: PersonalPolicy = PersonalPolicy.FLAG
    #: The licence of what states none.
    licence: str | None = None
    split: Split | None = None
    #: Whether outputs are taken that a run holds out for measuring.
    held_out: HeldOut = "exclude"

    def check(self, form: DatasetFormat) -> None:
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


@dataclass(frozen=True, slots=True)
class Target:
    """Where an export goes."""

    path: Path
    format: DatasetFormat
    #: `.jsonl`, `.csv` or `.parquet`; empty for a folder of Parquet files.
    ending: str

    @property
    def prefix(self) -> str:
        """The folder of the Parquet files within the folder, as the Hugging Face hub has it."""
        return "" if self.format is DatasetFormat.PARQUET else "data"

    def files(self, *, split: bool) -> dict[str, Path]:
        """Return the file of each side of a split, or the one file."""
        if not split:
            return {"train": self.path}
        ending = "".join(self.path.suffixes[-2 if compression_of(self.path) else -1 :])
        stem = self.path.name.removesuffix(ending)
        return {side: self.path.with_name(f"{stem}-{side}{ending}") for side in ("train", "test")}

    @property
    def card(self) -> Path:
        """The card: beside a file, or the README of a folder."""
        return self.path.with_name(f"{self.path.name}.card.md") if self.ending else self.path / "README.md"


_ENDINGS = {".jsonl": ".jsonl", ".ndjson": ".jsonl", ".csv": ".csv", ".parquet": ".parquet"}


def find_target(path: Path, form: DatasetFormat | None) -> Target:
    """Return where an export goes. Raises `SetupError` if path and format do not say it, or contradict each other."""
    suffix = uncompressed_suffix(path)
    ending = _ENDINGS.get(suffix, "")
    if form is None:
        if suffix and not ending:
            raise SetupError(
                f"{str(path)!r} does not say by its ending what to write; give {parameter('format')}, one of "
                f"{', '.join(DatasetFormat)}."
            )
        form = DatasetFormat(ending.removeprefix(".")) if ending else DatasetFormat.HUGGINGFACE
    if ending == ".parquet" and compression_of(path):
        raise SetupError(f"Parquet is compressed within; give {str(path)!r} the ending .parquet alone.")
    if form is DatasetFormat.HUGGINGFACE and ending:
        raise SetupError(
            f"{form} writes a folder, and {str(path)!r} is called like a file; give a name without ending."
        )
    if f".{form}" in _ENDINGS:
        if ending not in ("", f".{form}"):
            raise SetupError(f"{str(path)!r} is called like a file of another format than {form}; rename it.")
        ending = ending if form is DatasetFormat.PARQUET else f".{form}"
    return Target(path, form, ending)


def choose_sides(source: OutputSource, kinds: Sequence[str], test: NDArray[np.int64]) -> None:
    """Make the table `exported_chosen` of a source: the emissions that are exported, and the side of each."""
    with registered(source.con, {"emission": test}, types={"emission": "BIGINT"}) as name:
        side = f"CASE WHEN o.emission IN (SELECT emission FROM {name}) THEN 'test' ELSE 'train' END"  # noqa: S608
        source.con.execute(
            f"CREATE TEMP TABLE exported_chosen AS SELECT o.emission, {side} AS side FROM outputs AS o "  # noqa: S608
            f"WHERE o.kind IN (SELECT unnest(CAST(? AS VARCHAR[]))) AND {source.which}",
            [list(kinds)],
        )


@dataclass(frozen=True, slots=True)
class SplitReport:
    """What a split came to."""

    train: int
    test: int
    #: Groups that stay together, and the rows of the largest.
    groups: int
    largest: int
    #: Rows that were moved to the test side, because they are similar to one that is there.
    moved: int


def split_sources(
    sources: Sequence[OutputSource], kinds: Sequence[Collection[str]], split: Split
) -> tuple[list[NDArray[np.int64]], SplitReport]:
    """The emissions on the test side, by source, and what the split came to.

    Raises `SetupError` when so much hangs together that one side is left empty.
    """
    texts: list[str] = []
    owners: list[str] = []
    places: list[tuple[int, int]] = []
    links: list[tuple[int, int]] = []
    #: Rows, and the groups of the other personas who speak in them.
    shared: list[tuple[int, str]] = []
    group_of = {SplitBy.PERSONA: "l.persona", SplitBy.LINEAGE: "l.root", SplitBy.CLUSTER: "NULL"}[split.by]
    for number, source in enumerate(sources):
        rows = source.ask(
            f"SELECT o.emission, o.text, {group_of} FROM outputs AS o "  # noqa: S608 - our own words
            f"LEFT JOIN exported_lineages AS l ON l.persona = o.agent "
            f"WHERE o.kind IN (SELECT unnest(CAST(? AS VARCHAR[]))) AND {source.which} ORDER BY o.emission",
            [list(kinds[number])],
        )
        first = {emission: len(places) + place for place, (emission, _, _) in enumerate(rows)}
        for emission, text, owner in rows:
            places.append((number, emission))
            texts.append(text)
            owners.append(owner or f"{number}:{emission}")
        together = source.ask(
            f"SELECT o.emission, {group_of} FROM exported_others AS o "  # noqa: S608 - our own words
            "JOIN exported_lineages AS l ON l.persona = o.persona ORDER BY o.emission"
        )
        shared += [(first[emission], owner) for emission, owner in together if emission in first and owner]
        links += [
            (first[later], first[earlier])
            for later, earlier in source.ask("SELECT emission, of_emission FROM duplicates WHERE emission IS NOT NULL")
            if later in first and earlier in first
        ]
    groups = _group_rows([*enumerate(owners), *shared], texts, links, split.similarity)
    test = _draw_test_groups(groups, split)
    moved = _move_similar(groups, test, texts, split)
    sides = np.isin(groups, np.flatnonzero(test))
    if sides.all() or not sides.any():
        raise _too_alike_error(len(texts), split)
    found = [
        np.array([places[row][1] for row in np.flatnonzero(sides).tolist() if places[row][0] == number], dtype=np.int64)
        for number in range(len(sources))
    ]
    sizes = np.bincount(groups)
    count = int(sides.sum())
    report = SplitReport(len(texts) - count, count, int((sizes > 0).sum()), int(sizes.max()), moved)
    return found, report


def find_held_out(path: Path, split: Split) -> tuple[list[int], SplitReport]:
    """The emissions of a run on the test side, and what the split came to.

    Rejected outputs are divided too, so that later verdicts move nothing across. Raises as `OutputSource` and
    `split_sources` do.
    """
    with OutputSource(path, rejected=True, held_out="include") as source:
        (found,), report = split_sources([source], [source.check_kinds(())], split)
    return found.tolist(), report


def _group_rows(
    owned: Sequence[tuple[int, str]], texts: Sequence[str], links: Sequence[tuple[int, int]], similarity: float
) -> NDArray[np.int64]:
    """For each row the number of the group that it belongs to."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first: dict[str, int] = {}
    edges = [*links, *((row, first.setdefault(owner, row)) for row, owner in owned)]
    similar = find_duplicates(texts, threshold=similarity)
    left = np.concatenate([np.array([a for a, _ in edges], dtype=np.int64), similar.rows])
    right = np.concatenate([np.array([b for _, b in edges], dtype=np.int64), similar.of])
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(len(texts), len(texts)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _draw_test_groups(groups: NDArray[np.int64], split: Split) -> NDArray[np.bool_]:
    """Which groups are on the test side: drawn by the seed until the share is reached, none that would exceed it."""
    sizes = np.bincount(groups)
    wanted = round(len(groups) * (1 - split.train))
    order = sorted(range(len(sizes)), key=lambda group: blake2b(f"{split.seed}:{group}".encode()).digest())
    test, taken = np.zeros(len(sizes), dtype=np.bool_), 0
    for group in order:
        if taken + sizes[group] <= max(wanted, 1):
            test[group] = True
            taken += int(sizes[group])
    if not taken:  # all groups are larger than the test side was to be
        test[int(sizes.argmin())] = True
    return test


def _move_similar(groups: NDArray[np.int64], test: NDArray[np.bool_], texts: Sequence[str], split: Split) -> int:
    """Move to the test side whatever is similar to a row there, until nothing is; gives the rows that were moved.

    A text is compared with the first of its cluster alone, so two clusters may still hold similar texts.
    """
    threshold, moved = Threshold.parse(split.similarity), 0
    fresh = np.flatnonzero(test)
    for _ in range(_ROUNDS):
        few = [texts[row] for row in np.flatnonzero(np.isin(groups, fresh)).tolist()]
        left = np.flatnonzero(~test[groups])
        near = left[near_any(few, (texts[row] for row in left.tolist()), threshold)] if few and len(left) else left[:0]
        fresh = np.unique(groups[near])
        if not len(fresh):
            return moved
        test[fresh] = True
        moved += int(np.isin(groups, fresh).sum())
    raise _too_alike_error(len(texts), split)


def _too_alike_error(outputs: int, split: Split) -> SetupError:
    looser = f" or {parameter('by', SplitBy.CLUSTER.value)}" if split.by is not SplitBy.CLUSTER else ""
    return SetupError(
        f"The {outputs:,} outputs hang together, by {split.by} and by texts that are similar from {split.similarity:g} "
        f"on, so that they cannot be divided; give {parameter('similarity')} above that, up to 1{looser}."
    )

"""Outputs of runs as data sets: accepted rows, each with where it comes from, in the format that is asked for."""

import csv
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from arro3.core import Table
from jinja2 import Environment, StrictUndefined

from ...core.arrow import write_parquet
from ...core.errors import SetupError
from ...core.files import compression_of, open_compressed, private_umask
from ...core.writers import check_free, explain_write_errors, write_csv, write_new_file
from ...personas.rules.languages import detect_languages
from ..contamination import told_comparisons
from .options import DatasetOptions, PersonalPolicy, SplitReport, Target, find_target
from .plan import ExportCounts, ExportPlan
from .shapes import TRAINING, DatasetFormat
from .source import UNKNOWN_LICENCE, OutputSource, card_licence, describe_restriction, find_strictest

_USUAL = DatasetOptions()
#: A Parquet file of a folder is closed when it holds so many rows or bytes.
_SHARD_ROWS, _SHARD_BYTES = 100_000, 1 << 26


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What an export wrote."""

    path: Path
    format: DatasetFormat
    #: The files of rows.
    files: tuple[Path, ...]
    card: Path
    tally: ExportCounts
    #: Outputs of kinds that the format has no place for, by kind.
    without: dict[str, int]
    split: SplitReport | None
    #: Accepted outputs that are not there because the runs hold them out for measuring.
    held_out: int

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return self.tally.rows


def export_outputs(
    runs: Sequence[Path | str] | Path | str, path: Path | str, options: DatasetOptions = _USUAL
) -> DatasetReport:
    """Write the outputs of runs to a new file, or to a new folder of files, with a card that describes them.

    Writes accepted outputs alone, unless `options.rejected`. Raises
    `SetupError` for an existing file, for kinds that the format has no place for, and when nothing is left to write;
    `RunFileError` for what is not a run file; `StorageError`.
    """
    path, paths = Path(path), [Path(run) for run in ([runs] if isinstance(runs, Path | str) else runs)]
    target = find_target(path, options.format)
    options.check(target.format)
    if target.ending:
        for taken in (*target.files(split=options.split is not None).values(), target.card):
            check_free(taken)
    else:
        check_free(path)
    with ExitStack() as stack:
        plan, tally = _make_plan(stack, paths, target, options), ExportCounts()
        write = _write_files if target.ending else _write_folder
        files = write(plan, target, tally)
        return DatasetReport(
            target.path,
            target.format,
            tuple(files),
            target.card,
            tally,
            dict(plan.without),
            split=plan.split_report,
            held_out=plan.held_out,
        )


def preview_outputs(
    runs: Sequence[Path], form: DatasetFormat, rows: int, options: DatasetOptions = _USUAL
) -> list[dict[str, object]]:
    """Return the first rows that `export_outputs` would write, as they would appear in JSONL."""
    options.check(form)
    with ExitStack() as stack:
        plan, tally = _make_plan(stack, runs, Target(Path("-"), form, ".jsonl"), options), ExportCounts()
        tables = (table for side in plan.sides for table in plan.rows(side, tally))
        return list(islice((row for table in tables for row in plan.readable(table)), rows))


def _make_plan(stack: ExitStack, runs: Sequence[Path], target: Target, options: DatasetOptions) -> ExportPlan:
    if not runs:
        raise SetupError("No run is given; name at least one run file to export.")
    sources: dict[str, OutputSource] = {}
    for run in runs:
        source = OutputSource(Path(run), rejected=options.rejected, grant=options.licence, held_out=options.held_out)
        stack.enter_context(source)
        if sources.setdefault(source.run, source) is not source:
            raise SetupError(f"{str(run)!r} is named twice; name each run once.")
    return ExportPlan(list(sources.values()), target, options)


def _write_files(plan: ExportPlan, target: Target, tally: ExportCounts) -> list[Path]:
    """Write one file for each side and the card; all of them appear at the end, or none."""
    files = target.files(split=plan.options.split is not None)
    with ExitStack() as stack:
        parts = {side: stack.enter_context(write_new_file(path)) for side, path in files.items()}
        card = stack.enter_context(write_new_file(target.card))
        for side, part in parts.items():
            tables = plan.rows(side, tally)
            if target.ending == ".parquet":
                write_parquet(tables, part, {"populace": plan.metadata})
                continue
            with open_compressed(part, compression_of(target.path)) as file:
                if target.ending == ".csv":
                    # Some readers take a bare carriage return for the end of a row.
                    write_csv(tables, file, quoting=csv.QUOTE_ALL)
                else:
                    file.writelines(orjson.dumps(row) + b"\n" for table in tables for row in plan.readable(table))
        _check_rows(tally)
        card.write_text(render_card(plan, target, tally), encoding="utf-8")
    return list(files.values())


def _write_folder(plan: ExportPlan, target: Target, tally: ExportCounts) -> list[Path]:
    """Write Parquet files and the card to a folder, which is made as `NAME.partial` and renamed when complete."""
    partial = target.path.with_name(f"{target.path.name}.partial")
    if partial.exists():
        raise SetupError(f"{str(partial)!r} is left from an export that was killed; remove it, or give another path.")
    try:
        with explain_write_errors(target.path), private_umask(partial):
            (partial / target.prefix).mkdir(parents=True)
            for side in plan.sides:
                for shard, tables in enumerate(_group_tables(plan.rows(side, tally))):
                    path = partial / target.prefix / f"{side}-{shard:05d}.parquet"
                    write_parquet(iter(tables), path, {"populace": plan.metadata})
            _check_rows(tally)
            (partial / target.card.name).write_text(render_card(plan, target, tally), encoding="utf-8")
            partial.rename(target.path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sorted((target.path / target.prefix).glob("*.parquet"))


def _group_tables(pages: Iterable[Table]) -> Iterator[list[Table]]:
    """Yield the tables of each Parquet file."""
    tables: list[Table] = []
    for table in pages:
        tables.append(table)
        if sum(map(len, tables)) >= _SHARD_ROWS or sum(one.nbytes for one in tables) >= _SHARD_BYTES:
            yield tables
            tables = []
    if any(map(len, tables)):
        yield tables


def _check_rows(tally: ExportCounts) -> None:
    if not tally.rows:
        reasons = ", ".join(f"{number:,} for {reason}" for reason, number in tally.left_out.most_common())
        raise SetupError(
            f"Nothing is left to export ({reasons or 'no outputs'}); choose other kinds or another format."
        )


#: Outputs whose languages are detected.
_SAMPLE = 1000
_SAMPLE_SQL = """
SELECT text FROM outputs AS o WHERE {which} AND kind IN (SELECT unnest(CAST(? AS VARCHAR[])))
ORDER BY md5('card:' || emission) LIMIT ?
"""
_STAGES = """
SELECT coalesce(stage, 'accepted') AS found, count(*) FROM outputs WHERE kind IN (SELECT unnest(CAST(? AS VARCHAR[])))
GROUP BY found ORDER BY found <> 'accepted', count(*) DESC, found
"""
_LOST = "SELECT count(*) FROM failures WHERE phase IN (SELECT phase FROM phases WHERE unit = 'step')"
_REPEATS = "SELECT count(DISTINCT emission) FROM duplicates WHERE NOT undone AND emission IS NOT NULL"
_MADE_BY = ("model", "response_model", "prompt_version", "sampling")
_POLICIES = {
    PersonalPolicy.FLAG: "They are in the data, and the column `personal` says what was found.",
    PersonalPolicy.DROP: "Those outputs were left out.",
    PersonalPolicy.REDACT: "The data were replaced: names by invented ones, everything else by its kind.",
}


def render_card(plan: ExportPlan, target: Target, tally: ExportCounts) -> str:
    """Return the card of one export."""
    folder = files(__package__)
    meanings = tomllib.loads(folder.joinpath("columns.toml").read_text("utf-8"))
    environment = Environment(autoescape=False, undefined=StrictUndefined)  # noqa: S701 - Markdown; cells are escaped
    environment.filters |= {"cell": _format_cell, "json": _format_json}
    sample = _read_sample(plan)
    spoken = Counter(detect_languages(sample))
    procedural = sum(n for (is_so,), n in tally.by("procedural").items() if is_so)
    personas = list(tally.by("persona_language").items())[:8]
    found = ", ".join(f"{kind} {n:,}" for kind, n in tally.personal.most_common())
    return environment.from_string(folder.joinpath("card.md.j2").read_text("utf-8")).render(
        **_describe_origin(plan, tally),
        **_describe_licences(plan, tally),
        header=_make_header(plan, target, tally, spoken, procedural=procedural),
        tally=tally,
        kinds=", ".join(f"{n:,} {kind}" for (kind,), n in tally.by("kind").items()),
        format=target.format,
        procedural=procedural,
        numbers=_count_rows(plan, tally),
        split=plan.options.split,
        report=plan.split_report,
        left_out=[
            *tally.left_out.most_common(),
            *((f"kind {kind}, which has no place", n) for kind, n in plan.without.items()),
        ],
        held_out=plan.held_out,
        has_rejected=plan.options.rejected,
        sample=len(sample),
        spoken=", ".join(f"{tag} {n / len(sample):.0%}" for tag, n in spoken.most_common(8)),
        languages=", ".join(f"{tag} {n:,}" for (tag,), n in personas),
        personal=f" ({found})" if found else "",
        policy=_POLICIES[plan.options.personal],
        columns=[(f"`{name}`", meanings.get(name, "")) for name in plan.column_names],
    )


def _read_sample(plan: ExportPlan) -> list[str]:
    return [
        str(text)
        for source, kinds in zip(plan.sources, plan.kinds, strict=True)
        for (text,) in source.ask(_SAMPLE_SQL.format(which=source.which), [list(kinds), _SAMPLE])
    ]


def _make_header(
    plan: ExportPlan, target: Target, tally: ExportCounts, spoken: Counter[str], *, procedural: int
) -> dict[str, Any]:
    licences = {name for (licence,) in tally.by("licence") for name in str(licence).split(" AND ")}
    said: dict[str, Any] = {
        "pretty_name": f"{', '.join(dict.fromkeys(s.scenario for s in plan.sources))}: synthetic outputs of personas",
        "license": sorted(map(card_licence, licences)),
        "language": [tag for tag, n in spoken.most_common() if tag != "und" and n >= spoken.total() / 100],
        "tags": ["synthetic", "personas", "populace", *(["procedural"] if procedural else [])],
        "task_categories": ["text-generation"] if target.format in TRAINING else [],
    }
    if not target.ending:
        prefix = f"{target.prefix}/".lstrip("/")
        sides = [side for (side,) in sorted(tally.by("side"), reverse=True)]
        parts = [{"split": side, "path": f"{prefix}{side}-*.parquet"} for side in sides]
        said["configs"] = [{"config_name": "default", "data_files": parts}]
    return said


def _count_rows(plan: ExportPlan, tally: ExportCounts) -> list[tuple[str, int]]:
    rows = [("rows", tally.rows)]
    if plan.options.split:
        sides = sorted(tally.by("side").items(), reverse=True)
        rows += [(f"of them {side} ({n / tally.rows:.1%})", n) for (side,), n in sides]
    return [*rows, ("personas", tally.personas)]


def _describe_origin(plan: ExportPlan, tally: ExportCounts) -> dict[str, Any]:
    stages: list[tuple[object, ...]] = []
    repeats = 0
    for source, kinds in zip(plan.sources, plan.kinds, strict=True):
        run, found = (source.scenario, str(source.seed)), source.ask(_STAGES, [list(kinds)])
        made = sum(n for _, n in found)
        ((lost,),) = source.ask(_LOST)
        stages += [(*run, "made", made, "100.0%"), *((*run, stage, n, f"{n / made:.1%}") for stage, n in found)]
        stages.append((*run, "turns without a usable answer", lost, ""))
        repeats += source.ask(_REPEATS)[0][0]
    rows = {run: n for (run,), n in tally.by("run").items()}
    return {
        "sources": plan.sources,
        "stages": stages,
        "repeats": repeats,
        "runs": [(s.scenario, s.run, str(s.seed), s.event_hash or "", rows.get(s.run, 0)) for s in plan.sources],
        "made": [
            (model, response or "", prompt, "the endpoint's own" if sampling is None else f"`{sampling}`", n)
            for (model, response, prompt, sampling), n in tally.by(*_MADE_BY).items()
        ],
        "compared": [told for source in plan.sources for told in told_comparisons(source.ask)],
    }


def _describe_licences(plan: ExportPlan, tally: ExportCounts) -> dict[str, Any]:
    licences = {str(licence): n for (licence,), n in tally.by("licence").items()}
    return {
        "licences": [(name, describe_restriction(name.split(" AND ")[0]), n) for name, n in licences.items()],
        "strictest": find_strictest(name for one in licences for name in one.split(" AND ")),
        "unknown": licences.get(UNKNOWN_LICENCE, 0),
        "grant": plan.options.licence,
    }


def _format_json(value: object) -> str:
    # JSON is YAML too, and quotes whatever a name holds.
    return orjson.dumps(value).decode()


def _format_cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")

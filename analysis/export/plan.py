"""An export that is ready to be made: what is taken of each run, and the rows that come of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from arro3.core import ChunkedArray, Table

from ...core.arrow import duckdb_type, set_column, take, to_rows
from ...core.database import quote_name, quote_text
from ...core.errors import SetupError, parameter
from ...core.inputs import nearest
from ...personas.judgement import Redaction
from ...personas.rules.personal import Pseudonyms, find_record_names, personal_changes
from .options import DatasetOptions, PersonalPolicy, SplitReport, Target, choose_sides, split_sources
from .shapes import TRAINING, DatasetFormat, Recipe, RowShape, find_recipes, parse_payload
from .source import PROVENANCE, STATUS, Added, OutputSource

#: The columns of an output, which may be asked for; any other name is a field of its payload.
_SOLVED = ("solution", "answer", "agreement", "difficulty", "correct")
_OWN = ("text", "kind", "payload", "persona_text", "persona_language", "step", "reasoning", *_SOLVED, *STATUS)
_USUAL = ("text", "kind", "payload", "persona_text", "persona_language")
_USUAL_IN_TRAINING = ("kind",)
#: What reasoning models thought: for the solution that is exported, else for the response, else for the output.
_THOUGHTS = """
LEFT JOIN (SELECT number AS step, owner,
                  coalesce(string_agg(reasoning, chr(10) || chr(10) ORDER BY c.rowid) FILTER (role = 'solver'),
                           string_agg(reasoning, chr(10) || chr(10) ORDER BY c.rowid)) AS reasoning
           FROM calls AS c JOIN phases USING (job, phase)
           WHERE unit = 'step' AND outcome = 'ok' AND reasoning IS NOT NULL GROUP BY number, owner
          ) AS r ON r.step = o.step AND r.owner = o.agent
LEFT JOIN (SELECT owner, trim(raw, chr(10) || ' ') AS raw, any_value(reasoning) AS reasoning FROM calls
           WHERE phase = 'solving' AND outcome = 'ok' AND reasoning IS NOT NULL GROUP BY ALL
          ) AS w ON w.owner = CAST(o.emission AS VARCHAR) AND w.raw = a.solution"""
#: The latest preference of each output, and the models whose responses were compared. Where a run holds outputs out, no
#: pair has one answer on either side.
_PREFERENCES = """
LEFT JOIN (SELECT emission, arg_max(prompt, job) AS asked, arg_max(chosen, job) AS chosen,
                  arg_max(rejected, job) AS rejected, arg_max(margin, job) AS margin
           FROM preferences{apart} GROUP BY emission) AS f ON f.emission = o.emission
"""
_APART = """
           WHERE (emission IN (SELECT emission FROM held_out)) = (rejected_emission IN (SELECT emission FROM held_out))
"""
_RESPONSES = """
LEFT JOIN (SELECT emission, string_agg(DISTINCT model, ', ' ORDER BY model) AS models
           FROM responses GROUP BY emission) AS x ON x.emission = o.emission
"""
_TOOLS = "SELECT 1 FROM outputs WHERE kind = ? AND (payload -> '$.tools') IS NOT NULL LIMIT 1"
#: Columns without text of the model's.
_NOT_SEARCHED = ("kind", "persona_language", "step", "agreement", "difficulty", "correct", *STATUS)


#: The columns by whose values rows are counted together.
KEYS = (
    *("run", "kind", "model", "response_model", "prompt_version", "sampling", "licence", "persona_language"),
    "procedural",
)


@dataclass(slots=True)
class ExportCounts:
    """Numbers of rows, by what they have in common and by why others were left out."""

    #: Rows by side and then by the values of `KEYS`.
    groups: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    #: Outputs that were left out, by reason.
    left_out: Counter[str] = field(default_factory=Counter)
    #: Rows in which personal data were found, by kind; and those rows altogether.
    personal: Counter[str] = field(default_factory=Counter)
    personal_rows: int = 0
    _personas: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """Rows that were written."""
        return sum(self.groups.values())

    @property
    def personas(self) -> int:
        """Different personas whose outputs were written."""
        return len(self._personas)

    def by(self, *names: str) -> dict[tuple[Any, ...], int]:
        """Count rows by some of `KEYS` and `side`, most first."""
        places = [("side", *KEYS).index(name) for name in names]
        found: Counter[tuple[Any, ...]] = Counter()
        for key, number in self.groups.items():
            found[tuple(key[place] for place in places)] += number
        return dict(sorted(found.items(), key=lambda item: (-item[1], tuple(map(str, item[0])))))

    def count_rows(self, side: str, facts: Table) -> None:
        """Count rows that are written; `facts` has `KEYS` and the persona of each."""
        self.groups.update((side, *key) for key in zip(*(facts[name].to_pylist() for name in KEYS), strict=True))
        self._personas.update(facts["persona"].to_pylist())


def search_personal(
    rows: Table, *, redact: Pseudonyms | None, skip: Sequence[bool] = ()
) -> tuple[Table, list[list[str]]]:
    """Look for personal data in all columns, also within nested values; return the rows and the kinds found in each.

    With `redact` the data are replaced, names by these pseudonyms. Rows that `skip` marks are left as they are.

    A row is searched twice: for the names in all its columns, then in each column for their other forms.
    """
    kinds: list[set[str]] = [set() for _ in range(len(rows))]
    columns = [_Texts(column) for column in rows.columns]
    names = _names_of_rows(columns, len(rows))
    for name, column, texts in zip(rows.column_names, rows.columns, columns, strict=True):
        found = dict[tuple[int, tuple[str, ...]], _Changed]()
        replaced = list(column.to_pylist()) if redact else []
        for row, n in enumerate(texts.places):
            if texts.values[n] is None or (skip and skip[row]) or (n not in texts.suspects and not names[row]):
                continue
            key = (n, names[row])
            if key not in found:
                found[key] = personal_changes(texts.values[n], pseudonyms=redact, wholes=names[row], with_keys=True)
            after, changes = found[key]
            kinds[row].update(str(change.kind) for change in changes)
            if redact and changes:
                replaced[row] = after if texts.are_plain else orjson.loads(after)
        if redact and found:
            rows = set_column(rows, name, replaced, texts.kind)
    return rows, [sorted(found) for found in kinds]


type _Changed = tuple[str, tuple[Redaction, ...]]


class _Texts:
    """The values of a column as text, each once: descriptions of personas stand in many rows, and are searched once."""

    def __init__(self, column: ChunkedArray) -> None:
        from ...personas.rules.quality import rows_to_search

        self.kind = duckdb_type(column)
        self.are_plain = self.kind == "VARCHAR"
        values = column.to_pylist() if self.are_plain else map(_as_json, column.to_pylist())
        numbers: dict[Any, int] = {}
        #: The number of the value in each row.
        self.places = [numbers.setdefault(value, len(numbers)) for value in values]
        self.values = list(numbers)
        #: Numbers of the values that may hold personal data.
        self.suspects = set(rows_to_search(self.values))


def _as_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _names_of_rows(columns: Sequence[_Texts], rows: int) -> list[tuple[str, ...]]:
    """The names in all columns of each row."""
    names: list[tuple[str, ...]] = [()] * rows
    for texts in columns:
        found = {n: find_record_names(texts.values[n], {}) for n in texts.suspects}
        for row, n in enumerate(texts.places):
            if found.get(n):
                names[row] = (*names[row], *found[n])
    return [tuple(dict.fromkeys(of_row)) for of_row in names]


class ExportPlan:
    """What is exported of which runs. Raises `SetupError` for what cannot be exported as asked."""

    def __init__(self, sources: Sequence[OutputSource], target: Target, options: DatasetOptions) -> None:
        self.sources, self.options = sources, options
        self.form = target.format
        self.sides = ("train", "test") if options.split else ("train",)
        # Of several runs, the first one's key is used for all: one name has one pseudonym in one data set.
        is_redacted = options.personal is PersonalPolicy.REDACT
        self._pseudonyms = Pseudonyms.of(sources[0].path) if is_redacted and sources else None
        #: Kinds by source, and outputs whose kind the format has no place for.
        self.kinds: list[tuple[str, ...]] = []
        self.without: Counter[str] = Counter()
        self._shapes = self._find_shapes()
        #: Columns, and fields within them, whose JSON text stands in JSONL as what it says.
        self.embedded = {"payload"} | ({"tools"} if self.form is not DatasetFormat.SHAREGPT else set())
        self.embedded |= {"arguments"} if self.form is DatasetFormat.TOOLS else set()
        self._columns = self._find_columns()
        self.split_report: SplitReport | None = None
        #: Accepted outputs that are left out because they are held out for measuring.
        self.held_out = sum(s.count_held_out(kinds) for s, kinds in zip(sources, self.kinds, strict=True))
        if options.split:
            test, self.split_report = split_sources(sources, self.kinds, options.split)
            for source, kinds, side in zip(sources, self.kinds, test, strict=True):
                choose_sides(source, kinds, side)
        self._types = self._find_types()

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of all columns that are written."""
        return tuple(self._types)

    @property
    def metadata(self) -> str:
        """What a Parquet file says of itself, as JSON."""
        return orjson.dumps(
            {"format": str(self.form), "synthetic": True, "runs": [s.run for s in self.sources]}
        ).decode()

    def rows(self, side: str, tally: ExportCounts) -> Iterator[Table]:
        """Yield the rows of one side page by page; `tally` counts what is written and what is left out."""
        for number, source in enumerate(self.sources):
            for page in source.pages(self.kinds[number], self._build_sql(source, self._shapes[number], side)):
                content, facts = self._make_rows(page, number, tally)
                tally.count_rows(side, facts)
                yield content

    def readable(self, table: Table) -> Iterator[dict[str, Any]]:
        """Yield the rows as they appear in JSONL: JSON text as what it says, messages without unused fields."""
        for row in to_rows(table):
            yield {name: self._parse_embedded(value, name) for name, value in row.items()}

    def _parse_embedded(self, value: Any, name: str = "") -> Any:
        if isinstance(value, str):
            return parse_payload(value) if name in self.embedded else value
        if isinstance(value, list):
            return [self._parse_embedded(one) for one in value]
        if isinstance(value, dict):
            return {key: self._parse_embedded(one, key) for key, one in value.items() if one is not None}
        return value

    def _find_shapes(self) -> list[RowShape]:
        options, found = self.options, []
        for source in self.sources:
            kinds = source.check_kinds(options.kinds)
            recipes: dict[str, Recipe] = {}
            if self.form in TRAINING:
                recipes, without = find_recipes(
                    source, self.form, kinds, named=bool(options.kinds), mapping=options.mapping
                )
                self.without.update(without)
                kinds = tuple(recipes)
            self.kinds.append(kinds)
            found.append(recipes)
        with_tools = self.form in TRAINING and any(
            source.ask(_TOOLS, [kind]) for source, kinds in zip(self.sources, self.kinds, strict=True) for kind in kinds
        )
        return [RowShape(self.form, r, options.persona, options.system, with_tools) for r in found]

    def _find_columns(self) -> tuple[str, ...]:
        if self.options.columns is None:
            return _USUAL if self.form not in TRAINING else _USUAL_IN_TRAINING
        fields = {
            key for s, kinds in zip(self.sources, self.kinds, strict=True) for k in kinds for key in s.payload_keys(k)
        }
        for name in self.options.columns:
            if name in PROVENANCE:
                raise SetupError(f"The column {name!r} is in every export; leave it out of {parameter('columns')}.")
            if name not in _OWN and name.removeprefix("payload.") not in fields:
                known = (*_OWN, *sorted(fields - set(_OWN)))
                raise SetupError(f"There is no column {name!r}{nearest(name, known)}. There are: {', '.join(known)}.")
        shape = self._shapes[0].names
        return tuple(name for name in dict.fromkeys(self.options.columns) if name not in shape)

    def _build_sql(self, source: OutputSource, shape: RowShape, side: str = "train") -> Added:
        """Return what is added to the query for a page."""
        columns = [
            f"json_extract_string(o.payload, {quote_text(f'$.{quote_name(name.removeprefix("payload."))}')}) "
            f"AS {quote_name(name)}"
            for name in self._columns
            if name not in _OWN
        ]
        joins, response = "", ""
        if any(recipe.form == "preference" for recipe in shape.recipes.values()):
            columns += ["f.asked", "f.chosen", "f.rejected", "f.margin"]
            joins, response = _PREFERENCES.format(apart=_APART if source.has("held_out") else ""), "o.model"
            if source.has("responses"):
                joins, response = joins + _RESPONSES, "coalesce(x.models, o.model)"
        if "reasoning" in self._columns:
            # A file of an earlier version has no thoughts.
            has_thoughts = "reasoning" in {name for name, *_ in source.ask("DESCRIBE calls")}
            columns.append(f"{'coalesce(w.reasoning, r.reasoning)' if has_thoughts else 'NULL::VARCHAR'} AS reasoning")
            joins += _THOUGHTS if has_thoughts else ""
        if self.options.split:
            joins += f"\nJOIN exported_chosen AS c ON c.emission = o.emission AND c.side = {quote_text(side)}"
        return Added("".join(f", {column}" for column in columns), joins, response)

    def _find_types(self) -> dict[str, Any]:
        """Find the columns of all parts, which may differ between parts, and DuckDB's type of each."""
        types: dict[str, Any] = {}
        for number, (source, shape) in enumerate(zip(self.sources, self._shapes, strict=True)):
            made, _ = self._make_rows(
                source.no_rows(self._build_sql(source, shape)), number, ExportCounts(), align=False
            )
            for name, column in zip(made.column_names, made.columns, strict=True):
                kind = duckdb_type(column)
                if types.setdefault(name, kind) != kind:
                    raise SetupError(
                        f"The columns of the runs do not fit together ({name!r} is {types[name]} in one and {kind} in "
                        "another); export them apart."
                    )
        return types

    def _make_rows(self, rows: Table, number: int, tally: ExportCounts, *, align: bool = True) -> tuple[Table, Table]:
        """Return the rows of a page as they are written, and what is known of each of them."""
        shape, options = self._shapes[number], self.options
        content = rows.select([])
        if shape.names:
            content, reasons = shape.shape_rows(rows)
            tally.left_out.update(reason for reason in reasons if reason is not None)
            kept = [place for place, reason in enumerate(reasons) if reason is None]
            content, rows = take(content, kept), take(rows, kept)
        for name in self._columns:
            content = content.append_column(name, rows[name])
        content, rows, kinds = self._search_rows(content, rows, tally)
        if options.personal is not PersonalPolicy.DROP:
            content = set_column(content, "personal", kinds, "VARCHAR[]")
        for name in (*(STATUS if options.rejected else ()), *PROVENANCE):
            if name not in content.column_names:
                content = content.append_column(name, rows[name])
        return (self._align_columns(content) if align else content), rows

    def _search_rows(self, content: Table, rows: Table, tally: ExportCounts) -> tuple[Table, Table, list[list[str]]]:
        """Return the rows after the search for personal data, and the kinds found in each."""
        policy = self.options.personal
        names = [name for name in content.column_names if name not in _NOT_SEARCHED]
        # The built-in generator invents its people, so their first names raise no alarm.
        skip = list(rows["built_in"].to_pylist())
        searched, found = search_personal(content.select(names), redact=self._pseudonyms, skip=skip)
        tally.personal.update(kind for kinds in found for kind in kinds)
        number = sum(map(bool, found))
        tally.personal_rows += number
        if policy is PersonalPolicy.DROP and number:
            tally.left_out["personal data"] += number
            kept = [place for place, kinds in enumerate(found) if not kinds]
            return take(content, kept), take(rows, kept), []
        for name in names:
            content = set_column(content, name, searched[name])
        return content, rows, found

    def _align_columns(self, content: Table) -> Table:
        for name, kind in self._types.items():
            if name not in content.column_names:
                content = set_column(content, name, [None] * len(content), kind)
        return content.select(list(self._types))

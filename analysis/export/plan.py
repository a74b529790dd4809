"""An export that is ready to be made: what is taken of each run, and the rows that come of it."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from arro3.core import DataType, Table

from ...core.arrow import duckdb_type, set_column, take, to_rows
from ...core.database import quote_name, quote_text
from ...core.errors import SetupError, install_extra, parameter
from ...core.inputs import nearest
from ...personas.rules.pseudonyms import Pseudonyms
from .options import DatasetOptions, Layout, Mix, Target, choose, quotas
from .shapes import TRAINING, DatasetFormat, Recipe, RowShape, find_recipes
from .source import PROVENANCE, STATUS, Added, OutputSource
from .split import SplitReport, split_sources
from .writing import ExportCounts, ExportPosition, PersonalPolicy, SplitRows, parse_payload, search_personal

#: Gives the number of tokens of each text.
type TokenCounter = Callable[[Sequence[str]], list[int]]

#: Scripts whose characters are about a token each: kana, Chinese characters and Hangul.
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_CHARACTERS = 4


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, where no tokenizer is named: one for four characters, and for each CJK one.

    >>> estimated_tokens("Mend the bridge."), estimated_tokens("修理桥梁"), estimated_tokens("")
    (4, 4, 0)
    """
    wide = 0 if text.isascii() else len(_WIDE.findall(text))
    return wide + -(-(len(text) - wide) // _CHARACTERS)


def open_tokenizer(name: str) -> TokenCounter:
    """The counter of a tokenizer: a `tokenizer.json` file, an encoding or model of tiktoken, or a model of the hub.

    Raises `SetupError` when there is none of this name, or it would have to be fetched and cannot be.
    """
    if name.endswith(".json") or Path(name).is_file():
        return _from_file(Path(name))
    found = _from_tiktoken(name)
    return found or _from_hub(name)


def _from_file(path: Path) -> TokenCounter:
    if not path.is_file():
        raise SetupError(f"There is no file {str(path)!r} for {parameter('tokenizer')}; give a tokenizer.json.")
    try:
        return _batched(_tokenizers().from_file(str(path)))
    except Exception as error:
        if isinstance(error, SetupError):
            raise
        raise SetupError(
            f"{str(path)!r} is no tokenizer ({_first_line(error)}); give the tokenizer.json of a model."
        ) from error


def _from_tiktoken(name: str) -> TokenCounter | None:
    try:
        import tiktoken
    except ModuleNotFoundError:
        return None
    try:
        encoding_name = name if name in tiktoken.list_encoding_names() else tiktoken.encoding_name_for_model(name)
    except KeyError:
        return None
    try:
        encoding = tiktoken.get_encoding(encoding_name)
    except Exception as error:
        raise _unreachable(name, error) from error

    def count(texts: Sequence[str]) -> list[int]:
        return [len(tokens) for tokens in encoding.encode_ordinary_batch(list(texts), num_threads=2)]

    return count


def _from_hub(name: str) -> TokenCounter:
    try:
        return _batched(_tokenizers().from_pretrained(name))
    except SetupError:
        raise
    except Exception as error:
        raise _unreachable(name, error) from error


def _tokenizers() -> Any:
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        raise SetupError(
            f"{parameter('tokenizer')} needs the library tokenizers: {install_extra('data')}; the encodings of "
            "tiktoken, such as cl100k_base, do without."
        ) from None
    return Tokenizer


def _batched(tokenizer: Any) -> TokenCounter:
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        return [len(one) for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    return count


def _unreachable(name: str, error: Exception) -> SetupError:
    return SetupError(
        f"The tokenizer {name!r} is not on this machine and cannot be fetched ({_first_line(error)}); give the path of "
        f"a tokenizer.json, or leave {parameter('tokenizer')} out for an estimate."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")[:120]


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
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


_BEGINNING = ExportPosition()


class ExportPlan:
    """What is exported of which runs. Raises `SetupError` for what cannot be exported as asked."""

    def __init__(self, sources: Sequence[OutputSource], mix: Mix, target: Target, options: DatasetOptions) -> None:
        self.sources, self.mix, self.options = sources, mix, options
        self.form, self.layout = target.format, target.layout
        # Of several runs, the first one's key is used for all: one name has one pseudonym in one data set.
        is_redacted = options.personal is PersonalPolicy.REDACT
        self._pseudonyms = Pseudonyms.of(sources[0].path) if is_redacted and sources else None
        #: Kinds by source, and outputs whose kind the format has no place for.
        self.kinds: list[tuple[str, ...]] = []
        self.without: Counter[str] = Counter()
        self._shapes = self._found_shapes()
        self._is_chosen = False
        self._columns = self._found_columns()
        self._count_tokens = open_tokenizer(options.tokenizer) if options.tokenizer else None
        #: Rows that a recipe wants and that are not there.
        self.missing = 0
        self.split_report: SplitReport | None = None
        #: Accepted outputs that are left out because they are held out for measuring.
        self.held_out = sum(s.count_held_out(kinds) for s, kinds in zip(sources, self.kinds, strict=True))
        self._choose()
        self._types = self._found_types()

    @property
    def embedded(self) -> frozenset[str]:
        """Columns, and fields within them, whose JSON text stands in JSONL as what it says."""
        names = {"payload"} | ({"tools"} if self.form is not DatasetFormat.SHAREGPT else set())
        names |= {"arguments"} if self.form is DatasetFormat.TOOLS else set()
        return frozenset(new for part in self.mix.parts for new in (part.rename.get(n, n) for n in names))

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

    def rows(self, tally: ExportCounts, start: ExportPosition = _BEGINNING) -> Iterator[SplitRows]:
        """Yield the rows after a position, page by page; `tally` counts what is written and what is left out."""
        for number in range(start.part, len(self.sources)):
            source, shape = self.sources[number], self._shapes[number]
            after = start.after if number == start.part else 0
            for page in source.pages(self.kinds[number], self._added(source, shape), after=after):
                content, facts = self._made(page.rows, number, tally)
                yield SplitRows(dict(self._sided(content, facts, tally)), ExportPosition(number, page.last))

    def readable(self, table: Table) -> Iterator[dict[str, Any]]:
        """Yield the rows as they appear in JSONL."""
        for row in to_rows(table):
            yield {name: parse_payload(v) if name in self.embedded and v is not None else v for name, v in row.items()}

    def _found_shapes(self) -> list[RowShape]:
        options, found = self.options, []
        for source, part in zip(self.sources, self.mix.parts, strict=True):
            wanted = part.kinds or options.kinds
            kinds = source.check_kinds(wanted)
            recipes: dict[str, Recipe] = {}
            if self.form in TRAINING:
                recipes, without = find_recipes(source, self.form, kinds, named=bool(wanted), mapping=options.mapping)
                self.without.update(without)
                kinds = tuple(recipes)
            self.kinds.append(kinds)
            found.append(recipes)
        with_tools = self.form in TRAINING and any(
            source.ask(_TOOLS, [kind]) for source, kinds in zip(self.sources, self.kinds, strict=True) for kind in kinds
        )
        return [RowShape(self.form, r, options.persona, options.system, options.train_on, with_tools) for r in found]

    def _found_columns(self) -> tuple[str, ...]:
        if self.options.columns is None:
            return _USUAL if self.form not in (*TRAINING, DatasetFormat.PERSONAHUB) else _USUAL_IN_TRAINING
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

    def _choose(self) -> None:
        there = [
            sum(number for kind, number in source.counts().items() if kind in kinds)
            for source, kinds in zip(self.sources, self.kinds, strict=True)
        ]
        test: list[Any] = [None] * len(self.sources)
        if self.options.split:
            test, self.split_report = split_sources(self.sources, self.kinds, self.options.split)
        if self.mix.is_whole and not self.options.split:
            return
        self._is_chosen = True
        taken = quotas(self.mix, there)
        if self.mix.rows:
            self.missing = max(0, self.mix.rows - sum(taken))
        for source, kinds, rows, side in zip(self.sources, self.kinds, taken, test, strict=True):
            choose(source, kinds, rows=rows, seed=self.mix.seed, test=side)

    def _added(self, source: OutputSource, shape: RowShape) -> Added:
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
        if self._is_chosen:
            columns.append("c.side")
            joins += "\nJOIN exported_chosen AS c ON c.emission = o.emission"
        return Added("".join(f", {column}" for column in columns), joins, response)

    def _found_types(self) -> dict[str, Any]:
        """Find the columns of all parts, which may differ between parts, and DuckDB's type of each."""
        types: dict[str, Any] = {}
        for number, (source, shape) in enumerate(zip(self.sources, self._shapes, strict=True)):
            made, _ = self._made(source.no_rows(self._added(source, shape)), number, ExportCounts(), align=False)
            for name, column in zip(made.column_names, made.columns, strict=True):
                kind = duckdb_type(column)
                if types.setdefault(name, kind) != kind:
                    raise SetupError(
                        f"The columns of the runs do not fit together ({name!r} is {types[name]} in one and {kind} in "
                        "another); rename those that are called alike."
                    )
        return types

    def _made(self, rows: Table, number: int, tally: ExportCounts, *, align: bool = True) -> tuple[Table, Table]:
        """Return the rows of a page as they are written, and what is known of each of them."""
        shape, options = self._shapes[number], self.options
        content = rows.select([])
        if shape.names:
            content, reasons = shape.shaped(rows)
            tally.left_out.update(reason for reason in reasons if reason is not None)
            kept = [place for place, reason in enumerate(reasons) if reason is None]
            content, rows = take(content, kept), take(rows, kept)
        for name in self._columns:
            content = content.append_column(name, rows[name])
        content, rows, kinds = self._searched(content, rows, tally)
        texts = shape.texts(content) if shape.names else list(rows["text"].to_pylist())
        tokens = self._count_tokens(texts) if self._count_tokens else [estimated_tokens(text) for text in texts]
        tally.tokens += sum(tokens)
        if self._count_tokens:
            content = set_column(content, "tokens", tokens, "BIGINT")
        if options.personal is not PersonalPolicy.DROP:
            content = set_column(content, "personal", kinds, "VARCHAR[]")
        for name in (*(STATUS if options.rejected else ()), *PROVENANCE):
            if name not in content.column_names:
                content = content.append_column(name, rows[name])
        if self.layout is Layout.CSV:
            _count_formulas(content, tally)
        renamed = self.mix.parts[number].rename
        content = content.rename_columns([renamed.get(name, name) for name in content.column_names])
        return (self._aligned(content) if align else content), rows

    def _searched(self, content: Table, rows: Table, tally: ExportCounts) -> tuple[Table, Table, list[list[str]]]:
        """Return the rows after the search for personal data, and the kinds found in each."""
        policy = self.options.personal
        names = [name for name in content.column_names if name not in _NOT_SEARCHED]
        # The built-in generator invents its people, so their first names raise no alarm.
        skip = list(rows["built_in"].to_pylist())
        found = search_personal(content.select(names), redact=self._pseudonyms, skip=skip)
        tally.personal.update(found.counts)
        number = sum(map(bool, found.kinds))
        tally.personal_rows += number
        if policy is PersonalPolicy.DROP and number:
            tally.left_out["personal data"] += number
            kept = [place for place, kinds in enumerate(found.kinds) if not kinds]
            return take(content, kept), take(rows, kept), []
        for name in names:
            content = set_column(content, name, found.rows[name])
        return content, rows, found.kinds

    def _aligned(self, content: Table) -> Table:
        for name, kind in self._types.items():
            if name not in content.column_names:
                content = set_column(content, name, [None] * len(content), kind)
        return content.select(list(self._types))

    def _sided(self, content: Table, facts: Table, tally: ExportCounts) -> Iterator[tuple[str, Table]]:
        """Yield the rows by the side of the split, and count them."""
        if self.options.split is None:
            tally.count("train", facts)
            yield "train", content
            return
        sides = facts["side"].to_pylist()
        for side in ("train", "test"):
            here = [place for place, one in enumerate(sides) if one == side]
            tally.count(side, take(facts, here))
            yield side, take(content, here)


def _count_formulas(content: Table, tally: ExportCounts) -> None:
    for column in content.columns:
        if DataType.is_string(column.type):
            tally.formulas += sum(text is not None and text.startswith(_FORMULA) for text in column.to_pylist())

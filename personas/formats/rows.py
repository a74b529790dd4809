"""Rows of a file on their way into a hub: description, hash and attributes, then the results of the rules."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from typing import Any

from arro3.core import Table as Columnar

from ...core.arrow import set_column, table_of, take
from ...core.errors import parameter
from ...core.inputs import MOST_LEVELS, UNKNOWN_LANGUAGE, is_too_deep
from ...core.readers import InputTable, RowBatch, Skipped, SkippedRows
from ...core.writers import json_text
from ..hub.redaction import NamesOf, attribute_rows, judged_attributes
from ..hub.verdicts import rule_result_rows
from ..judgement import Judge, Judgement, RuleResultRow
from ..rules import Policy, personal_judge, quality_judge
from ..rules.columns import ColumnKind
from ..rules.languages import detect_languages
from ..rules.personal import find_record_names
from ..rules.pseudonyms import Pseudonyms
from ..rules.quality import rows_to_search
from .options import Columns, ImportOptions, Shape, UnsaidError

_TYPES = {
    "place": "INTEGER",
    "id": "VARCHAR",
    "row": "BIGINT",
    **dict.fromkeys(("text", "language", "source", "licence", "model", "attributes"), "VARCHAR"),
}

#: Characters of the other columns of a row, as JSON.
_MOST_ATTRIBUTES = 1 << 22

#: The model of a persona that the built-in generator wrote, which an exported row says and no import may lose.
_GENERATOR = "procedural"

_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")

type _ImportedRow = tuple[str, int, str, str | None, str | None, str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Some thousands of rows, ready to be written; `place` counts them from 1."""

    rows: Columnar
    #: The line or row up to which the file has been read.
    read_to: int
    #: What was left out among them.
    skipped: tuple[Skipped, ...]


def prepare_rows(table: InputTable, columns: Columns, options: ImportOptions, *, after: int) -> Iterator[Prepared]:
    """Yield all rows of a table after line or row `after`, batch by batch; the last batch may be empty.

    Raises `SourceError` for a corrupt file and, with strict options, for a row that cannot be imported.
    """
    tally = SkippedRows(str(table.path), after=after, way_out=_way_out(options))
    reader = _RowReader(columns, options)
    for batch in table.batches(tally):
        if batch and batch[-1][0] > after:
            left = [row for row in batch if row[0] > after]
            after = left[-1][0]
            yield Prepared(_with_languages(_make_table(_read_rows(left, reader, tally))), after, tally.take())
    yield Prepared(_make_table([]), after, tally.take())


def _make_table(rows: list[_ImportedRow]) -> Columnar:
    return table_of([(place, *row) for place, row in enumerate(rows, 1)], _TYPES)


def _with_languages(rows: Columnar) -> Columnar:
    """Return the rows, with the language detected for texts whose language is not stated."""
    languages = rows["language"].to_pylist()
    unknown = [place for place, language in enumerate(languages) if language is None]
    if not unknown:
        return rows
    texts = rows["text"].to_pylist()
    for place, language in zip(unknown, detect_languages([texts[place] for place in unknown]), strict=True):
        languages[place] = language
    return set_column(rows, "language", languages, "VARCHAR")


def _read_rows(batch: RowBatch, reader: "_RowReader", tally: SkippedRows) -> list[_ImportedRow]:
    rows: list[_ImportedRow] = []
    for number, row in batch:
        try:
            rows.append(reader.read(number, row))
        except _UnusableError as error:
            tally.count(error.args[0], number)
    return rows


class _UnusableError(Exception):
    """A row cannot be imported; its one argument says why."""


class _RowReader:
    """Takes rows apart. It is called for each of millions of rows: what can be decided before is."""

    def __init__(self, columns: Columns, options: ImportOptions) -> None:
        self._columns = columns
        self._language = options.language or (columns.composer.language if columns.composer is not None else None)
        self._licence = options.licence
        self._max_length = options.max_length
        self._nothing = (None, "", "None") if columns.shape is Shape.ELITE else (None, "")

    def read(self, number: int, row: dict[str, Any]) -> _ImportedRow:
        """Return the row as a hub holds it; take out of `row` what is not an attribute. Raises `_UnusableError`."""
        columns = self._columns
        if any(isinstance(value, dict | list) for value in row.values()) and is_too_deep(row):
            raise _UnusableError(f"a column nests more than {MOST_LEVELS} levels deep")
        told = row.pop(columns.text, None) if columns.text is not None else None
        is_composed = columns.composer is not None and (told is None or (isinstance(told, str) and not told.strip()))
        text = self._check_text(self._compose_text(row) if is_composed else told)
        # The same as personas.persona.content_id, which a test holds; plain ASCII is in NFC already.
        line = " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())
        if not line:
            raise _UnusableError("there is no text")
        try:
            digest = blake2b(line.encode(), digest_size=16).hexdigest()
        except UnicodeEncodeError as error:
            raise _UnusableError("the text has half a character in it") from error
        language = self._read_tag(row.pop(columns.language, None)) if columns.language else self._language
        source = _read_stated(row.pop(columns.source, None)) if columns.source else None
        licence = _read_stated(row.pop(columns.licence, None)) if columns.licence else None
        model = _GENERATOR if row.get("model") == _GENERATOR else None
        attributes = self._attributes(row) if row else None
        return digest, number, text, language, source, licence or self._licence, model, attributes

    def _compose_text(self, row: dict[str, Any]) -> str | None:
        try:
            return self._columns.composer.text(row) if self._columns.composer is not None else None
        except UnsaidError as error:
            raise _UnusableError(error.args[0]) from error

    def _check_text(self, value: object) -> str:
        if not isinstance(value, str):
            raise _UnusableError("there is no text" if value is None else "the text is no string")
        if len(value) > self._max_length:
            raise _UnusableError(f"the text is longer than {self._max_length:,} characters")
        return value

    def _read_tag(self, value: object) -> str | None:
        if value in (None, ""):
            return self._language
        if not isinstance(value, str) or not _TAG.fullmatch(value):
            raise _UnusableError("its language is no BCP 47 tag")
        return value

    def _attributes(self, row: dict[str, Any]) -> str | None:
        kept = {name: value for name, value in row.items() if value not in self._nothing}
        try:
            text = json_text(kept) if kept else None
        except (TypeError, ValueError, RecursionError) as error:
            raise _UnusableError("a column cannot be written as JSON") from error
        if text is not None and len(text) > _MOST_ATTRIBUTES:
            raise _UnusableError(f"its columns have more than {_MOST_ATTRIBUTES:,} characters")
        return text


def _read_stated(value: object) -> str | None:
    return None if value in (None, "") else str(value)


@dataclass(frozen=True, slots=True)
class Screened:
    """A batch after the rules, and their results."""

    part: Prepared
    rule_results: tuple[RuleResultRow, ...] = ()
    #: Rule results by rule and outcome.
    judged: Counter[tuple[str, str]] = field(default_factory=Counter)


def screen_rows(
    parts: Iterator[Prepared],
    options: ImportOptions,
    kinds: Mapping[str, ColumnKind] | None = None,
    pseudonyms: Pseudonyms | None = None,
) -> Iterator[Screened]:
    """Apply the policy for personal data and, if wanted, the quality rules to each batch.

    `kinds` gives the kinds of the other columns. A column that it does not name is text.
    """
    screen = _Screen(options, kinds or {}, pseudonyms)
    for part in parts:
        yield screen.of(part) if part.rows.num_rows else Screened(part)


class _Screen:
    def __init__(self, options: ImportOptions, kinds: Mapping[str, ColumnKind], pseudonyms: Pseudonyms | None) -> None:
        self._kinds, self._pseudonyms = kinds, pseudonyms
        self._is_whole = any(kind.is_personal for kind in kinds.values())
        self._policy = Policy(options.personal) if options.personal != "ignore" else None
        self._has_quality = options.quality

    def of(self, part: Prepared) -> Screened:
        """Return the batch after the judges have seen it."""
        names = self._find_names(part.rows) if self._policy is not None else {}
        texts = self._judge_texts(part, names)
        if self._policy is None:
            return texts
        rows, rule_results = self._attributes(texts.part.rows, self._policy, names)
        return replace(texts, part=replace(texts.part, rows=rows), rule_results=(*texts.rule_results, *rule_results))

    def _find_names(self, rows: Columnar) -> dict[str, tuple[str, ...]]:
        """Return the names in the record of each persona: in the description and the other columns of all its rows."""
        texts, attributes, ids = (rows[name].to_pylist() for name in ("text", "attributes", "id"))
        has_names = ColumnKind.NAME in self._kinds.values()
        of_text = range(rows.num_rows) if has_names else rows_to_search(texts)
        of_row = range(rows.num_rows) if has_names else rows_to_search(attributes)
        found: dict[str, tuple[str, ...]] = {}
        for column, places in ((attributes, of_row), (texts, of_text)):
            for place in places:
                said = column[place]
                if said is not None and (names := find_record_names(said, self._kinds)):
                    found[ids[place]] = (*found.get(ids[place], ()), *names)
        return found

    def _judge_texts(self, part: Prepared, names: dict[str, tuple[str, ...]]) -> Screened:
        ids = part.rows["id"].to_pylist()
        places = self._find_places(part.rows, {place for place, one in enumerate(ids) if one in names})
        if not places:
            return Screened(part)
        shown = take(part.rows, places)
        texts, languages, numbers = (shown[name].to_pylist() for name in ("text", "language", "row"))
        said = [
            rule_result_rows(text, self._make_judges(tag, names.get(ids[place], ())))
            for place, text, tag in zip(places, texts, languages, strict=True)
        ]
        changed = {
            place: judgement for place, text, (judgement, _) in zip(places, texts, said, strict=True)
            if judgement.is_erased or judgement.persona.text != text
        }  # fmt: skip
        if names:
            names.update({judgement.persona.id: names.get(ids[place], ()) for place, judgement in changed.items()})
        rule_results = tuple(
            replace(row, row=number) for number, (_, rows) in zip(numbers, said, strict=True) for row in rows
        )
        judged = Counter((result.rule, result.outcome) for judgement, _ in said for _, result in judgement.rule_results)
        return Screened(_apply_changes(part, changed), rule_results, judged)

    def _find_places(self, rows: Columnar, named: set[int]) -> Sequence[int]:
        """Return the rows that judges see: all rows for quality rules, few for the personal data rule."""
        if self._has_quality:
            return list(range(rows.num_rows))
        if self._policy is None:
            return ()
        # A name elsewhere in the record may stand in the text in part, which no quick look finds.
        return sorted(named.union(rows_to_search(rows["text"])))

    def _make_judges(self, language: str | None, names: Sequence[str]) -> tuple[Judge, ...]:
        personal = (personal_judge(self._policy, self._pseudonyms, names),) if self._policy is not None else ()
        return (_quality_rules(language), *personal) if self._has_quality else personal

    def _attributes(self, rows: Columnar, policy: Policy, names: NamesOf) -> tuple[Columnar, list[RuleResultRow]]:
        column = rows["attributes"]
        if column.null_count == len(column):
            return rows, []
        attributes, rule_results, is_changed = column.to_pylist(), list[RuleResultRow](), False
        ids, numbers = rows["id"].to_pylist(), rows["row"].to_pylist()
        # Of a column of names each value is replaced, so no row may be passed over.
        named = {place for place, persona in enumerate(ids) if persona in names}
        places = range(len(attributes)) if self._is_whole else sorted(named.union(rows_to_search(column)))
        for place in places:
            was, persona = attributes[place], ids[place]
            if was is None:
                continue
            of_record = names.get(persona, ())
            now, changes = judged_attributes(was, self._kinds, policy, self._pseudonyms, of_record)
            if changes:
                rule_results += attribute_rows(persona, changes, policy, None, numbers[place])
                attributes[place], is_changed = now, True
        return (set_column(rows, "attributes", attributes, "VARCHAR") if is_changed else rows), rule_results


@cache
def _quality_rules(language: str | None) -> Judge:
    return quality_judge(None if language == UNKNOWN_LANGUAGE else language)


def _apply_changes(part: Prepared, changed: dict[int, Judgement]) -> Prepared:
    if not changed:
        return part
    rows = part.rows
    gone = [place for place, judgement in changed.items() if judgement.is_erased]
    numbers = list(take(rows, gone[:3])["row"].to_pylist())
    for name in ("id", "text"):
        values = rows[name].to_pylist()
        for place, judgement in changed.items():
            values[place] = getattr(judgement.persona, name)
        rows = set_column(rows, name, values, "VARCHAR")
    if not gone:
        return replace(part, rows=rows)
    left = sorted(set(range(rows.num_rows)).difference(gone))
    rows = set_column(take(rows, left), "place", range(1, len(left) + 1), "INTEGER")
    return replace(part, rows=rows, skipped=(*part.skipped, Skipped(_explain_erasure(), len(gone), numbers)))


def _way_out(options: ImportOptions) -> str:
    if not options.strict:
        return ""
    return options.way_out or f"mend it, or leave {parameter('strict')} away to skip such rows"


def _explain_erasure() -> str:
    return f"it holds personal data, which {parameter('personal', 'drop')} leaves out"

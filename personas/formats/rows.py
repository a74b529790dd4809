"""Rows of a file on their way into a hub: description, hash and attributes, then the results of the rules."""

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
from ...core.readers import InputTable, RowBatch, RowError, Skipped, SkippedRows
from ...core.writers import json_text
from ..hub.redaction import NamesOf, attribute_rows, judged_attributes
from ..hub.verdicts import rule_result_rows
from ..judgement import Judge, RuleResultRow
from ..rules import Policy, personal_judge, quality_judge
from ..rules.columns import ColumnKind
from ..rules.languages import detect_languages
from ..rules.personal import find_record_names
from ..rules.pseudonyms import Pseudonyms
from ..rules.quality import rows_to_search
from .options import TAG, Columns, ImportOptions, Shape

_TYPES = {
    "id": "VARCHAR",
    "row": "BIGINT",
    **dict.fromkeys(("text", "language", "source", "licence", "model", "attributes"), "VARCHAR"),
}

#: Characters of the other columns of a row, as JSON.
_MOST_ATTRIBUTES = 1 << 22

#: The model of a persona that the built-in generator wrote, which an exported row says and no import may lose.
_GENERATOR = "procedural"

type _ImportedRow = tuple[str, int, str, str | None, str | None, str | None, str | None, str | None]


@dataclass(slots=True)
class Batch:
    """Some thousands of rows on their way into the hub."""

    rows: Columnar
    #: The line or row up to which the file has been read.
    read_to: int
    #: What was left out among them.
    skipped: tuple[Skipped, ...] = ()
    rule_results: list[RuleResultRow] = field(default_factory=list)
    #: Rule results on the descriptions, by rule and outcome.
    judged: Counter[tuple[str, str]] = field(default_factory=Counter)


def prepare_rows(table: InputTable, columns: Columns, options: ImportOptions, *, after: int) -> Iterator[Batch]:
    """Yield all rows of a table after line or row `after`, batch by batch; the last batch may be empty.

    Raises `SourceError` for a corrupt file and, with strict options, for a row that cannot be imported.
    """
    way_out = options.way_out or f"mend it, or leave {parameter('strict')} away to skip such rows"
    tally = SkippedRows(str(table.path), after=after, way_out=way_out if options.strict else "")
    reader = _RowReader(columns, options)
    for batch in table.batches(tally):
        if batch and batch[-1][0] > after:
            rows = _read_rows([row for row in batch if row[0] > after], reader, tally)
            after = batch[-1][0]
            yield Batch(rows, after, tally.take())
    yield Batch(table_of([], _TYPES), after, tally.take())


def _read_rows(batch: RowBatch, reader: "_RowReader", tally: SkippedRows) -> Columnar:
    """Read the rows that can be imported, and detect the language of texts for which none is stated."""
    rows: list[_ImportedRow] = []
    for number, row in batch:
        try:
            rows.append(reader.read(number, row))
        except RowError as error:
            tally.count(error.reason, number)
    detected = iter(detect_languages([text for _, _, text, language, *_ in rows if language is None]))
    languages = [language or next(detected) for _, _, _, language, *_ in rows]
    return set_column(table_of(rows, _TYPES), "language", languages, "VARCHAR")


class _RowReader:
    """Takes rows apart. It is called for each of millions of rows: what can be decided before is."""

    def __init__(self, columns: Columns, options: ImportOptions) -> None:
        self._columns, self._composer = columns, columns.composer
        self._language = options.language or (columns.composer.language if columns.composer is not None else None)
        self._licence = options.licence
        self._max_length = options.max_length
        self._nothing = (None, "", "None") if columns.shape is Shape.ELITE else (None, "")

    def read(self, number: int, row: dict[str, Any]) -> _ImportedRow:
        """Return the row as a hub holds it; take out of `row` what is not an attribute. Raises `RowError`."""
        columns = self._columns
        if any(isinstance(value, dict | list) for value in row.values()) and is_too_deep(row):
            raise RowError(f"a column nests more than {MOST_LEVELS} levels deep")
        text = row.pop(columns.text, None) if columns.text is not None else None
        if self._composer is not None and (text is None or (isinstance(text, str) and not text.strip())):
            text = self._composer.text(row)
        if not isinstance(text, str):
            raise RowError("there is no text" if text is None else "the text is no string")
        if len(text) > self._max_length:
            raise RowError(f"the text is longer than {self._max_length:,} characters")
        # The same as personas.persona.content_id, which a test holds; plain ASCII is in NFC already.
        line = " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())
        if not line:
            raise RowError("there is no text")
        try:
            digest = blake2b(line.encode(), digest_size=16).hexdigest()
        except UnicodeEncodeError as error:
            raise RowError("the text has half a character in it") from error
        language = self._read_tag(row.pop(columns.language, None)) if columns.language else self._language
        source = _read_stated(row.pop(columns.source, None)) if columns.source else None
        licence = _read_stated(row.pop(columns.licence, None)) if columns.licence else None
        model = _GENERATOR if row.get("model") == _GENERATOR else None
        attributes = self._write_attributes(row) if row else None
        return digest, number, text, language, source, licence or self._licence, model, attributes

    def _read_tag(self, value: object) -> str | None:
        if value in (None, ""):
            return self._language
        if not isinstance(value, str) or not TAG.fullmatch(value):
            raise RowError("its language is no BCP 47 tag")
        return value

    def _write_attributes(self, row: dict[str, Any]) -> str | None:
        kept = {name: value for name, value in row.items() if value not in self._nothing}
        try:
            text = json_text(kept) if kept else None
        except (TypeError, ValueError, RecursionError) as error:
            raise RowError("a column cannot be written as JSON") from error
        if text is not None and len(text) > _MOST_ATTRIBUTES:
            raise RowError(f"its columns have more than {_MOST_ATTRIBUTES:,} characters")
        return text


def _read_stated(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def screen_rows(
    batches: Iterator[Batch],
    options: ImportOptions,
    kinds: Mapping[str, ColumnKind] | None = None,
    pseudonyms: Pseudonyms | None = None,
) -> Iterator[Batch]:
    """Apply the policy for personal data and, if wanted, the quality rules to each batch.

    `kinds` gives the kinds of the other columns. A column that it does not name is text.
    """
    screen = _Screen(options, kinds or {}, pseudonyms)
    for batch in batches:
        if batch.rows.num_rows:
            screen.judge(batch)
        yield batch


class _Screen:
    def __init__(self, options: ImportOptions, kinds: Mapping[str, ColumnKind], pseudonyms: Pseudonyms | None) -> None:
        self._kinds, self._pseudonyms = kinds, pseudonyms
        self._policy = Policy(options.personal) if options.personal != "ignore" else None
        self._has_quality = options.quality

    def judge(self, batch: Batch) -> None:
        """Apply the judges to a batch, which afterwards has their changes and their results."""
        if self._policy is None:
            self._judge_texts(batch, {})
            return
        names = self._find_names(batch.rows)
        self._judge_texts(batch, names)
        self._judge_attributes(batch, self._policy, names)

    def _find_names(self, rows: Columnar) -> dict[str, tuple[str, ...]]:
        """Return the names in the record of each persona: in the description and the other columns of all its rows."""
        ids, found = rows["id"].to_pylist(), dict[str, tuple[str, ...]]()
        for column in ("attributes", "text"):
            values = rows[column].to_pylist()
            for place in range(len(ids)) if ColumnKind.NAME in self._kinds.values() else rows_to_search(values):
                said = values[place]
                if said is not None and (names := find_record_names(said, self._kinds)):
                    found[ids[place]] = (*found.get(ids[place], ()), *names)
        return found

    def _judge_texts(self, batch: Batch, names: dict[str, tuple[str, ...]]) -> None:
        """Judge all descriptions by quality, and by personal data those that may hold some."""
        ids, texts, languages, numbers = (batch.rows[name].to_pylist() for name in ("id", "text", "language", "row"))
        places: Sequence[int] = range(len(ids)) if self._has_quality else ()
        if self._policy is not None and not self._has_quality:
            # A name elsewhere in the record may stand in the text in part, which no quick look finds.
            named = {place for place, persona in enumerate(ids) if persona in names}
            places = sorted(named.union(rows_to_search(texts)))
        gone, of_changed = list[int](), dict[str, tuple[str, ...]]()
        for place in places:
            of_record = names.get(ids[place], ())
            judgement, rows = rule_result_rows(texts[place], self._make_judges(languages[place], of_record))
            batch.rule_results += (replace(row, row=numbers[place]) for row in rows)
            batch.judged.update((result.rule, result.outcome) for _, result in judgement.rule_results)
            if judgement.is_erased:
                gone.append(place)
            elif judgement.persona.text != texts[place]:
                ids[place], texts[place] = judgement.persona.id, judgement.persona.text
                of_changed |= {ids[place]: of_record} if of_record else {}
        names.update(of_changed)
        if places:
            batch.rows = set_column(set_column(batch.rows, "id", ids, "VARCHAR"), "text", texts, "VARCHAR")
        if gone:
            reason = f"it holds personal data, which {parameter('personal', 'drop')} leaves out"
            batch.skipped += (Skipped(reason, len(gone), [numbers[place] for place in gone[:3]]),)
            batch.rows = take(batch.rows, sorted(set(range(len(ids))).difference(gone)))

    def _make_judges(self, language: str | None, names: Sequence[str]) -> tuple[Judge, ...]:
        personal = (personal_judge(self._policy, self._pseudonyms, names),) if self._policy is not None else ()
        return (_quality_rules(language), *personal) if self._has_quality else personal

    def _judge_attributes(self, batch: Batch, policy: Policy, names: NamesOf) -> None:
        column = batch.rows["attributes"]
        if column.null_count == len(column):
            return
        ids, numbers, attributes = (batch.rows[name].to_pylist() for name in ("id", "row", "attributes"))
        # Of a personal column each value is replaced, so no row may be passed over.
        if any(kind.is_personal for kind in self._kinds.values()):
            places: Sequence[int] = range(len(ids))
        else:
            named = {place for place, persona in enumerate(ids) if persona in names}
            places = sorted(named.union(rows_to_search(column)))
        for place in places:
            if (was := attributes[place]) is not None:
                of_record = names.get(ids[place], ())
                attributes[place], changes = judged_attributes(was, self._kinds, policy, self._pseudonyms, of_record)
                if changes:
                    batch.rule_results += attribute_rows(ids[place], changes, policy, None, numbers[place])
        batch.rows = set_column(batch.rows, "attributes", attributes, "VARCHAR")


@cache
def _quality_rules(language: str | None) -> Judge:
    return quality_judge(None if language == UNKNOWN_LANGUAGE else language)

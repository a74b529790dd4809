"""Rows on their way into a hub, shown to judges: what is said of them, and what becomes of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import pyarrow as pa

from ..inputs import UNKNOWN_LANGUAGE
from ..judgement import Judge, Judgement, RulingRow
from ..rules import Policy, personal_judge, quality_judge
from ..rules.columns import ColumnKind
from ..rules.prefilter import rows_to_search
from .batch import Prepared
from .rulings import ruling_rows
from .tally import Skipped
from .traces import attribute_rows, judged_attributes
from .wish import ImportWish

__all__ = ["Screened", "screened"]

_ERASED = "it holds personal data, which --personal drop leaves out"


@dataclass(frozen=True, slots=True)
class Screened:
    """A batch as the judges leave it, and the rulings on it."""

    part: Prepared
    rulings: tuple[RulingRow, ...] = ()
    #: Descriptions that were ruled on, by rule and outcome.
    judged: Counter[tuple[str, str]] = field(default_factory=Counter)


def screened(
    parts: Iterator[Prepared], wish: ImportWish, kinds: Mapping[str, ColumnKind] | None = None
) -> Iterator[Screened]:
    """Each batch as the policy for personal data and, when they are wanted, the rules of quality have it.

    `kinds` says what the other columns are taken for; those that it does not name are texts.
    """
    screen = _Screen(wish, kinds or {})
    for part in parts:
        yield screen.of(part) if part.rows.num_rows else Screened(part)


class _Screen:
    def __init__(self, wish: ImportWish, kinds: Mapping[str, ColumnKind]) -> None:
        self._kinds = kinds
        self._is_whole = any(kind.is_personal for kind in kinds.values())
        self._policy = Policy(wish.personal) if wish.personal != "ignore" else None
        self._personal = personal_judge(self._policy) if self._policy is not None else None
        self._has_quality = wish.quality

    def of(self, part: Prepared) -> Screened:
        """The batch as the judges leave it."""
        texts = self._texts(part)
        if self._policy is None:
            return texts
        rows, rulings = self._attributes(texts.part.rows, self._policy)
        return replace(texts, part=replace(texts.part, rows=rows), rulings=(*texts.rulings, *rulings))

    def _texts(self, part: Prepared) -> Screened:
        places = self._places(part.rows)
        if not places:
            return Screened(part)
        texts = part.rows["text"].take(places).to_pylist()
        languages = part.rows["language"].take(places).to_pylist()
        numbers = part.rows["row"].take(places).to_pylist()
        said = [ruling_rows(text, self._judges(tag)) for text, tag in zip(texts, languages, strict=True)]
        changed = {
            place: judgement for place, text, (judgement, _) in zip(places, texts, said, strict=True)
            if judgement.is_erased or judgement.persona.text != text
        }  # fmt: skip
        rulings = tuple(
            replace(row, row=number) for number, (_, rows) in zip(numbers, said, strict=True) for row in rows
        )
        judged = Counter((ruling.rule, ruling.outcome) for judgement, _ in said for _, ruling in judgement.rulings)
        return Screened(_changed(part, changed), rulings, judged)

    def _places(self, rows: pa.Table) -> Sequence[int]:
        """The rows that are shown to judges: all to those of quality, few to the one for personal data."""
        if self._has_quality:
            return list(range(rows.num_rows))
        if self._policy is None:
            return ()
        return rows_to_search(rows["text"].combine_chunks())

    def _judges(self, language: str | None) -> tuple[Judge, ...]:
        personal = (self._personal,) if self._personal is not None else ()
        return (_quality(language), *personal) if self._has_quality else personal

    def _attributes(self, rows: pa.Table, policy: Policy) -> tuple[pa.Table, list[RulingRow]]:
        column = rows["attributes"].combine_chunks()
        if column.null_count == len(column):
            return rows, []
        attributes, rulings, is_changed = column.to_pylist(), list[RulingRow](), False
        # Of a column of names each value is replaced, so no row may be passed over.
        places = range(len(attributes)) if self._is_whole else rows_to_search(column)
        for place in places:
            was = attributes[place]
            now, changes = judged_attributes(was, self._kinds, policy) if was is not None else (None, ())
            if changes:
                persona, number = rows["id"][place].as_py(), rows["row"][place].as_py()
                rulings += attribute_rows(persona, changes, policy, None, number)
                attributes[place], is_changed = now, True
        return (_with(rows, "attributes", attributes) if is_changed else rows), rulings


@cache
def _quality(language: str | None) -> Judge:
    return quality_judge(None if language == UNKNOWN_LANGUAGE else language)


def _changed(part: Prepared, changed: dict[int, Judgement]) -> Prepared:
    if not changed:
        return part
    rows = part.rows
    gone = [place for place, judgement in changed.items() if judgement.is_erased]
    numbers = [rows["row"][place].as_py() for place in gone[:3]]
    for name in ("id", "text"):
        values = rows[name].to_pylist()
        for place, judgement in changed.items():
            values[place] = getattr(judgement.persona, name)
        rows = _with(rows, name, values)
    if not gone:
        return replace(part, rows=rows)
    left = sorted(set(range(rows.num_rows)).difference(gone))
    rows = _with(rows.take(pa.array(left, pa.int64())), "place", range(1, len(left) + 1))
    return replace(part, rows=rows, skipped=(*part.skipped, Skipped(_ERASED, len(gone), numbers)))


def _with(rows: pa.Table, name: str, values: Sequence[object]) -> pa.Table:
    column = rows.schema.get_field_index(name)
    field = rows.schema.field(column)
    return rows.set_column(column, field, pa.array(values, type=field.type))

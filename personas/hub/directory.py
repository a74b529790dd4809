"""The people of a hub's database by their ids there, near-duplicates resolved."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import SourceError
from ..inputs import parse_language, parse_text, shown
from ..persona import Persona, PersonaOrigin, Relation, RelationKind, content_id

type Row = Mapping[str, object]
#: Where a row is, in words, and the row.
type Located = tuple[str, Row]

_TEXT_KEYS = ("text", "persona")
_ORIGINS: dict[Any, PersonaOrigin] = {
    "text": "text",
    "persona": "persona",
    "import": "import",
    None: "import",
}


class Directory:
    """The people of one database, by the ids that they have in it.

    Ids are made anew from the texts, so a file may number its people as it likes. Whoever is marked as a
    near-duplicate is left out, and what was said of them is said of the one they duplicate.
    """

    def __init__(self, file: str, personas: Sequence[Located], duplicates: Iterable[Located]) -> None:
        self._file = file
        self._rows = {_old_id(where, row): (where, row) for where, row in personas}
        self._of: dict[str, str] = {}
        for where, row in duplicates:
            if row.get("kind", "persona") == "persona" and not row.get("undone"):
                self._of.setdefault(_name(where, row, "persona"), _name(where, row, "of"))

    def personas(self) -> Iterator[Persona]:
        """Everybody who is not a near-duplicate."""
        for old, (where, row) in self._rows.items():
            if old in self._of:
                self._resident(where, old)
            else:
                yield self._persona(where, row)

    def _persona(self, where: str, row: Row) -> Persona:
        return Persona(
            parse_text(where, row, *_TEXT_KEYS),
            origin=_origin(where, row),
            hop=_whole(where, row, "hop", 0),
            parent=self._parent(where, row),
            language=parse_language(where, row),
            source=_text(row, "source") if "source" in row else self._file,
            licence=_text(row, "licence"),
            model=_text(row, "model"),
            prompt=_text(row, "prompt"),
        )

    def relation(self, where: str, row: Row) -> Relation:
        """The row as a relation between people who stay.

        Raises `SourceError` when one of them is not there.
        """
        kind = _text(row, "kind") or RelationKind.OTHER.value
        return Relation(
            self._resident(f"{where}, source", _name(where, row, "source")),
            self._resident(f"{where}, target", _name(where, row, "target")),
            RelationKind(kind.lower()) if kind.lower() in RelationKind else RelationKind.OTHER,
            _text(row, "label") or kind,
            _whole(where, row, "hop", 1),
        )

    def _parent(self, where: str, row: Row) -> str | None:
        parent = _text(row, "parent")
        # A parent is left behind when a hub is cut from a larger one: the lineage still names it.
        if parent is None or (parent not in self._rows and parent not in self._of):
            return parent
        return self._resident(f"{where}, parent", parent)

    def _resident(self, where: str, old: str) -> str:
        """The new id of a persona, or of the one that it duplicates."""
        last, passed = old, {old}
        while last in self._of:
            last = self._of[last]
            if last in passed:
                raise SourceError(
                    f"{where}: {shown(old)} leads into a circle of near-duplicates; undo one of the verdicts."
                )
            passed.add(last)
        if last not in self._rows:
            raise SourceError(
                f"{where}: {shown(last)} is nobody in table personas; add them, or remove what names them."
            )
        return content_id(parse_text(*self._rows[last], *_TEXT_KEYS))


def _old_id(where: str, row: Row) -> str:
    return _text(row, "id") or content_id(parse_text(where, row, *_TEXT_KEYS))


def _name(where: str, row: Row, key: str) -> str:
    value = _text(row, key)
    if value is None:
        raise SourceError(f"{where} names nobody under {key!r}; its columns are {', '.join(row)}.")
    return value


def _text(row: Row, key: str) -> str | None:
    value = row.get(key)
    return None if value is None or value == "" else str(value)


def _whole(where: str, row: Row, key: str, default: int) -> int:
    value = row.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SourceError(f"{where}: {key!r} is {shown(value)}; it must be a whole number from 0.")
    return value


def _origin(where: str, row: Row) -> PersonaOrigin:
    value = row.get("origin")
    if not isinstance(value, str | None) or value not in _ORIGINS:
        raise SourceError(f"{where}: origin {shown(value)} is unknown; write text, persona or import.")
    return _ORIGINS[value]

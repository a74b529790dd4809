"""Personal data in descriptions: contact details, numbers that identify, and people called by their full names.

Detection is by patterns, by lists of common names and by context. It is no proof that a text is free of personal data:
a name that is in no list and has no telling context, and names in scripts that are not known are not found. How much is
found is measured in tests/personas/rules/test_biographies.py.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache

from ..judgement import Judge, Redaction, RuleResult
from .columns import ColumnKind, column_of, is_empty, leftover, pointer, rewrite_strings
from .contacts import KINDS, PersonalDataSpan, find_contacts
from .entities import People, written_as
from .mentions import find_mentions
from .names import find_names
from .pseudonyms import Pseudonyms
from .scripts import find_foreign_names
from .word_lists import is_invented

#: The name of the rule on personal data.
PERSONAL_RULE = "personal_data"


class Policy(StrEnum):
    """What happens to a description with personal data, from the mildest policy to the strictest."""

    #: It is admitted, and the finding is recorded.
    KEEP = "keep"
    #: The data are replaced: equal names by equal pseudonyms, everything else by its kind, as `[email]`.
    PSEUDONYMISE = "pseudonymise"
    #: It is not admitted.
    DROP = "drop"


_DONE = {
    Policy.KEEP: "It was kept.",
    Policy.PSEUDONYMISE: "It was replaced.",
    Policy.DROP: "It was rejected.",
}


_PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(KINDS)})\]")
_HAS_DATA = re.compile(r"\d|@")


def find_personal(text: str, wholes: Iterable[str] = ()) -> tuple[PersonalDataSpan, ...]:
    """The personal data in a text, in order and without overlaps; `wholes` are names found elsewhere in its record.

    Parts and other forms of a name (a surname, a given name, initials) count wherever the text or its record has it.
    """
    found, wholes = _found_alone(text), tuple(wholes)
    names = [*wholes, *(text[piece.start : piece.end] for piece in found if piece.kind == "name")]
    if not names:
        return found
    people = People(names, certain=wholes)
    # First what was found in full: of two pieces that begin alike the longer one stays.
    found = _apart([*found, *(PersonalDataSpan("name", *piece) for piece in people.find(text))])
    return tuple(
        replace(f, whole=people.whole_of(text[f.start : f.end])) if f.kind == "name" and not f.whole else f
        for f in found
    )


def personal_changes(
    text: str,
    columns: Mapping[str, ColumnKind] | None = None,
    pseudonyms: Pseudonyms | None = None,
    wholes: Iterable[str] = (),
    *,
    with_keys: bool = False,
) -> tuple[str, tuple[Redaction, ...]]:
    """The text without its personal data, and each piece that was replaced; in JSON, the strings inside are searched.

    `columns` gives the kinds of the values of a JSON object, by pointer (`*` for any place in a list); other columns
    count as text. Numbers are searched when their column is personal. Without `pseudonyms`, `[name]` replaces a name.
    Names in any value of a JSON object, and `wholes`, count in all its values, whole and in part;
    with `with_keys` names that are keys are replaced too.
    """
    changes: list[Redaction] = []
    if columns is not None:
        wholes = (*wholes, *find_record_names(text, columns))

    def rewrite(path: tuple[str, ...], value: str) -> str:
        column = pointer(path) if path and columns is not None else None
        kind = columns.get(pointer(column_of(path))) if path and columns is not None else None
        found = _of_kind(value, kind or ColumnKind.TEXT, wholes)
        changes.extend(
            Redaction(f.kind, value, f.start, value[f.start : f.end], _replacement(value, f, pseudonyms), column)
            for f in found
        )
        return without_personal(value, found, pseudonyms)

    numbers = any(kind.is_personal for kind in columns.values()) if columns else False
    now = rewrite_strings(text, rewrite, numbers=numbers, keys=with_keys)
    return now, tuple(changes)


def without_personal(text: str, found: Iterable[PersonalDataSpan], pseudonyms: Pseudonyms | None = None) -> str:
    """The text with each piece replaced: names by their pseudonyms, everything else by the name of its kind."""
    parts, end = [], 0
    for finding in found:
        parts += [text[end : finding.start], _replacement(text, finding, pseudonyms)]
        end = finding.end
    return "".join(parts) + text[end:]


def find_record_names(attributes: str, columns: Mapping[str, ColumnKind]) -> tuple[str, ...]:
    """The names in a row, a JSON object or a text: the values of its columns of names, and those found in its texts."""
    found: list[str] = []

    def add(path: tuple[str, ...], value: str) -> str:
        kind = columns.get(pointer(column_of(path)), ColumnKind.TEXT) if path else ColumnKind.TEXT
        if kind is ColumnKind.NAME and not is_empty(value):
            found.append(value.strip())
        elif kind is ColumnKind.TEXT:
            found.extend(value[piece.start : piece.end] for piece in _found_alone(value) if piece.kind == "name")
        return value

    rewrite_strings(attributes, add)
    return tuple(dict.fromkeys(found))


def personal_judge(policy: Policy, pseudonyms: Pseudonyms | None = None, wholes: Iterable[str] = ()) -> Judge:
    """A judge that finds personal data and applies `policy`; its reasons name kinds, never the data."""
    # No key is made where no name is replaced.
    names = pseudonyms if policy is Policy.PSEUDONYMISE else None

    def judge(text: str) -> RuleResult | None:
        changed, changes = personal_changes(text, pseudonyms=names, wholes=wholes)
        if not changes:
            return None
        is_kept = policy is not Policy.DROP
        now = changed if policy is Policy.PSEUDONYMISE else None
        return RuleResult(
            PERSONAL_RULE, reason_of(changes, policy), is_kept, now, is_erased=not is_kept, changes=changes
        )

    return judge


def reason_of(changes: Iterable[Redaction], policy: Policy) -> str:
    """The reason of a rule result in one sentence, which names kinds and never the data."""
    return f"It holds {', '.join(sorted({change.kind for change in changes}))}. {_DONE[policy]}"


def _replacement(text: str, finding: PersonalDataSpan, pseudonyms: Pseudonyms | None) -> str:
    if finding.kind != "name" or pseudonyms is None:
        return f"[{finding.kind}]"
    piece = text[finding.start : finding.end]
    whole = finding.whole or piece
    return written_as(piece, whole, pseudonyms.replace(whole))


def _of_kind(value: str, kind: ColumnKind, wholes: Iterable[str] = ()) -> tuple[PersonalDataSpan, ...]:
    """The personal data in a value of a column of this kind."""
    if kind is ColumnKind.IDENTIFIER:
        # The query of a link may contain an address.
        return _apart(f for f in find_contacts(value) if f.kind == "email") if "@" in value else ()
    if kind is ColumnKind.TERM:
        return _apart(find_contacts(value))
    plain = value.strip()
    if not kind.is_personal or is_empty(value) or _PLACEHOLDER.search(plain):
        return find_personal(value, wholes)
    if kind is ColumnKind.NAME:
        found = find_personal(value)
        if is_invented(plain) or (found and _covers(found, value)):
            return found
    elif kind is not ColumnKind.HANDLE and not _HAS_DATA.search(plain):
        return find_personal(value)
    start = value.index(plain)
    return (PersonalDataSpan(str(kind), start, start + len(plain)),)


def _covers(found: Iterable[PersonalDataSpan], value: str) -> bool:
    """Whether only titles and punctuation are left of a value without these pieces."""
    parts, end = [], 0
    for finding in found:
        parts.append(value[end : finding.start])
        end = finding.end
    return not leftover(" ".join((*parts, value[end:])))


def _apart(found: Iterable[PersonalDataSpan]) -> tuple[PersonalDataSpan, ...]:
    """The pieces without overlaps, in order; of two, the one that begins first or is longer."""
    kept: list[PersonalDataSpan] = []
    for finding in sorted(found, key=lambda f: (f.start, f.start - f.end)):
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
    return tuple(kept)


# The first pass over a record is followed by one that replaces, so each text is searched twice.
@lru_cache(maxsize=4096)
def _found_alone(text: str) -> tuple[PersonalDataSpan, ...]:
    """What is found in a text without its record."""
    return _apart(_all(text))


def _all(text: str) -> Iterator[PersonalDataSpan]:
    yield from find_contacts(text)
    found = [*find_names(text), *find_foreign_names(text)]
    for start, end in (*found, *find_mentions(text, found)):
        yield PersonalDataSpan("name", start, end)

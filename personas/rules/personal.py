"""Personal data in descriptions: contact details, numbers that identify, and people called by their full names.

Detection is by patterns and by lists of common names. It finds what is written in the usual way and is no proof that a
text is free of personal data: a single name, a name that is in no list and has no telling context, and names in scripts
that are not known are not found.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from ..judgement import Judge, Redaction, RuleResult
from .columns import ColumnKind, column_of, is_empty, leftover, pointer, rewrite_strings
from .contacts import KINDS, PersonalDataSpan, find_contacts
from .names import find_foreign_names, find_names
from .word_lists import is_invented, pseudonym

#: The name of the rule on personal data.
PERSONAL_RULE = "personal_data"


class Policy(StrEnum):
    """What happens to a description with personal data, from the mildest policy to the strictest."""

    #: It is admitted, and the finding is recorded.
    KEEP = "keep"
    #: The data are replaced: equal names by equal invented ones, everything else by its kind, as `[email]`.
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


def find_personal(text: str) -> tuple[PersonalDataSpan, ...]:
    """The personal data in a text, in order and without overlaps."""
    return _apart(_all(text))


def personal_changes(text: str, columns: Mapping[str, ColumnKind] | None = None) -> tuple[str, tuple[Redaction, ...]]:
    """The text without its personal data, and each piece that was replaced; in JSON, the strings inside are searched.

    `columns` gives the kinds of the values of a JSON object, by pointer (`*` for any place in a list); other columns
    count as text. Numbers are searched when their column is personal.
    """
    changes: list[Redaction] = []

    def rewrite(path: tuple[str, ...], value: str) -> str:
        column = pointer(path) if path and columns is not None else None
        kind = columns.get(pointer(column_of(path))) if path and columns is not None else None
        found = _of_kind(value, kind or ColumnKind.TEXT)
        changes.extend(
            Redaction(f.kind, value, f.start, value[f.start : f.end], _replacement(value, f), column) for f in found
        )
        return without_personal(value, found)

    numbers = any(kind.is_personal for kind in columns.values()) if columns else False
    return rewrite_strings(text, rewrite, numbers=numbers), tuple(changes)


def without_personal(text: str, found: Iterable[PersonalDataSpan]) -> str:
    """The text with each piece replaced: names by invented ones, everything else by the name of its kind."""
    parts, end = [], 0
    for finding in found:
        parts += [text[end : finding.start], _replacement(text, finding)]
        end = finding.end
    return "".join(parts) + text[end:]


def personal_judge(policy: Policy) -> Judge:
    """A judge that finds personal data and applies `policy`; its reasons name kinds, never the data."""

    def judge(text: str) -> RuleResult | None:
        changed, changes = personal_changes(text)
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


def _replacement(text: str, finding: PersonalDataSpan) -> str:
    return pseudonym(text[finding.start : finding.end]) if finding.kind == "name" else f"[{finding.kind}]"


def _of_kind(value: str, kind: ColumnKind) -> tuple[PersonalDataSpan, ...]:
    """The personal data in a value of a column of this kind."""
    if kind is ColumnKind.IDENTIFIER:
        # The query of a link may contain an address.
        return _apart(f for f in find_contacts(value) if f.kind == "email") if "@" in value else ()
    if kind is ColumnKind.TERM:
        return _apart(find_contacts(value))
    plain = value.strip()
    if not kind.is_personal or is_empty(value) or _PLACEHOLDER.fullmatch(plain):
        return find_personal(value)
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


def _all(text: str) -> Iterator[PersonalDataSpan]:
    yield from find_contacts(text)
    for start, end in find_names(text):
        yield PersonalDataSpan("name", start, end)
    for start, end in find_foreign_names(text):
        yield PersonalDataSpan("name", start, end)

"""Personal data in descriptions: contact details, numbers that identify, and people called by their full names.

What is found is found by patterns and by lists of common names: it is a net with holes, made to catch what is written
in the usual way, and no proof that a text tells on nobody. A single name, a name that no list has without a word that
says that it is one, and names in scripts that are not known pass through it.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from ..judging import Judge, Ruling
from .contacts import find_contacts
from .found import Found
from .names import find_names
from .pseudonym import pseudonym
from .scripts import find_foreign_names

__all__ = ["PERSONAL_RULE", "Found", "Policy", "find_personal", "personal_judge", "without_personal"]

#: What a judge of personal data calls its finding.
PERSONAL_RULE = "personal_data"


class Policy(StrEnum):
    """What becomes of a description with personal data in it, from the mildest policy to the strictest."""

    #: It is taken in, and the finding is a row.
    KEEP = "keep"
    #: The data are replaced: names by invented ones, the same for the same name; all else by what it was, as `[email]`.
    PSEUDONYMISE = "pseudonymise"
    #: It is not taken in.
    DROP = "drop"


_DONE = {
    Policy.KEEP: "It was kept.",
    Policy.PSEUDONYMISE: "It was replaced.",
    Policy.DROP: "It was turned away.",
}


def find_personal(text: str) -> tuple[Found, ...]:
    """The personal data in a text, in order and without overlaps."""
    found = sorted(_all(text), key=lambda f: (f.start, f.start - f.end))
    kept: list[Found] = []
    for finding in found:
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
    return tuple(kept)


def without_personal(text: str, found: Iterable[Found]) -> str:
    """The text with each piece replaced: a name by an invented one, all else by the word for what it was."""
    parts, end = [], 0
    for finding in found:
        new = pseudonym(text[finding.start : finding.end]) if finding.kind == "name" else f"[{finding.kind}]"
        parts += [text[end : finding.start], new]
        end = finding.end
    return "".join(parts) + text[end:]


def personal_judge(policy: Policy) -> Judge:
    """A judge that finds personal data and rules by `policy`; its reasons name kinds, and never the data."""

    def judge(text: str) -> Ruling | None:
        found = find_personal(text)
        if not found:
            return None
        kinds = ", ".join(sorted({finding.kind for finding in found}))
        changed = without_personal(text, found) if policy is Policy.PSEUDONYMISE else None
        is_kept = policy is not Policy.DROP
        reason = f"It holds {kinds}. {_DONE[policy]}"
        return Ruling(PERSONAL_RULE, reason, is_kept, changed, is_erased=not is_kept)

    return judge


def _all(text: str) -> Iterator[Found]:
    yield from find_contacts(text)
    for start, end in find_names(text):
        yield Found("name", start, end)
    for start, end in find_foreign_names(text):
        yield Found("name", start, end)

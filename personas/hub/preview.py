"""What a policy for personal data would replace or drop in a hub, each in its sentence; nothing is changed."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..judgement import Redaction
from ..rules import Policy, personal_changes
from ..rules.prefilter import rows_to_search
from .file import HubFile
from .traces import found_in_imports

__all__ = ["Preview", "Previewed", "preview_personal"]

_ROWS = 10_000
#: Characters of a sentence that are shown on either side.
_AROUND = 80
_ENDS = re.compile(r"[.!?。！？]\s+|\n")


@dataclass(frozen=True, slots=True)
class Previewed:
    """One piece of personal data, and its sentence around it."""

    persona: str
    #: The imported column, or None for the description.
    column: str | None
    kind: str
    left: str
    before: str
    #: What stands there afterwards; None where the description or the column would be dropped.
    after: str | None
    right: str

    def __str__(self) -> str:
        return f"{self.left}[{self.before} -> {self.after or 'dropped'}]{self.right}"


@dataclass(slots=True)
class Preview:
    """The first pieces, and how many there are by kind and column."""

    shown: list[Previewed] = field(default_factory=list)
    counts: Counter[tuple[str, str | None]] = field(default_factory=Counter)


def preview_personal(hub: HubFile, policy: Policy, *, limit: int = 20) -> Preview:
    """What `judge_people` would do with personal data under this policy, the first `limit` pieces in their sentences.

    The hub may be open for reading only. Under `keep` it shows what would be flagged, as if it were replaced.
    """
    preview = Preview()
    for persona, change in _all(hub, policy):
        preview.counts[change.kind, change.column] += 1
        if len(preview.shown) < limit:
            preview.shown.append(_in_sentence(persona, change, is_dropped=policy is Policy.DROP))
    return preview


def _all(hub: HubFile, policy: Policy) -> Iterator[tuple[str, Redaction]]:
    for batch in hub.con.sql("SELECT id, text FROM personas ORDER BY ordinal").to_arrow_reader(_ROWS):
        for place in rows_to_search(batch["text"]):
            for change in personal_changes(batch["text"][place].as_py())[1]:
                yield batch["id"][place].as_py(), change
    for _, row, _, _, changes in found_in_imports(hub.con, policy):
        for change in changes:
            yield row["persona"], change


def _in_sentence(persona: str, change: Redaction, *, is_dropped: bool) -> Previewed:
    text, start, end = change.text, change.place, change.place + len(change.before)
    first = max((match.end() for match in _ENDS.finditer(text, 0, start)), default=0)
    behind = _ENDS.search(text, end)
    last = behind.start() + 1 if behind else len(text)
    left, right = text[first:start], text[end:last].rstrip("\n")
    left = f"...{left[-_AROUND:]}" if len(left) > _AROUND else left
    right = f"{right[:_AROUND]}..." if len(right) > _AROUND else right
    after = None if is_dropped else change.after
    return Previewed(persona, change.column, change.kind, left, change.before, after, right)

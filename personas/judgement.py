"""Rule results on newcomers before they are admitted: by rules of quality and by a policy for personal data."""

# ruff: noqa: E501 - what a table and a column mean is one string

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from .persona import Persona


@dataclass(frozen=True, slots=True)
class Redaction:
    """A piece of personal data, and what replaces it."""

    kind: str
    #: The string that holds it (for JSON, one of the strings within), and its first character, from 0.
    text: str
    place: int
    before: str
    after: str
    #: The column; None for the description. A value inside another has a JSON pointer.
    column: str | None = None


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What a rule decides about a description."""

    #: The name of the rule, and its reason in one sentence.
    rule: str
    reason: str
    #: Whether the newcomer is admitted nevertheless.
    is_kept: bool = False
    #: The new description; None when it is unchanged.
    text: str | None = None
    #: Whether the description may not be kept even as a marked row.
    is_erased: bool = False
    #: The personal data that it found.
    changes: tuple[Redaction, ...] = ()
    #: The original description, when the rule result changes it; set by `judge_persona`.
    was: str | None = None

    @property
    def outcome(self) -> str:
        """What happens to the description, as in the table `rule_results`."""
        if self.text is not None:
            return "rewritten"
        if self.is_kept:
            return "kept"
        return "removed" if self.is_erased else "rejected"


@dataclass(frozen=True, slots=True)
class RuleResultRow:
    """What rules of quality and for personal data said of descriptions and of imported columns: of personal data one row for each piece. No export holds them."""

    # fmt: off
    persona: Annotated[str, "Id of the description, its former id when it is gone; of a column, the person it belongs to"]
    rule: Annotated[str, "too_short, too_long, refusal, template_leak, refers_to_unnamed, first_person, second_person, other_language or personal_data"]
    reason: Annotated[str, "Why, in one sentence; of personal data it names kinds, never the data"]
    outcome: Annotated[str, "kept, rewritten, rejected (marked, and left out like a near-duplicate) or removed (personal data that were to be dropped)"]
    became: Annotated[str | None, "Id of the person whose description was rewritten"]
    text: Annotated[str | None, "The description as it was; null where it is as it was, where it held personal data that were to be dropped, or where the answer that had it is in calls"]
    undone: Annotated[bool, "True once the result was undone: a rejected person is retained again"] = False
    kind: Annotated[str | None, "Kind of personal data: name, email, url, phone, ...; null for rules of quality"] = None
    column: Annotated[str | None, "The imported column; null is the description. A value inside another has a JSON pointer from the row"] = None
    place: Annotated[int | None, "Number of the first character of the words, from 0, in the description or in the value", "BIGINT"] = None
    before: Annotated[str | None, "The words that were replaced; null where nothing was, and where the data were to be dropped"] = None
    after: Annotated[str | None, "What they were replaced by"] = None
    file: Annotated[int | None, "Number of the imported file in imported_files, where the row was judged on its way into the hub or a column of it was"] = None
    row: Annotated[int | None, "Line or row of that file", "BIGINT"] = None
    # fmt: on


def with_redactions(row: RuleResultRow, changes: Sequence[Redaction]) -> tuple[RuleResultRow, ...]:
    """The row once per piece of personal data, with the words only where they were replaced; or the row itself."""
    is_replaced = row.outcome == "rewritten"
    return tuple(
        replace(
            row,
            kind=change.kind,
            column=change.column,
            place=change.place,
            before=change.before if is_replaced else None,
            after=change.after if is_replaced else None,
        )
        for change in changes
    ) or (row,)


#: Gives a rule result on a description, or None. It must be deterministic.
type Judge = Callable[[str], RuleResult | None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The combined result of all judges for a newcomer."""

    #: The newcomer with the changes of the judges.
    persona: Persona
    #: The rule results, each with the id of the description under which it is kept.
    rule_results: tuple[tuple[str, RuleResult], ...] = ()
    is_let_in: bool = True
    #: Whether nothing of a rejected newcomer may be kept.
    is_erased: bool = False


def judge_persona(persona: Persona, judges: Iterable[Judge]) -> Judgement:
    """The combined result of the judges, each of which sees the text that the previous one returned.

    A rejected person is still passed to the other judges: the description is kept as a row, from which
    personal data must be removed as well.
    """
    now, kept, against = persona, list[tuple[str, RuleResult]](), list[RuleResult]()
    for judge in judges:
        result = judge(now.text)
        if result is None:
            continue
        if not result.is_kept:
            against.append(result)
            if result.is_erased:
                break
            continue
        kept.append((persona.id, result if result.text is None else replace(result, was=persona.text)))
        if result.text is not None:
            now = replace(now, text=result.text)
    if against and against[-1].is_erased:
        gone = [(persona.id, replace(result, is_erased=True)) for result in against]
        return Judgement(persona, (*kept, *gone), is_let_in=False, is_erased=True)
    # Rule results that reject are kept under the id of the row, by which people who were rejected are found.
    return Judgement(now, (*kept, *((now.id, result) for result in against)), is_let_in=not against)

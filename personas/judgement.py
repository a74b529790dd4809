"""Rulings on newcomers before they are taken in: by rules of quality and by a policy for personal data."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from .persona import Persona

__all__ = ["Judge", "Judgement", "Redaction", "Ruling", "RulingRow", "judge_persona", "with_redactions"]


@dataclass(frozen=True, slots=True)
class Redaction:
    """A piece of personal data, and what it becomes where it is replaced."""

    kind: str
    #: Where it stands: the string (of a JSON text one of those inside it), and the first character, from 0.
    text: str
    place: int
    before: str
    after: str
    #: The column; None for the description. A value inside another has a JSON pointer.
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a rule says of a description."""

    #: The rule by name, and why it speaks, in one sentence.
    rule: str
    reason: str
    #: Whether the newcomer is taken in all the same.
    is_kept: bool = False
    #: What the description becomes; None where it stays as it is.
    text: str | None = None
    #: Whether the description may not even stay as a row that is marked.
    is_erased: bool = False
    #: The personal data that it speaks of.
    changes: tuple[Redaction, ...] = ()
    #: The description as it came, where the ruling changes it; `judged` fills it in.
    was: str | None = None

    @property
    def outcome(self) -> str:
        """What becomes of the description, as the table rulings says it."""
        if self.text is not None:
            return "rewritten"
        if self.is_kept:
            return "kept"
        return "removed" if self.is_erased else "turned_away"


@dataclass(frozen=True, slots=True)
class RulingRow:
    """What a rule said of somebody, as a row of the table rulings: its fields are the columns."""

    persona: str
    rule: str
    reason: str
    outcome: str
    became: str | None
    text: str | None
    #: True once somebody judged it wrong.
    undone: bool = False
    kind: str | None = None
    column: str | None = None
    place: int | None = None
    before: str | None = None
    after: str | None = None
    file: int | None = None
    row: int | None = None


def with_redactions(row: RulingRow, changes: Sequence[Redaction]) -> tuple[RulingRow, ...]:
    """The row once for each piece of personal data, with the words only where they were replaced; or as it is."""
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


#: Gives a ruling on a description, or None where it has nothing to say. It must answer the same every time.
type Judge = Callable[[str], Ruling | None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What judges have said of a newcomer, all of them together."""

    #: The newcomer as the judges leave it.
    persona: Persona
    #: What they said, each with the id of the description that it is kept under.
    rulings: tuple[tuple[str, Ruling], ...] = ()
    is_let_in: bool = True
    #: Whether nothing of a newcomer who is not let in may stay.
    is_erased: bool = False


def judge_persona(persona: Persona, judges: Iterable[Judge]) -> Judgement:
    """What the judges say, each of what the one before has left.

    Whoever is turned away is shown to the other judges too: the description stays as a row, and what a policy for
    personal data takes out of the living must not stand there either.
    """
    now, kept, against = persona, list[tuple[str, Ruling]](), list[Ruling]()
    for judge in judges:
        ruling = judge(now.text)
        if ruling is None:
            continue
        if not ruling.is_kept:
            against.append(ruling)
            if ruling.is_erased:
                break
            continue
        kept.append((persona.id, ruling if ruling.text is None else replace(ruling, was=persona.text)))
        if ruling.text is not None:
            now = replace(now, text=ruling.text)
    if against and against[-1].is_erased:
        gone = [(persona.id, replace(ruling, is_erased=True)) for ruling in against]
        return Judgement(persona, (*kept, *gone), is_let_in=False, is_erased=True)
    # Whoever looks for the people that were turned away finds them by the id of the row.
    return Judgement(now, (*kept, *((now.id, ruling) for ruling in against)), is_let_in=not against)

"""The people whom a persona is tied to, as a biography must know them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..persona import canonical_text
from .facts import told_facts
from .labels import Meaning, read_label

__all__ = ["Tied"]

#: What may be told of one of them: characters of the description, and facts.
_PERSON = 300
_MOST_FACTS = 5
_BACK = {"parent": "child", "child": "parent", "grandparent": "grandchild", "grandchild": "grandparent"}


@dataclass(frozen=True, slots=True)
class Tied:
    """Somebody whom a persona is tied to, as far as a biography must know."""

    persona: str
    #: What the other is to the persona ("mother"), or what the persona is to the other.
    label: str
    #: Whether the label says what the other is.
    is_theirs: bool
    text: str
    #: What is known of the other by attribute; empty without a profile.
    values: Mapping[str, Any]

    def told(self, key: str) -> str:
        """The line of the prompt."""
        tie = f"this person's {self.label}" if self.is_theirs else f"this person is their {self.label}"
        facts = told_facts(self.values, most=_MOST_FACTS)
        return f"{key}: {tie}: {canonical_text(self.text)[:_PERSON]}" + (f" ({facts})" if facts else "")

    def relation(self, language: str) -> str | None:
        """What the other is to the persona: parent, child, ...; None where the label does not say, or by marriage."""
        meaning: Meaning | None = read_label(self.label, [language])
        if meaning is None or meaning.is_otherwise:
            return None
        return meaning.relation if self.is_theirs else _BACK.get(meaning.relation)

"""What personal data are called, and where a piece of them stands."""

from dataclasses import dataclass

__all__ = ["KINDS", "Found"]

#: By name, as a placeholder and a reason say it.
KINDS = (
    "email", "url", "handle", "ip_address", "iban", "social_security", "street_address", "payment_card", "phone",
    "identity_number", "birth_date", "name",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A piece of personal data: what it is, and where it stands in the text (characters, end excluded)."""

    kind: str
    start: int
    end: int

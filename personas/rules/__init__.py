"""Rules for descriptions of people: their quality, and personal data in them."""

from .contacts import PersonalDataSpan
from .personal import (
    PERSONAL_RULE,
    Policy,
    find_personal,
    personal_changes,
    personal_judge,
    reason_of,
    without_personal,
)
from .quality import FIRST_PERSON, QUALITY_RULES, quality_judge

__all__ = [
    "FIRST_PERSON",
    "PERSONAL_RULE",
    "QUALITY_RULES",
    "PersonalDataSpan",
    "Policy",
    "find_personal",
    "personal_changes",
    "personal_judge",
    "quality_judge",
    "reason_of",
    "without_personal",
]

"""Rules for descriptions of people: whether one is good for anything, and whether it tells on somebody real."""

from .personal import (
    PERSONAL_RULE,
    Found,
    Policy,
    find_personal,
    personal_changes,
    personal_judge,
    reason_of,
    without_personal,
)
from .quality import QUALITY_RULES, quality_judge

__all__ = [
    "PERSONAL_RULE",
    "QUALITY_RULES",
    "Found",
    "Policy",
    "find_personal",
    "personal_changes",
    "personal_judge",
    "quality_judge",
    "reason_of",
    "without_personal",
]

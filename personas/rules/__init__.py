"""Rules for descriptions of people: whether one is good for anything, and whether it tells on somebody real."""

from .personal import Found, Policy, find_personal, personal_judge, without_personal
from .quality import quality_judge

__all__ = ["Found", "Policy", "find_personal", "personal_judge", "quality_judge", "without_personal"]

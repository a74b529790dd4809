"""Choosing people from a hub: by a condition, at random, in proportion, equally, by quota, by targets, or unlike."""

from .marginals import Marginals, read_marginals
from .report import Breakdown, Report, Share, Unlikeness
from .selection import Selection, check_output, select, write_selection
from .store import KeptSelection, drop_selection, list_selections
from .wish import Quota, Wish, parse_quota

__all__ = [
    "Breakdown",
    "KeptSelection",
    "Marginals",
    "Quota",
    "Report",
    "Selection",
    "Share",
    "Unlikeness",
    "Wish",
    "check_output",
    "drop_selection",
    "list_selections",
    "parse_quota",
    "read_marginals",
    "select",
    "write_selection",
]

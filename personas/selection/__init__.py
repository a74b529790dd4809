"""Choosing people from a hub: by a condition, at random, in proportion, equally, by quota, to targets, or diverse."""

from .selection import Selection, check_output, drop_selection, select, write_selection
from .spec import Breakdown, Diversity, Marginals, Quota, Report, SelectionSpec, Share, parse_quota, read_marginals

__all__ = [
    "Breakdown",
    "Diversity",
    "Marginals",
    "Quota",
    "Report",
    "Selection",
    "SelectionSpec",
    "Share",
    "check_output",
    "drop_selection",
    "parse_quota",
    "read_marginals",
    "select",
    "write_selection",
]

"""Texts for growth: passages streamed from files, folders, patterns and pipes of any size."""

from .position import Position
from .skips import Skip, Skips
from .sources import DEFAULT_LENGTH, Sources, open_sources

__all__ = ["DEFAULT_LENGTH", "Position", "Skip", "Skips", "Sources", "open_sources"]

"""Texts for growth: passages streamed from files, folders, patterns and pipes of any size."""

from .position import Position
from .skips import Skip, Skipped, Skips
from .sources import DEFAULT_LENGTH, Sources, open_sources, read_passages

__all__ = ["DEFAULT_LENGTH", "Position", "Skip", "Skipped", "Skips", "Sources", "open_sources", "read_passages"]

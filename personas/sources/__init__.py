"""Texts for growth: passages streamed from files, folders, patterns and pipes of any size."""

from .documents import Skip, SkipCount, Skips
from .sources import DEFAULT_LENGTH, Position, Sources, open_sources, read_passages

__all__ = ["DEFAULT_LENGTH", "Position", "Skip", "SkipCount", "Skips", "Sources", "open_sources", "read_passages"]

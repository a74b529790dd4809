"""Growing people as a job: its settings, where texts and people come from, the job itself, and asking it for more."""

from .settings import Growth, GrowthSource, ReadingOptions

__all__ = ["Growth", "GrowthSource", "ReadingOptions"]

"""What a run will ask and cost, known before it begins."""

from .estimator import Estimate, Sample, estimate

__all__ = ["Estimate", "Sample", "estimate"]

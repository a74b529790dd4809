"""What a job will ask and cost, known before it begins."""

from .estimator import JobEstimate, Sampling
from .jobs import estimate

__all__ = ["JobEstimate", "Sampling", "estimate"]

"""What a job will ask and cost, known before it begins."""

from .estimator import Estimate, Sampling
from .society import estimate

__all__ = ["Estimate", "Sampling", "estimate"]

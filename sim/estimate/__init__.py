"""What a job will ask and cost, known before it begins."""

from .estimator import Estimate, ModelTrial, Sampling
from .society import estimate

__all__ = ["Estimate", "ModelTrial", "Sampling", "estimate"]

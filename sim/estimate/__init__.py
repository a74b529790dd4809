"""What a run will ask and cost, known before it begins."""

from .estimator import Estimate, ModelTrial, estimate

__all__ = ["Estimate", "ModelTrial", "estimate"]

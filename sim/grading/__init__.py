"""Grading what a run has made: votes of model graders by a rubric, comparisons of two, and preferences made of them."""

r"""Final answers: extracted from solutions, and compared.

What counts as the same: a number however it is written (`1/2`, `0.5`, `50\%`); a value with and without its unit, but
not with another one (`5 cm` is `50 mm`, and not `5 m`); a choice by its letter or its content; solutions in any order;
a name whatever its case and article; formulas of the same value. Exact values are compared exactly; an approximation is
what it is rounded from, within half a unit of its last digit (docs/solving.md).
"""

from .process import AnswerChecker
from .values import final_answer

__all__ = ["AnswerChecker", "final_answer"]

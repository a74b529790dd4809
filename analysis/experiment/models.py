"""What checks of an experiment's models found: how the models answer, whatever the people that they speak for."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.result import Estimate, Note, Result, make_result
from ..table import Reader

#: The title under which they are shown.
MODELS_TITLE = "Checks of the models, before the runs: properties of the models, not of people"

_HAS_MODELS = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'model_checks'"
_MODELS = """
SELECT model, name, what, reference, got, low, high, size, asked, answers, warning, skipped
FROM model_checks ORDER BY ordinal
"""


@dataclass(frozen=True, slots=True)
class ModelProperty:
    """What a check of a model found before the runs: it says how the model answers, and nothing about people."""

    model: str
    name: str
    what: str
    #: What there would be without the effect; None, as the other numbers, where the check was not asked.
    reference: float | None
    got: float | None
    low: float | None
    high: float | None
    size: float | None
    #: Questions that were put, and those that were answered.
    asked: int
    answers: int
    #: What is to be known of the model; empty where the interval holds the reference.
    warning: str
    #: Why the check was not asked; empty where it was.
    skipped: str


def read_model_checks(reader: Reader) -> list[ModelProperty]:
    """The checks of a merged file, in their order; none of an experiment that declares none."""
    return [ModelProperty(*row) for row in reader.query(_MODELS).rows] if reader.query(_HAS_MODELS).rows else []


def describe_model_checks(found: Sequence[ModelProperty]) -> Result:
    """Describe the checks that were asked, with what is to be known of the models and why some were not checked."""
    rows = [
        (o.model, o.name, Estimate(o.got, o.low, o.high), o.reference, o.size, o.asked, o.answers)
        for o in found
        if not o.skipped
    ]
    names = ("model", "check", "found", "without_effect", "effect_size", "asked", "answers")
    said = dict.fromkeys(said for one in found if (said := one.warning or one.skipped))
    return make_result(MODELS_TITLE, names, rows, notes=[Note("model", one) for one in said])

"""What checks of an experiment's models found: how the models answer, whatever the people that they speak for."""

from ...core.result import Estimate, Note, Result, make_result
from ..table import Reader

#: The title under which they are shown.
MODELS_TITLE = "Checks of the models, before the runs: properties of the models, not of people"

_HAS_MODELS = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'model_checks'"
_MODELS = """
SELECT model, name, reference, got, low, high, size, asked, answers, warning, skipped
FROM model_checks ORDER BY ordinal
"""


def read_model_checks(reader: Reader) -> Result:
    """Read the checks that were asked, with what is to be known of the models and why some were not checked."""
    found = reader.query(_MODELS).rows if reader.query(_HAS_MODELS).rows else []
    names = ("model", "check", "found", "without_effect", "effect_size", "asked", "answers")
    rows = [
        (model, name, Estimate(got, low, high), reference, size, asked, answers)
        for model, name, reference, got, low, high, size, asked, answers, _, skipped in found
        if not skipped
    ]
    said = dict.fromkeys(said for *_, warning, skipped in found if (said := warning or skipped))
    return make_result(MODELS_TITLE, names, rows, notes=[Note("model", one) for one in said])

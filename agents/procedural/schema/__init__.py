"""Values for any JSON Schema."""

from .fault import UnsatisfiableSchemaError
from .filler import fill_schema
from .hints import Hints

__all__ = ["Hints", "UnsatisfiableSchemaError", "fill_schema"]

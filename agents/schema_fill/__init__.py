"""Values for any JSON Schema."""

from .filler import fill_schema
from .schemas import Hints, UnsatisfiableSchemaError

__all__ = ["Hints", "UnsatisfiableSchemaError", "fill_schema"]

"""Values for any JSON Schema."""

from .filler import fill_schema
from .schemas import UnsatisfiableSchemaError
from .values import TextWriter

__all__ = ["TextWriter", "UnsatisfiableSchemaError", "fill_schema"]

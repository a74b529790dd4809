"""Values for any JSON Schema."""

from .filler import fill_schema
from .schemas import UnsatisfiableSchemaError
from .values import Writer

__all__ = ["UnsatisfiableSchemaError", "Writer", "fill_schema"]

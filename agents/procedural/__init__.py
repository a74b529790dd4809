"""`procedural`: the stand-in that needs no weights and is no language model."""

from .chat import PROCEDURAL_NOTICE, ProceduralModel
from .schema.fault import UnsatisfiableSchemaError

__all__ = ["PROCEDURAL_NOTICE", "ProceduralModel", "UnsatisfiableSchemaError"]

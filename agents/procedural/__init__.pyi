from .chat import ProceduralModel
from .notice import PROCEDURAL_NOTICE
from .schema.fault import UnsatisfiableSchemaError

__all__ = ["PROCEDURAL_NOTICE", "ProceduralModel", "UnsatisfiableSchemaError"]

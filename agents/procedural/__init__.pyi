from .chat import ProceduralModel
from .notice import PROCEDURAL_NOTICE

__all__ = ["PROCEDURAL_NOTICE", "ProceduralModel"]

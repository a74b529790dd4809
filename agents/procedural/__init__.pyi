from .chat import ProceduralModel
from .lexicon import PROCEDURAL_NOTICE

__all__ = ["PROCEDURAL_NOTICE", "ProceduralModel"]

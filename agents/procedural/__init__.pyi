from .chat import ProceduralModel

__all__ = ["ProceduralModel"]

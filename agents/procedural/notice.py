"""The sentence that goes wherever the stand-in's text goes."""

from typing import Final

__all__ = ["PROCEDURAL_NOTICE"]

PROCEDURAL_NOTICE: Final = (
    "Text by the procedural stand-in: no language model wrote it, and it says nothing about people."
)

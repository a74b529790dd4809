"""Populace: grow a society of personas, let it live, and ask what happened in SQL."""

from pathlib import Path

__all__ = ["__version__"]

__version__ = "0.1.0"

# A checkout on a system without symbolic links has the five rooms only at its root.
if not (Path(__file__).parent / "sim").is_dir():
    __path__.append(str(Path(__file__).parents[2]))

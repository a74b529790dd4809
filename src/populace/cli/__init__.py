"""The command line: the front door to every room, with no logic of its own."""

from .app import main
from .run import run_script

__all__ = ["main", "run_script"]

"""Which versions made a run, as its row in `runs` keeps them."""

import platform
from functools import cache
from importlib.metadata import version

__all__ = ["versions"]

_DISTRIBUTIONS = ("populace", "langgraph", "langchain-openai", "networkx", "mesa", "datasketch", "duckdb")

#: It reads and parses a file each time, and a run asks for its versions several times.
_version = cache(version)


def versions() -> dict[str, str]:
    """Versions by name of Populace, Python and the libraries that shape a run."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _DISTRIBUTIONS}

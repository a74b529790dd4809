"""Which versions made a run, as its row in `runs` keeps them."""

import platform
from importlib.metadata import version

__all__ = ["versions"]

_DISTRIBUTIONS = ("populace", "langgraph", "langchain-openai", "networkx", "mesa", "datasketch", "duckdb")


def versions() -> dict[str, str]:
    """Versions by name of Populace, Python and the libraries that shape a run."""
    return {"python": platform.python_version()} | {name: version(name) for name in _DISTRIBUTIONS}

from .excerpts import (
    Acquaintance,
    Excerpt,
    Link,
    central_excerpt,
)
from .figures import GraphFigures, NetworkShape, graph_figures
from .network import Ties, read_ties

__all__ = [
    "Acquaintance",
    "Excerpt",
    "GraphFigures",
    "Link",
    "NetworkShape",
    "Ties",
    "central_excerpt",
    "graph_figures",
    "read_ties",
]

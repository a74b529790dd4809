from .excerpts import (
    Acquaintance,
    Excerpt,
    Found,
    Link,
    Neighbourhood,
    central_excerpt,
    find_people,
    neighbourhood,
)
from .figures import GraphFigures, NetworkShape, graph_figures
from .network import Ties, read_ties

__all__ = [
    "Acquaintance",
    "Excerpt",
    "Found",
    "GraphFigures",
    "Link",
    "Neighbourhood",
    "NetworkShape",
    "Ties",
    "central_excerpt",
    "find_people",
    "graph_figures",
    "neighbourhood",
    "read_ties",
]

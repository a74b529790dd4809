from .central import central_excerpt
from .excerpt import Acquaintance, Excerpt, Link
from .figures import GraphFigures, graph_figures
from .find import Found, find_people
from .neighbourhood import Neighbourhood, neighbourhood
from .shape import Shape
from .ties import Ties, read_ties

__all__ = [
    "Acquaintance",
    "Excerpt",
    "Found",
    "GraphFigures",
    "Link",
    "Neighbourhood",
    "Shape",
    "Ties",
    "central_excerpt",
    "find_people",
    "graph_figures",
    "neighbourhood",
    "read_ties",
]

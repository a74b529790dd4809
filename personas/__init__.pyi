from .dedup import Match, NearDuplicates, Verdict, find_duplicates
from .hub import Hub, HubFile, create_hub, open_hub, read_hub
from .persona import Passage, Persona, Relation, RelationKind, shipped_passages
from .population import Neighbour, PersonaGraph, Population
from .sources import read_passages
from .text_to_persona import Relative, persona_to_persona, text_to_persona

__all__ = [
    "Hub",
    "HubFile",
    "Match",
    "NearDuplicates",
    "Neighbour",
    "Passage",
    "Persona",
    "PersonaGraph",
    "Population",
    "Relation",
    "RelationKind",
    "Relative",
    "Verdict",
    "create_hub",
    "find_duplicates",
    "open_hub",
    "persona_to_persona",
    "read_hub",
    "read_passages",
    "shipped_passages",
    "text_to_persona",
]

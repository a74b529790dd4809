from .dedup import Match, NearDuplicates, Verdict, find_duplicates
from .errors import (
    CacheError,
    EndpointError,
    HookError,
    PausedError,
    PopulaceError,
    RunError,
    RunFileError,
    SetupError,
    SourceError,
    StorageError,
)
from .files import share_files
from .hub import Hub, HubFile, create_hub, open_hub, read_hub
from .model import Answer, AnswerSchema, Outcome, PersonaModel, RequestContext
from .persona import Passage, Persona, Relation, RelationKind, shipped_passages
from .persona_to_persona import Relative, persona_to_persona
from .population import Neighbour, PersonaGraph, Population
from .prompt import Prompt, RenderedPrompt, fence, iter_prompts, load_prompt, read_prompt
from .sources import read_passages
from .text_to_persona import text_to_persona

__all__ = [
    "Answer",
    "AnswerSchema",
    "CacheError",
    "EndpointError",
    "HookError",
    "Hub",
    "HubFile",
    "Match",
    "NearDuplicates",
    "Neighbour",
    "Outcome",
    "Passage",
    "PausedError",
    "Persona",
    "PersonaGraph",
    "PersonaModel",
    "PopulaceError",
    "Population",
    "Prompt",
    "Relation",
    "RelationKind",
    "Relative",
    "RenderedPrompt",
    "RequestContext",
    "RunError",
    "RunFileError",
    "SetupError",
    "SourceError",
    "StorageError",
    "Verdict",
    "create_hub",
    "fence",
    "find_duplicates",
    "iter_prompts",
    "load_prompt",
    "open_hub",
    "persona_to_persona",
    "read_hub",
    "read_passages",
    "read_prompt",
    "share_files",
    "shipped_passages",
    "text_to_persona",
]

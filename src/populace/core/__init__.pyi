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
from .model import Answer, AnswerSchema, Outcome, PersonaModel, RequestContext
from .prompt import Prompt, RenderedPrompt, fence, iter_prompts, load_prompt, read_prompt
from .result import Estimate, Note, Result

__all__ = [
    "Answer",
    "AnswerSchema",
    "CacheError",
    "EndpointError",
    "Estimate",
    "HookError",
    "Note",
    "Outcome",
    "PausedError",
    "PersonaModel",
    "PopulaceError",
    "Prompt",
    "RenderedPrompt",
    "RequestContext",
    "Result",
    "RunError",
    "RunFileError",
    "SetupError",
    "SourceError",
    "StorageError",
    "fence",
    "iter_prompts",
    "load_prompt",
    "read_prompt",
    "share_files",
]

from .action_schema import novelty_of
from .actions import (
    Action,
    ActionEffects,
    Check,
    Deed,
    DialogueLine,
    Instruction,
    KnownSolution,
    Novelty,
    Silence,
)
from .checks import CheckContext, CheckOutcome, CheckResult, failed, passed, undecided
from .embedding.embedder import Embedded, Embedder
from .embedding.models import EmbeddingHandle, open_embedder
from .endpoint.models import ModelHandle, open_model
from .gateway.client import Gateway
from .gateway.limits import Limits, Prices
from .memory import Memory
from .mind import Decision, Mind, MindContext, MindState, Rule
from .observation import PLAYER, Heard, Observation, Seen, ShownPost
from .tool_spec import ToolSpec

__all__ = [
    "PLAYER",
    "Action",
    "ActionEffects",
    "Check",
    "CheckContext",
    "CheckOutcome",
    "CheckResult",
    "Decision",
    "Deed",
    "DialogueLine",
    "Embedded",
    "Embedder",
    "EmbeddingHandle",
    "Gateway",
    "Heard",
    "Instruction",
    "KnownSolution",
    "Limits",
    "Memory",
    "Mind",
    "MindContext",
    "MindState",
    "ModelHandle",
    "Novelty",
    "Observation",
    "Prices",
    "Rule",
    "Seen",
    "ShownPost",
    "Silence",
    "ToolSpec",
    "failed",
    "novelty_of",
    "open_embedder",
    "open_model",
    "passed",
    "undecided",
]

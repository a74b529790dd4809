from .action_check import novelty_of
from .actions import PLAYER, Action, Argument, DialogueLine, Instruction, Novelty, ReturnValue, ToolSpec
from .embedding.embedder import Embedded, Embedder
from .embedding.models import EmbeddingHandle, open_embedder
from .endpoint.models import ModelHandle, open_model
from .gateway.gateway import Gateway
from .gateway.limits import Limits
from .gateway.prices import Prices
from .memory import Memory
from .mind import Decision, Mind, MindContext, MindState, build_mind
from .observation import Heard, Observation, Seen

__all__ = [
    "PLAYER",
    "Action",
    "Argument",
    "Decision",
    "DialogueLine",
    "Embedded",
    "Embedder",
    "EmbeddingHandle",
    "Gateway",
    "Heard",
    "Instruction",
    "Limits",
    "Memory",
    "Mind",
    "MindContext",
    "MindState",
    "ModelHandle",
    "Novelty",
    "Observation",
    "Prices",
    "ReturnValue",
    "Seen",
    "ToolSpec",
    "build_mind",
    "novelty_of",
    "open_embedder",
    "open_model",
]

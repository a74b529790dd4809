from .actions import PLAYER, Action, Argument, DialogueLine, Instruction, ReturnValue, ToolSpec
from .embedding_models import EmbeddingHandle, open_embedder
from .embeddings import Embedded, Embedder
from .gateway import Gateway
from .limits import Limits
from .memory import Memory
from .mind import Decision, Mind, MindContext, MindState, build_mind
from .models import ModelHandle, open_model
from .observation import Heard, Observation, Seen
from .prices import Prices

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
    "Observation",
    "Prices",
    "ReturnValue",
    "Seen",
    "ToolSpec",
    "build_mind",
    "open_embedder",
    "open_model",
]

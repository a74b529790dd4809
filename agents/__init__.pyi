from .actions import PLAYER, Action, Argument, DialogueLine, Instruction, ReturnValue, ToolSpec
from .gateway import Gateway
from .memory import Memory
from .mind import Decision, Mind, MindContext, MindState, build_mind
from .models import ModelHandle, open_model
from .observation import Heard, Observation, Seen

__all__ = [
    "PLAYER",
    "Action",
    "Argument",
    "Decision",
    "DialogueLine",
    "Gateway",
    "Heard",
    "Instruction",
    "Memory",
    "Mind",
    "MindContext",
    "MindState",
    "ModelHandle",
    "Observation",
    "ReturnValue",
    "Seen",
    "ToolSpec",
    "build_mind",
    "open_model",
]

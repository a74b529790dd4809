"""Python code, run confined: without network, with its own folder, within limits."""

from .levels import Confinement, Level
from .run import Call, CodeResult, Outcome, Returned, SandboxLimits, confinement, run_code, unavailable

__all__ = [
    "Call",
    "CodeResult",
    "Confinement",
    "Level",
    "Outcome",
    "Returned",
    "SandboxLimits",
    "confinement",
    "run_code",
    "unavailable",
]

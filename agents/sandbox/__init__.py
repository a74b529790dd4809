"""Python code, run confined: without network, with its own folder, within limits."""

from .run import (
    CodeOutcome,
    CodeResult,
    FunctionCall,
    Returned,
    SandboxLevel,
    SandboxLimits,
    confinement,
    run_code,
    unavailable,
)

__all__ = [
    "CodeOutcome",
    "CodeResult",
    "FunctionCall",
    "Returned",
    "SandboxLevel",
    "SandboxLimits",
    "confinement",
    "run_code",
    "unavailable",
]

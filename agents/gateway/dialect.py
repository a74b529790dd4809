"""Which optional parameters one endpoint does not take, learnt from what it refuses.

    seed        ──► none
    max_tokens  ──► max_completion_tokens ──► none

A request that is refused for one of them is sent again without it; that is settled for the endpoint only when an
answer came that way, so a request that would be refused in any dialect teaches nothing.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from ...personas.model import Outcome
from ..endpoint.errors import RequestError

__all__ = ["Dialect"]

_SEED: Final = "seed"
_LENGTH: Final = "max_tokens"
_NEWER: Final = "max_completion_tokens"

#: A parameter by its name, and by no longer name that holds it.
_NAMES = {name: re.compile(rf"(?<!\w){name}(?!\w)") for name in (_SEED, _LENGTH, _NEWER)}

#: Words by which a refusal shows that a parameter, and not its value, is what it does not take.
_NOT_TAKEN = re.compile(
    r"unsupported|n['o]t\s+support|unknown|unrecogni[sz]ed|unexpected|undefined|\bextra\b|n['o]t\s+(?:permitted|allowed)"
    r"|forbidden",
    re.IGNORECASE,
)

#: What a foreign chat model says of an argument that it does not know is no HTTP status.
_REFUSALS = frozenset({Outcome.BAD_REQUEST, Outcome.MODEL_ERROR})


class Dialect:
    """What one endpoint is known not to take."""

    def __init__(self) -> None:
        #: The parameters that are left out of every request, as far as that is settled.
        self.without: frozenset[str] = frozenset()

    def told(self, *, seed: int, max_tokens: int, without: AbstractSet[str] = frozenset()) -> dict[str, Any]:
        """The keyword arguments that ask for a seed and a limit of length (0: none), as far as they are taken.

        `without` are those which this very request has been refused for already.
        """
        left_out = self.without | without
        kwargs: dict[str, Any] = {} if _SEED in left_out else {_SEED: seed}
        if max_tokens and _LENGTH not in left_out:
            kwargs[_LENGTH] = max_tokens
        elif max_tokens and _NEWER not in left_out:
            # Chat models know the parameter by its older name, and some write it so: this is sent as it is.
            kwargs["extra_body"] = {_NEWER: max_tokens}
        return kwargs

    def blamed(self, fault: RequestError, told: Mapping[str, Any]) -> str | None:
        """The parameter among those `told` without which to send a refused request again; None when it is none."""
        if fault.outcome not in _REFUSALS or not _NOT_TAKEN.search(fault.detail):
            return None
        sent = (*told, *told.get("extra_body", ()))
        # The newer name is mostly said as what to use instead, so the older one is looked for first.
        return next((name for name, named in _NAMES.items() if name in sent and named.search(fault.detail)), None)

    def learn(self, without: AbstractSet[str]) -> None:
        """Take note that a request without these was answered."""
        if without:
            self.without |= without

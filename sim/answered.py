"""Telling an endpoint that is down from answers that are lost one by one."""

from collections.abc import Sequence

from ..personas.errors import RunError
from ..personas.model import Outcome

__all__ = ["check_answered"]

#: Outcomes that say something of the endpoint, not of the answer.
_ENDPOINT = frozenset(
    {Outcome.RATE_LIMITED, Outcome.SERVER_ERROR, Outcome.DROPPED, Outcome.UNREACHABLE, Outcome.TIMEOUT}
)


def check_answered(work: str, ended: Sequence[tuple[Outcome, str]]) -> None:
    """Raise `RunError` when the endpoint answered nobody in this piece of work (as `step 3`).

    `ended` holds outcome and reason of each request. Then the work should not be committed: a resumed run does it.
    """
    if len(ended) > 1 and all(outcome in _ENDPOINT for outcome, _ in ended):
        raise RunError(
            f"The endpoint answered none of {len(ended)} requests in {work}; the last it said was: {ended[-1][1]} "
            f"Nothing of {work} was committed: resume the run when the endpoint is well."
        )

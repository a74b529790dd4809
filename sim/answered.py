"""Telling an endpoint that is down, and a run that brings nothing, from answers that are lost one by one."""

from collections.abc import Sequence
from shlex import quote

from ..personas.errors import RunError
from ..personas.model import Outcome
from .runfile.runlog import RunLog

__all__ = ["check_answered", "check_emitted"]

#: Failed turns after which a run that has brought nothing is not gone on with, if everybody had one.
_MANY = 8

_TURNS = """
SELECT coalesce(max(step), 0), coalesce(sum(active), 0), coalesce(sum(failed), 0), coalesce(sum(acted), 0) FROM steps
"""
_COMMONEST = """
SELECT outcome, count(*), mode(reason) FROM failures WHERE step IS NOT NULL AND purpose <> 'embedding'
GROUP BY outcome ORDER BY count(*) DESC, outcome LIMIT 1
"""

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


def check_emitted(log: RunLog, *, people: int, is_over: bool) -> None:
    """Raise `RunError` when every turn in a run file has failed: at its end, or once all its `people` had a turn."""
    ((step, turns, failed, acted),) = log.query(_TURNS)
    if not failed or failed < turns or acted or not (is_over or failed >= max(_MANY, people)):
        return
    ((outcome, number, reason),) = log.query(_COMMONEST)
    turns_said = "The one turn" if failed == 1 else f"All {failed:,} turns"
    more = f" --steps {step + 1}" if is_over else ""
    raise RunError(
        f"{turns_said} failed and nothing was emitted; {number:,} of them with {outcome}, as: {reason} "
        f"Mend that, and go on with `populace resume {quote(str(log.path))}{more}`."
    )

"""Checks of what an agent emits: pure functions or questions to a model, each result a row of `checks`.

An action class lists its checks, and they run in that order on every draft and every revision of it. A failed check
says something of an emission: it is kept with the emission, and never the outcome of a call. This is a whole check::

    class NamesAPlace:
        name = "names_a_place"
        version = 1
        revises = True  # ask once for another answer, giving the reason

        async def judge(self, action: Action, context: CheckContext) -> CheckResult:
            found = "Lindenford" in action.emitted_text
            return passed() if found else failed("It names no place.")
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from ..personas.errors import hook
from ..personas.model import Answer, AnswerSchema, PersonaModel, RequestContext
from ..personas.prompt import RenderedPrompt

if TYPE_CHECKING:
    from .actions import Action
    from .observation import Observation


class CheckOutcome(StrEnum):
    """What a check says of an emission."""

    PASSED = "passed"
    FAILED = "failed"
    #: The check could not be made, as when a model gave no answer.
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check of one emission."""

    outcome: CheckOutcome
    #: One sentence, shown to the model when it is asked for another answer; empty when there is nothing to say.
    reason: str = ""
    score: float | None = None
    #: Name and version of the check; filled in by `run_checks`.
    check: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check may look at and ask, besides the action."""

    observation: "Observation"
    #: The world text of the scenario.
    world: str
    model: PersonaModel
    request_context: RequestContext

    async def ask[T](
        self, prompt: RenderedPrompt, schema: AnswerSchema[T], *, role: str = "grader", replicate: int = 0
    ) -> Answer[T]:
        """Ask the model of a role on behalf of the agent whose action is checked.

        `replicate` numbers several answers to the same request, from 0. Raises what `PersonaModel.ask` raises.
        """
        return await self.model.ask(prompt, schema, self.request_context.varied(role=role, replicate=replicate))


class Check(Protocol):
    """Judges what an agent emits."""

    #: As in `checks.check`.
    name: str
    #: Raised whenever the check may judge the same text differently.
    version: int
    #: Whether the agent is asked once for another answer after this check has failed.
    revises: bool

    async def judge(self, action: "Action", context: CheckContext) -> CheckResult:
        """The result for this action; reads what it is given, changes nothing."""
        ...


def passed(score: float | None = None) -> CheckResult:
    """A result in favour of the emission."""
    return CheckResult(CheckOutcome.PASSED, score=score)


def failed(reason: str, score: float | None = None) -> CheckResult:
    """A result against the emission, with its reason as a sentence to the model."""
    return CheckResult(CheckOutcome.FAILED, reason, score)


def undecided(reason: str) -> CheckResult:
    """No result, with the reason why."""
    return CheckResult(CheckOutcome.UNDECIDED, reason)


async def run_checks(action: "Action", context: CheckContext) -> tuple[CheckResult, ...]:
    """The results of the checks that the action's class lists, in their order. Raises `HookError` when one fails."""
    results = []
    for check in action.checks:
        with hook(check, "judge"):
            result: object = await check.judge(action, context)
            if not isinstance(result, CheckResult):
                raise TypeError(f"it must give a CheckResult, as passed() does, and gave {result!r:.80}")
        results.append(replace(result, check=check.name, version=check.version))
    return tuple(results)

"""What a check of an emission may look at and ask, and what it says; `Check` itself stands beside `Action`."""

from dataclasses import dataclass
from enum import StrEnum

from ..personas.model import Answer, AnswerSchema, PersonaModel, RequestContext
from ..personas.prompt import RenderedPrompt
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

    observation: Observation
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


def passed(score: float | None = None) -> CheckResult:
    """A result in favour of the emission."""
    return CheckResult(CheckOutcome.PASSED, score=score)


def failed(reason: str, score: float | None = None) -> CheckResult:
    """A result against the emission, with its reason as a sentence to the model."""
    return CheckResult(CheckOutcome.FAILED, reason, score)


def undecided(reason: str) -> CheckResult:
    """No result, with the reason why."""
    return CheckResult(CheckOutcome.UNDECIDED, reason)

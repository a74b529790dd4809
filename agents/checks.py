"""What a check of an emission may look at and ask, and what it says; `Check` itself stands beside `Action`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..personas.model import Answer, AnswerSchema, PersonaModel, RequestContext
from ..personas.prompt import RenderedPrompt
from .observation import Observation


class CheckOutcome(StrEnum):
    """What a check says of an emission."""

    PASSED = "passed"
    FAILED = "failed"
    #: Something may be wrong: recorded and shown, and no reason to reject.
    WARNED = "warned"
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
    #: The field that it is about, as `barks.idle` or `hooks[0].text`; empty where it is about the whole.
    field: str = ""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check may look at and ask, besides the action."""

    observation: Observation
    #: The world text of the scenario.
    world: str
    model: PersonaModel
    request_context: RequestContext
    #: The words of the prompt that are no person's: its rules, and what it says of the actions.
    instructions: str = ""
    #: Of a check that asks a model: the results of the checks before it.
    results: tuple[CheckResult, ...] = ()

    async def ask[T](
        self, prompt: RenderedPrompt, schema: AnswerSchema[T], *, role: str = "grader", replicate: int = 0
    ) -> Answer[T]:
        """Ask the model of a role on behalf of the agent whose action is checked.

        `replicate` numbers several answers to the same request, from 0. Raises what `PersonaModel.ask` raises.
        """
        return await self.model.ask(prompt, schema, self.request_context.varied(role=role, replicate=replicate))


def passed(score: float | None = None) -> CheckResult:
    """Return a result in favour of the output."""
    return _PASSED if score is None else CheckResult(CheckOutcome.PASSED, score=score)


_PASSED = CheckResult(CheckOutcome.PASSED)


def failed(reason: str, score: float | None = None, *, field: str = "") -> CheckResult:
    """Return a result against the output.

    `reason` is a sentence to the model, which begins with the `field`.
    """
    return CheckResult(CheckOutcome.FAILED, _located(reason, field), score, field=field)


def warned(reason: str, score: float | None = None, *, field: str = "") -> CheckResult:
    """Return the result of a rule that cannot be sure. The output is kept and the reason recorded."""
    return CheckResult(CheckOutcome.WARNED, _located(reason, field), score, field=field)


def undecided(reason: str) -> CheckResult:
    """Return an undecided result with its reason."""
    return CheckResult(CheckOutcome.UNDECIDED, reason)


def _located(reason: str, field: str) -> str:
    return f"In {field}: {reason}" if field else reason


def iter_strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield all strings within a JSON value, however deep, each with its path: `barks.idle`, `hooks[0].text`."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from iter_strings(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from iter_strings(part, f"{path}[{place}]")


def is_within(path: str, fields: tuple[str, ...]) -> bool:
    """Return whether a path is one of these fields or lies within one of them."""
    return any(path == field or path.startswith((f"{field}.", f"{field}[")) for field in fields)

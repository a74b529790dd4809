"""Whether a character's sheet keeps to its world: by the names it declares, by words, and by a model's judgement."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from populace.agents.checks import CheckContext, CheckResult, failed, is_within, passed, undecided, warned
from populace.personas.model import AnswerSchema, FrozenModel, strict_schema
from populace.personas.prompt import fence, read_prompt

from .registry import Registry, derived_words, even, plain, word_forms

if TYPE_CHECKING:
    from populace.agents.actions import Action

    from .world import WorldFile

_PROMPT = read_prompt(Path(__file__).with_name("canon.v2.toml"))


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a sheet that does not fit its world, or may not."""

    field: str
    reason: str
    is_certain: bool = True


class KeepsToCanon:
    """Fails a sheet with a people, a place, a name or a word that its world rules out; warns where a rule is not sure.

    What is certain: values outside what the world declares, words that it rules out in any of their forms, and names
    of places, peoples and factions that the sheet declares and the world does not know.
    """

    name = "canon"
    version = 2
    revises = True

    def __init__(self, world: "WorldFile", registry: Registry | None = None) -> None:
        self._canon = world.canon
        self._registry = registry or Registry(world)
        language = self._registry.language
        self._never = word_forms(world.canon.never, language)
        self._doubtful = word_forms(world.canon.doubtful, language)
        self._derived = derived_words(world.canon.never, language)

    async def judge(self, action: "Action", context: CheckContext) -> CheckResult:
        """The result, with everything that is wrong, or else with everything that may be."""
        return self.review(action, context.observation.agent)

    def review(self, action: "Action", persona: str) -> CheckResult:
        """The result for the sheet of a persona."""
        found = list(self._faults(action, persona))
        certain = [fault for fault in found if fault.is_certain]
        said = "; ".join(f"in {fault.field}: {fault.reason}" for fault in certain or found)
        if certain:
            return replace(failed(f"It does not fit the world: {said}."), field=certain[0].field)
        return replace(warned(f"It may not fit the world: {said}."), field=found[0].field) if found else passed()

    def _faults(self, action: "Action", persona: str) -> Iterator[Fault]:
        sheet: Mapping[str, Any] = action.payload
        canon = self._canon
        for field, known in (("people", canon.peoples), ("place", canon.places), ("role", canon.classes)):
            if known and plain(sheet[field]) not in map(plain, known):
                yield Fault(field, f"{sheet[field]!r} is none of {', '.join(known)}")
        texts = [(field, text) for field, text in action.texts if not is_within(field, ("names",))]
        for field, text in texts:
            yield from self._word_faults(field, even(text))
        if self._registry.is_taken(sheet["name"], persona):
            yield Fault("name", f"{sheet['name']!r} is somebody who is there already")
        if canon.names:
            yield from self._name_faults(sheet, texts)

    def _word_faults(self, field: str, text: str) -> Iterator[Fault]:
        if self._never is not None and (found := self._never.search(text)):
            yield Fault(field, f"there is no {found[0]!r} in this world")
            return
        for pattern in (self._doubtful, self._derived):
            if pattern is not None and (found := pattern.search(text)):
                yield Fault(field, f"{found[0]!r} may be out of place", is_certain=False)

    def _name_faults(self, sheet: Mapping[str, Any], texts: list[tuple[str, str]]) -> Iterator[Fault]:
        own = plain(sheet["name"]).split()
        for place, one in enumerate(sheet.get("names", ())):
            name, kind = one["name"], one["kind"]
            if set(plain(name).split()) <= set(own) or self._registry.knows(name):
                continue
            field = f"names[{place}]"
            if kind not in self._canon.new:
                yield Fault(field, f"the world has no {kind} {name!r}, and new ones cannot be made up")
            elif not one["is_new"]:
                yield Fault(field, f"the world does not mention the {kind} {name!r}", is_certain=False)
        declared = [sheet["name"], *(one["name"] for one in sheet.get("names", ()))]
        for field, text in texts:
            if found := next(self._registry.unknown_names(text, declared), None):
                yield Fault(field, f"{found!r} is not among the names and not in the world", is_certain=False)


class CanonFinding(FrozenModel):
    """What a model finds of a sheet."""

    contradicts: Annotated[bool, Field(description="True when something in the sheet cannot be so in this world.")]
    field: Annotated[str, Field(max_length=80, description="The field in which it stands; empty where nothing is.")]
    reason: Annotated[str, Field(max_length=400, description="What it is, in one sentence; empty where nothing is.")]


class GradedCanon:
    """Asks the grader whether a sheet, in any of its fields, contradicts its world."""

    name = "canon_graded"
    version = 2
    revises = True

    async def judge(self, action: "Action", context: CheckContext) -> CheckResult:
        """The grader's result; undecided where it gives none."""
        told = "\n".join(f"{field}: {text}" for field, text in action.texts if not is_within(field, ("names",)))
        prompt = _PROMPT.render(world=fence("world", context.world), sheet=fence("sheet", told))
        schema = AnswerSchema(
            _PROMPT.name,
            strict_schema(CanonFinding.model_json_schema()),
            CanonFinding.model_validate,
            {_PROMPT.name: _fits},
        )
        answer = await context.ask(prompt, schema)
        if answer.value is None:
            return undecided(f"The grader gave no answer ({answer.outcome}).")
        found = answer.value
        return failed(found.reason or "It contradicts the world.", field=found.field) if found.contradicts else passed()


def _fits(rng: random.Random, situation: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The stand-in's judgement: it cannot read, and finds nothing."""
    return {"contradicts": False, "field": "", "reason": ""}

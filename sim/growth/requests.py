"""What growth asks a model about a passage or a person: work that depends on settings, seed and item alone."""

from dataclasses import dataclass

from ...personas.model import Answer, PersonaModel, RequestContext
from ...personas.persona import Persona
from ...personas.persona_to_persona import Relative, persona_to_persona
from ...personas.text_to_persona import text_to_persona
from ..seeds import derive_seed
from .settings import Growth
from .sources import NextPassage

__all__ = ["Inference", "NeighbourhoodRequest", "RelativesWork"]


@dataclass(frozen=True, slots=True)
class NeighbourhoodRequest:
    """A person whose relations are to be inferred, and people who already live there and are offered as answers."""

    persona: Persona
    known: tuple[Persona, ...]


@dataclass(frozen=True, slots=True)
class Inference:
    """Text-to-Persona, as growth asks for it."""

    growth: Growth
    seed: int

    async def __call__(self, item: NextPassage, model: PersonaModel) -> Answer[tuple[Persona, ...]]:
        """The people inferred from a passage."""
        return await text_to_persona(
            model,
            item.passage,
            verb=self.growth.verb,
            granularity=self.growth.granularity,
            count=self.growth.per_passage,
            language=self.growth.language,
            form=self.growth.form,
            context=_context(self.seed, 0, item.passage.id),
        )


@dataclass(frozen=True, slots=True)
class RelativesWork:
    """Persona-to-Persona, as a hop of growth asks for it."""

    growth: Growth
    seed: int
    hop: int
    #: Relations asked for at each person.
    count: int

    async def __call__(self, item: NeighbourhoodRequest, model: PersonaModel) -> Answer[tuple[Relative, ...]]:
        """The people around a person."""
        return await persona_to_persona(
            model,
            item.persona,
            count=self.count,
            known=list(item.known),
            language=self.growth.language,
            kinds=self.growth.kinds,
            low_visibility=self.growth.low_visibility,
            context=_context(self.seed, self.hop, item.persona.id),
        )


def _context(seed: int, hop: int, owner: str) -> RequestContext:
    return RequestContext("growth", hop, owner, derive_seed(seed, "growth", hop, owner) >> 32)

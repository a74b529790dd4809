"""What the stand-in answers: tools that can be implemented, so that all that follows can be shown without a model."""

import random
from collections.abc import Mapping
from typing import Any

from populace.agents.procedural.situation import Situation
from populace.agents.procedural.speech import Speaker

from .kits import draw_kit


def tool(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The interface of a tool that this person could use."""
    speaker = Speaker(rng, situation)
    kit, thing, name = draw_kit(rng, speaker)
    return kit.interface(name, thing, speaker("a_noun") or "somebody")

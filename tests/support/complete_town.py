"""A town in which everybody knows everybody, and a model that talks at length."""

import random
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar, Literal

from ballots import Answering
from langchain_core.messages import BaseMessage
from openai_answers import names_near

from populace.agents.actions import Action
from populace.agents.observation import Observation
from populace.agents.react import ToolFunction
from populace.personas.hub import Hub
from populace.personas.persona import Persona, Relation, RelationKind
from populace.sim.growth import Growth
from populace.sim.scenario import Scenario
from populace.sim.society import Society

_TRADES = ("baker", "miller", "nurse", "carter", "clerk", "smith", "teacher")


class Talk(Action):
    """Say something to somebody."""

    name: ClassVar[str] = "talk"
    addressed: ClassVar[bool] = True
    remembered: ClassVar[str] = "You said to $to: $text"
    novelty = "none"
    kind: Literal["talk"]
    to: str
    text: str

    @property
    def emitted_text(self) -> str:
        """What is said."""
        return self.text


class TalkingTown(Scenario):
    """Everybody talks to somebody in each step."""

    name = "talking"
    world = "It is market day in a small town by a river."
    actions = (Talk,)


def complete_hub(people: int) -> Hub:
    """So many people, each related to all others."""
    personas = tuple(
        Persona(f"A {_TRADES[n % len(_TRADES)]} who keeps {n} hens. They sleep badly.") for n in range(people)
    )
    kinds = tuple(RelationKind)
    ties = [
        Relation(one.id, other.id, kinds[n % len(kinds)], "acquaintance")
        for n, (one, other) in enumerate(combinations(personas, 2))
    ]
    return Hub(personas, tuple(ties))


def at_length(messages: list[BaseMessage]) -> str:
    """A long line to the last of those who are there, with the number of characters that the model was told."""
    told = [str(message.content) for message in messages]
    names = names_near("\n".join(told))
    return f'{{"kind": "talk", "to": "{names[-1]}", "text": "{"on and on " * 45}{sum(map(len, told))}"}}'


def talking(out: Path, people: int = 12, *, settings: dict[str, Any] | None = None, **options: Any) -> Society:
    """The town, before its first step."""
    scenario = options.pop("scenario", TalkingTown)(settings)
    options = {"model": Answering(answer=at_length), "steps": 4, **options}
    return Society(
        scenario, growth=Growth(hub=Path("people.jsonl"), hops=0), source=complete_hub(people), out=out, **options
    )


def who_is_here(observation: Observation) -> list[str]:
    """Who is there to be spoken to."""
    return list(observation.addressees)


class ToolTown(TalkingTown):
    """The same, where people can find out prices, and who is there; without a model they greet somebody."""

    name = "tooled"

    def rule(self, observation: Observation, rng: random.Random) -> Action | None:
        """Greet somebody."""
        return Talk(kind="talk", to=rng.choice(observation.addressees), text="Good day.")

    def tools(self) -> tuple[ToolFunction, ...]:
        """What a good costs, and who is there."""
        return (self.price_of, who_is_here)

    def price_of(self, good: str) -> str:
        """What a good costs at the market today."""
        if len(good) % 2:
            raise ValueError(f"nobody sells {good[:20]!r}")
        return f"{len(good)} coins"

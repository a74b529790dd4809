"""A rumour in a small town: who hears it, through whom, in which words, and what stops it.

Run it as `populace run rumour --steps 12`, or as this script: `python scenarios/rumour.py --steps 12`.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import networkx as nx
from pydantic import Field

from populace import Action, Scenario
from populace.agents import ActionEffects, Observation
from populace.agents.actions import Phrase
from populace.agents.checks import RETOLD_CHECKS
from populace.agents.procedural.situation import Situation
from populace.sim import Channel, Intervention, Levers, Resident, Settings, SocietyView, State, Visit, World

WORLD = "Marlow Weir has no newspaper: people learn what is going on from those they know, and from talk on the square."


class Knowledge(State):
    """Whether an agent has heard the rumour."""

    has_heard: bool = False


class PassOn(Action):
    """What this person does with what they were just told: whom they tell it, or that they keep it to themselves."""

    name: ClassVar[str] = "pass_on"
    addressed: ClassVar[bool] = True
    remembered: ClassVar[str] = "You told $to: $text"
    checks = RETOLD_CHECKS
    novelty = "none"
    kind: Literal["pass_on"]
    to: tuple[str, ...] = Field(description="The keys of those who are told, as given in the observation; may be empty")
    publicly: bool = Field(description="Whether it is also said on the square, where anybody may hear it")
    text: Phrase = Field(description="What they are told, in this person's own words")

    @property
    def emitted_text(self) -> str:
        """What the others are told."""
        return self.text

    def apply(self, effects: ActionEffects) -> None:
        """The agent knows the rumour from now on, and the others hear it in the next step."""
        effects.state.has_heard = True
        super().apply(effects)
        if self.publicly:
            effects.post("square", self.text)

    @staticmethod
    def stand_in(rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Told as it was heard, to each neighbour with the same chance."""
        text = situation.heard[-1][1] if situation.heard else situation.sections["posts"].split('"')[1]
        told = [one.key for one in situation.neighbours if rng.random() < 0.7]
        return {"to": told, "publicly": rng.random() < 0.2, "text": text}


QUESTIONS = {
    "How many knew it after each step?": "SELECT step, value AS reach FROM measures WHERE name = 'reach' ORDER BY step",
    "Over which ties did people first hear it?": """
        SELECT if(sender IS NULL, 'square', coalesce(ties.kind, 'stranger')) AS tie, count(DISTINCT e.agent) AS people
        FROM emissions e LEFT JOIN messages m ON recipient = e.agent AND e.step - m.step = (sender != 'player')::INT
          LEFT JOIN ties ON (source, target) IN ((sender, recipient), (recipient, sender))
        GROUP BY ALL ORDER BY people DESC, tie
    """,
}


class RumourSettings(Settings):
    """Where a rumour begins, and what is done against it."""

    neighbours: int = Field(20, ge=0, description="Neighbours a prompt shows, whom a model can tell; rules tell any")
    observation_tokens: int = Field(4000, ge=100, description="Length of an observation in a prompt, at most")
    rumour: str = Field("The paper mill is to close before the winter.", min_length=1, description="What is said")
    seeds: int = Field(2, ge=1, description="People to whom a stranger says it in step 1")
    seeds_by: Literal["chance", "degree"] = Field("chance", description="Any people, or those with most neighbours")
    passed_on: float = Field(0.6, ge=0, le=1, description="Chance that a rule agent tells a neighbour")
    posted: float = Field(0.1, ge=0, le=1, description="Chance that a rule agent says it on the square")
    square: float = Field(0.05, ge=0, le=1, description="Share of people who pass the square in a step")
    block_at: int = Field(3, ge=1, description="Step from which people and ties are blocked")
    block_people: int = Field(0, ge=0, description="People with most neighbours who are blocked")
    block_ties: int = Field(0, ge=0, description="Ties that are blocked: those on most shortest paths")


class Rumour(Scenario):
    """How far a rumour spreads, and whether blocking agents or ties stops it."""

    name = "rumour"
    world = WORLD
    actions = (PassOn,)
    channels = (Channel("square"),)
    agent_state_type = Knowledge
    settings_type = RumourSettings
    settings: RumourSettings
    questions = QUESTIONS

    @property
    def interventions(self) -> Sequence[Intervention]:  # type: ignore[override]  # a property serves as the attribute
        """People and ties that are blocked, where the settings say so."""
        blocks = self.settings.block_people or self.settings.block_ties
        return (Intervention(at=self.settings.block_at, name="block", effect=self.block),) if blocks else ()

    def block(self, levers: Levers) -> None:
        """Block those with most neighbours, and the ties with the highest betweenness among the others."""
        graph = nx.Graph(levers.society.graph.nx)
        for agent in sorted(graph, key=lambda agent: (-graph.degree[agent], agent))[: self.settings.block_people]:
            levers.block(agent)
            graph.remove_node(agent)
        between = nx.edge_betweenness_centrality(graph) if self.settings.block_ties else {}
        for one, other in sorted(between, key=lambda tie: (-between[tie], tie))[: self.settings.block_ties]:
            levers.block(one, other)

    def visits(self, society: SocietyView, rng: random.Random) -> Sequence[Visit]:
        """In step 1 a stranger tells it to the seed set."""
        graph = nx.Graph(society.graph.nx)
        agents = sorted(graph, key=lambda agent: (-graph.degree[agent], agent)) if society.world.step == 1 else []
        if self.settings.seeds_by == "chance":
            rng.shuffle(agents)
        return [Visit(agent, self.settings.rumour) for agent in agents[: self.settings.seeds]]

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Of those who do not know it, those who were told it or pass the square."""
        passing = [one for one in society.residents if rng.random() < self.settings.square or one.inbox]
        return [one for one in passing if not one.state.has_heard]

    def offer(self, resident: Resident, observation: Observation, rng: random.Random) -> tuple[type[Action], ...]:
        """Nothing, as long as nothing of it is to be heard."""
        return self.actions if observation.heard or observation.posts else ()

    def task(self, resident: Resident, world: World) -> str:
        """What there is to decide."""
        return "You have just been told this for the first time. Whom do you tell, and how do you put it?"

    def rule(self, observation: Observation, rng: random.Random) -> PassOn:
        """An independent cascade: one attempt at each neighbour (Kempe et al., 2003)."""
        to = tuple(one.key for one in observation.neighbours if rng.random() < self.settings.passed_on)
        text = (observation.heard or observation.posts)[-1].text
        return PassOn(kind="pass_on", to=to, publicly=rng.random() < self.settings.posted, text=text)

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """The share of people who know it."""
        return {"reach": sum(one.state.has_heard for one in society.residents) / len(society.residents)}


if __name__ == "__main__":
    from populace.cli import run_script

    run_script(Rumour, __file__)

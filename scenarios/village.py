"""A village by a river: talk with neighbours and a visitor, requests to an assistant, and tools people wish for.

Run it as `populace run village`, or as this script: `python scenarios/village.py --steps 4`.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from pydantic import Field

from populace.agents.actions import Action, Deed, DialogueLine, Instruction, Silence
from populace.agents.observation import Observation
from populace.agents.tool_spec import ToolSpec
from populace.agents.tools import ToolUse
from populace.personas.persona import RelationKind
from populace.sim.dynamics.declared import Intervention
from populace.sim.dynamics.world import World
from populace.sim.resident import Resident, SocietyView
from populace.sim.scenario import Scenario, Settings, Visit

WORLD = """
Lindenford is a village on both banks of the Aller. On the near side are the church, the school, the clinic and the
square with its Tuesday market; across the wooden bridge the mill, the sawmill, the boatyard and the allotments. Nobody
is rich, and most depend on somebody across the water. A machine in the reading room takes requests to an assistant, and
a workshop builds small software tools.
"""

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: Where people meet, in the morning and in the afternoon of each day.
_PLACES = (
    *("on the way to work", "outside the school"),
    *("at the market on the square", "on the square, as the stalls are packed up"),
    *("on the allotments", "in the reading room"),
    *("by the landing on the river", "in the queue at the clinic"),
    *("at the boatyard", "on the steps of the school hall"),
    *("at the sawmill, where wood is sold", "on the bank of the Aller"),
    *("outside the church", "on a walk along the river"),
)

#: What a visiting player says; which line is said to whom is drawn by chance.
LINES = (
    "Good day. I am new on this road. What do people here do for a living?",
    "They told me at the inn to ask you. What is the one thing in this village that needs mending?",
    "Could you teach me something you know that takes a stranger an hour to learn?",
    "I can carry, dig and read. Is there work for me with you, or with somebody you know?",
    "What is it that you worry about, these days?",
    "Who in this village should I not leave without meeting, and why?",
    "I have some bread and a story to trade. What would you give for them?",
    "Is it true what they say about the river?",
    "What do you need that nobody here can make?",
    "How did you come to live in this place?",
    "Somebody sent you a greeting, but would not tell me the name. Who might it have been?",
    "Which way would you send me, if I wanted to see how people really live here?",
)


#: What is asked of every village; others follow from what it emits.
QUESTIONS = {
    "Who taught a neighbour something, or was taught?": """
        SELECT s.text AS speaker, if(outgoing, 'to their ', 'as their ') || label AS tie,
               r.text AS listener, lines, min_by(m.text, message) AS example
        FROM spoke_to AS t
        JOIN messages AS m USING (sender, recipient)
        JOIN personas AS s ON s.id = sender
        JOIN personas AS r ON r.id = recipient
        WHERE kind = 'teaching'
        GROUP BY s.text, outgoing, label, r.text, lines
        ORDER BY lines DESC, min(message)
        LIMIT 5
    """,
    "Which kinds of relation carry most dialogue?": """
        SELECT coalesce(kind, 'visitor or stranger') AS kind, sum(lines)::INT AS lines,
               round(100 * sum(lines) / sum(sum(lines)) OVER (), 1) AS "% of lines", count(*) AS "who to whom"
        FROM spoke_to
        GROUP BY ALL
        ORDER BY 2 DESC, 1
        LIMIT 5
    """,
    "Did people speak more, or wish for other things, once the flood had come?": """
        SELECT e.kind, round(count(*) FILTER (step < f.flood) / any_value(f.flood - 1), 1) AS "in a step before",
               round(count(*) FILTER (step >= f.flood) / any_value(f.steps - f.flood + 1), 1) AS "in a step since"
        FROM emissions AS e,
             (SELECT (SELECT min(step) FROM interventions WHERE name = 'flood') AS flood, max(step) AS steps
              FROM steps) AS f
        WHERE f.flood > 1
        GROUP BY e.kind
        ORDER BY e.kind
    """,
}


type Act = Literal["dialogue", "deed", "instruction", "tool", "use", "silence"]


class VillageSettings(Settings):
    """What can be changed about the village."""

    flood_at: int = Field(4, ge=0, description="Step at whose start the flood takes the bridge; 0 for never")
    ferry_after: int = Field(3, ge=1, description="Steps until a rope ferry brings trade across the water again")
    lines: int = Field(4, ge=1, le=50, description="Maximum lines of a conversation within a step; 1 for one a step")
    assistant: bool = Field(True, description="Have requests to the assistant answered (by --solver, if given)")
    goals: bool = Field(True, description="Ask in each turn what the agent means to do next, and remind it of that")
    acts: tuple[Act, ...] = Field(get_args(Act.__value__), min_length=1, description="What people may do")
    execute: bool = Field(False, description="Have tools that people wish for built (by --solver) and run in a sandbox")
    wish: float = Field(0.15, ge=0, le=1, description="Chance that wishing for a tool is among what a turn offers")
    visited: float = Field(0.12, ge=0, le=1, description="Share of the people to whom the player speaks in a step")


class Village(Scenario):
    """A village by a river that is flooded: agents talk, act, ask an assistant and wish for tools."""

    name = "village"
    world = WORLD.strip()
    actions = (DialogueLine, Deed, Instruction, ToolSpec, ToolUse, Silence)
    settings_type = VillageSettings
    settings: VillageSettings
    questions = QUESTIONS

    @property
    def interventions(self) -> Sequence[Intervention]:  # type: ignore[override]  # a property serves as the attribute
        """The flood, and the ferry some steps later; none without a flood."""
        flood = self.settings.flood_at
        if not flood:
            return ()
        return (
            Intervention(
                at=flood,
                name="flood",
                news="The river rose in the night and took the bridge. Nothing can be carried across, so all trade "
                "between the banks has stopped.",
                effect=lambda world: world.suspend(RelationKind.TRADE),
                # A short run does without a flood that nobody asked for.
                optional="flood_at" not in self.settings.model_fields_set,
            ),
            Intervention(
                at=flood + self.settings.ferry_after,
                name="ferry",
                news="The boatyard has strung a rope ferry across the river. Goods can be carried over again, slowly.",
                effect=lambda world: world.restore(RelationKind.TRADE),
                optional=True,
            ),
        )

    def clock(self, step: int) -> str:
        """Return the half of a day that a step is, from the morning of a Monday on."""
        day, half = divmod(step - 1, 2)
        week = f" of week {day // 7 + 1}" if day >= 7 else ""
        return f"{_DAYS[day % 7]} {'afternoon' if half else 'morning'}{week}"

    def place(self, resident: Resident, world: World) -> str:
        """Return where everybody meets in this half of the day."""
        return _PLACES[(world.step - 1) % len(_PLACES)]

    def visits(self, society: SocietyView, rng: random.Random) -> Sequence[Visit]:
        """The player speaks to a share of the people."""
        agents = [resident.id for resident in society.residents]
        met = rng.sample(agents, round(self.settings.visited * len(agents)))
        return [Visit(agent, rng.choice(LINES)) for agent in met]

    def offer(self, resident: Resident, observation: Observation, rng: random.Random) -> tuple[type[Action], ...]:
        """Whoever was spoken to answers, does something or leaves it at that; the others do any one thing.

        A wish for a tool takes as long a prompt as all else together, so it is not offered in every turn.
        """
        acts = [one for one in self.actions if one.name in self.settings.acts]
        acts = [one for one in acts if one is not ToolUse or observation.tools]
        if len(acts) > 1 and ToolSpec in acts and rng.random() >= self.settings.wish:
            acts.remove(ToolSpec)
        if observation.heard and DialogueLine in acts:
            return tuple(one for one in acts if one in (DialogueLine, Deed, Silence))
        return tuple(acts)

    def measures(self, society: SocietyView) -> Mapping[str, float]:
        """How many people said something to somebody in this step."""
        talking = {one.agent for one in society.emitted_this_step if one.kind == DialogueLine.name}
        return {"share_talking": len(talking) / len(society.residents)}


if __name__ == "__main__":
    from populace.cli import run_script

    run_script(Village, __file__)

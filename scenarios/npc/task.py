"""Characters of a game's world, each the projection of a real person, with hooks to those whom that person knows.

Run it as `populace make npc --hub town.duckdb --n 200 --set world=./my_world.md`, and once more with
`--set lock=npc.duckdb --set keep="Maro Tiln"` to keep some of the sheets and have the others made anew.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, create_model
from pydantic.json_schema import SkipJsonSchema

from populace.agents.action_schema import answer_schema
from populace.agents.actions import Action, Check, Novelty, run_checks
from populace.agents.checks import (
    CheckContext,
    InLanguage,
    NoDegeneration,
    NoLeak,
    NoRefusal,
    OwnVoice,
    failed,
    iter_strings,
    passed,
)
from populace.agents.mind import Draft, Mind, MindState, Rule, check, generate, keep
from populace.agents.observation import Observation, Seen, disclose_to
from populace.agents.procedural.lexicon import article, capitalise_sentences, fill_frame, read_toml, split
from populace.agents.procedural.situation import Situation, portrait_of
from populace.agents.turn_prompt import turn_prompt
from populace.core.errors import SetupError
from populace.core.inputs import nearest
from populace.core.model import Answer, Outcome
from populace.core.prompt import Prompt, read_prompt
from populace.sim.dynamics.world import World
from populace.sim.resident import Resident, SocietyView
from populace.sim.runfile.reader import open_run
from populace.sim.scenario import Settings
from populace.sim.seeds import rng_for
from populace.sim.tasks.task import Task, TaskSettings

from .registry import Canon, GradedCanon, KeepsToCanon, NameKind, Registry, find_world, plain_name, read_world

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from populace.agents.mind import MindContext

_SHE, _HE = re.compile(r"\b(?:she|her)\b", re.IGNORECASE), re.compile(r"\b(?:he|his|him)\b", re.IGNORECASE)
#: Kinds of relations that bind two characters as another kind does.
_LIKE = {"care": "friendship", "service": "trade"}
_UNFIT = re.compile(r"not (?P<whom>[^:]+): (?P<line>.+)")


def _read_characters() -> Mapping[str, Any]:
    return read_toml(Path(__file__).with_name("characters.toml"))


@cache
def _fitting_frames(text: str, fits: frozenset[str]) -> tuple[str, ...]:
    """The lines that fit a character of whom `fits` holds: people, place, `child`."""
    lines = [
        (found["whom"].split(", "), found["line"]) if (found := _UNFIT.fullmatch(line)) else ([], line)
        for line in split(text)
    ]
    return tuple(line for whom, line in lines if fits.isdisjoint(whom))


@cache
def _field_roles(world: str, field: str) -> tuple[tuple[str, str], ...]:
    """The roles of a field of work, each with what it deals with."""
    roles, stuff = (part.split(",") for part in _read_characters()[world]["roles"][field].split("/"))
    return tuple((role.strip(), thing.strip()) for role, thing in zip(roles, stuff, strict=True))


def _fitting_peoples(told: Mapping[str, Any], canon: Any, stage: str, role: str) -> Sequence[str]:
    """The peoples that somebody of this age with this role can belong to."""
    named = told.get("peoples", {}).get("old" if stage == "old" else "other")
    peoples = split(named) if named else canon.peoples or ("local folk",)
    closed, only = (
        {people: [one.strip() for one in roles.split(",")] for people, roles in told.get(key, {}).items()}
        for key in ("closed", "only")
    )
    fitting = [one for one in peoples if role not in closed.get(one, ()) and role in only.get(one, (role,))]
    return fitting or peoples


def _choose_place(role: str, told: Mapping[str, Any], canon: Any, rng: random.Random) -> tuple[str, str]:
    """Where a character is found, which its role may say, and another place."""
    places = canon.places if len(canon.places) > 1 else split(_read_characters()["any"]["places"])
    elsewhere = split(told.get("elsewhere", ""))
    homes = [one for one in places if one not in elsewhere] or places
    named = next((one for one in places if one.removeprefix("the ") in role), None)
    place = rng.choice(homes) if named is None else named
    return place, rng.choice([one for one in homes if one != place] or [place])


def sheet(rng: random.Random, situation: Situation, canon: Any) -> Mapping[str, Any]:
    """A sheet for a world with this canon. It is in English, whatever language is asked for."""
    title = canon.title if canon.title in _read_characters() else "any"
    told, me = _read_characters()[title], portrait_of(situation.persona or "A person.")
    is_woman = bool(_SHE.search(situation.persona)) or (not _HE.search(situation.persona) and rng.random() < 0.5)
    first = rng.choice(told["women" if is_woman else "men"].split())
    name = f"{first} {rng.choice(told['last'].split())}"
    role, stuff = rng.choice(_field_roles(title, me.role.field))
    place, other = _choose_place(role, told, canon, rng)
    people = rng.choice(_fitting_peoples(told, canon, me.stage, role))
    fits = frozenset((people, place, me.stage))
    slots = {
        "name": name,
        "first": first,
        "role": role,
        "a_role": article(role),
        "stuff": stuff,
        "place": place,
        "other_place": other,
        "years": str(rng.randint(2, 4) if me.stage in ("child", "young") else rng.randint(3, 29)),
        **({"she": "she", "her": "her", "them": "her"} if is_woman else {"she": "he", "her": "his", "them": "him"}),
    }

    def say_line(text: str) -> str:
        return capitalise_sentences(fill_frame(rng.choice(_fitting_frames(text, fits)), slots.get) or "")

    manner = next(
        (word for word in _read_characters()["manner"] if word.replace("_", "-") in situation.persona.lower()), None
    )
    habit = say_line(_read_characters()["speech"]["texts"])
    barks = {key: rng.choice(split(text)) for key, text in _read_characters()["barks"].items()}
    for key, text in zip(("greeting", "idle"), rng.sample(split(told["mine"]), 2), strict=True):
        barks[key] = rng.choice((barks[key], capitalise_sentences(fill_frame(text, slots.get) or "")))
    origin = say_line(told.get("origins", {}).get(people, told["origin"]))
    slots["name"] = first
    bonds = _read_characters()["hooks"]
    return {
        "npc_name": name,
        "people": people,
        "place": place,
        "role": f"old {role}" if me.stage == "old" else f"young {role}" if me.stage in ("child", "young") else role,
        "background": " ".join((origin, *(say_line(told[part]) for part in ("work", "event", "want")))),
        "speech": f"{say_line(_read_characters()['manner'][manner])} {habit}" if manner else habit,
        "barks": barks,
        "players": say_line(_read_characters()["players"]["texts"]),
        "names": [],  # all that its lines name is of the world
        "hooks": [
            {"to": int(one.key), "text": say_line(bonds.get(_LIKE.get(one.kind, one.kind), bonds["other"]))}
            for one in situation.neighbours
        ],
    }


_SHEETS = """
SELECT emission, agent, payload, model, prompt, status FROM outputs WHERE kind = 'npc' ORDER BY emission
"""

PROMPT = read_prompt(Path(__file__).with_name("npc.v4.toml"))

CharacterName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=60)]
CharacterPhrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=120)]
Bark = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=160)]
DialogueText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=5, max_length=400)]
CharacterProse = Annotated[str, StringConstraints(strip_whitespace=True, min_length=40, max_length=1600)]


class Barks(BaseModel):
    """What the character calls out, by situation; each at most 160 characters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    greeting: Annotated[Bark, Field(description="When somebody comes up")]
    farewell: Annotated[Bark, Field(description="When somebody leaves")]
    idle: Annotated[Bark, Field(description="To nobody, while at work")]
    busy: Annotated[Bark, Field(description="When there is no time")]
    alarm: Annotated[Bark, Field(description="When something goes badly wrong nearby")]
    refusal: Annotated[Bark, Field(description="When asked for what they will not do")]
    thanks: Annotated[Bark, Field(description="When helped")]


class Hook(BaseModel):
    """What binds the character to another one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Annotated[int, Field(ge=1, le=6, description="The number of the other person, as given under neighbours")]
    text: Annotated[DialogueText, Field(description="What binds the two in this world, without the other's name")]


class UsedName(BaseModel):
    """A proper name that the sheet uses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[CharacterName, Field(description="The name as it is used")]
    kind: NameKind
    is_new: Annotated[bool, Field(description="True where the world does not know it yet")]


class KnownHook(BaseModel):
    """A hook, with the person whose character it leads to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    persona: str
    relation: str
    kind: str
    text: str


class Sheet(Action):
    """The sheet of the character that this person becomes in this world."""

    name: ClassVar[str] = "npc"
    prompt: ClassVar[str | Prompt] = PROMPT
    novelty: ClassVar[Novelty | None] = "revise"
    #: What `procedural` writes of: the world's title and what it declares.
    world: ClassVar[Any] = None

    kind: Literal["npc"]
    npc_name: Annotated[CharacterName, Field(description="The character's name, as this world would give it")]
    people: Annotated[CharacterPhrase, Field(description="The people of this world to which the character belongs")]
    place: Annotated[CharacterPhrase, Field(description="Where in this world the character is mostly found")]
    role: Annotated[CharacterPhrase, Field(description="Trade, office or standing")]
    background: Annotated[
        CharacterProse, Field(description="Who the character is and how that came about, in 60 to 150 words")
    ]
    speech: Annotated[DialogueText, Field(description="Manner of speech: pace, words, habits, what is never said")]
    barks: Barks
    players: Annotated[
        DialogueText, Field(description="How the character deals with players: what they want, give and refuse")
    ]
    hooks: Annotated[list[Hook], Field(max_length=6, description="One for each of the neighbours; empty without any")]
    names: Annotated[
        list[UsedName],
        Field(max_length=40, description="All proper names in any field, hooks and barks too, but the character's own"),
    ]
    #: The hooks, with the persons they lead to.
    knows: SkipJsonSchema[tuple[KnownHook, ...]] = ()

    @property
    def emitted_text(self) -> str:
        """All that the character is and says, without hooks to others: by this sheets are compared."""
        said = (text for _, text in iter_strings(self.barks.model_dump()))
        return " ".join((f"{self.npc_name}, {self.role}.", self.background, self.speech, self.players, *said))

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """All strings of the sheet, with those of hooks whether or not the persons are known."""
        hooks = [{"text": one.text} for one in self.knows or self.hooks]
        return iter_strings({**self.payload, "knows": [], "hooks": hooks})

    @property
    def payload(self) -> dict[str, Any]:
        """The sheet as JSON: the name under `name`, and of the hooks only those whose persons are known."""
        written = self.model_dump(mode="json", exclude={"kind", "hooks", "npc_name"})
        return {"name": self.npc_name, **written}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """The sheet of a payload. Raises `ValidationError` or `KeyError` when it is none."""
        rest = {key: value for key, value in payload.items() if key != "name"}
        return cls.model_validate({"kind": cls.name, "hooks": [], "names": [], "npc_name": payload["name"], **rest})

    @classmethod
    def of_world(cls, canon: Canon) -> type[Self]:
        """The sheet with the peoples, places and classes that a world declares as the only values."""
        literal: Any = Literal
        closed: dict[str, Any] = {}
        for field, known in (("people", canon.peoples), ("place", canon.places), ("role", canon.classes)):
            if known:
                values = Annotated[literal[known], BeforeValidator(partial(_one_of, known))]
                closed[field] = (values, Field(description=cls.model_fields[field].description))
        return create_model(cls.__name__, __base__=cls, __doc__=cls.__doc__, __module__=cls.__module__, **closed)

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A sheet put together for the world, by the person's field of work."""
        return sheet(rng, situation, cls.world)


def _one_of(known: tuple[str, ...], given: object) -> object:
    """The value that is meant where only its article or its capitals differ."""
    forms = {plain_name(one): one for one in known}
    return forms.get(plain_name(given), given) if isinstance(given, str) else given


class NpcSettings(TaskSettings):
    """What can be asked of the characters."""

    world: str = Field("canal-city", description="The world: canal-city, mining-moon, or the path of a text file")
    hooks: int = Field(3, ge=0, le=6, description="Hooks to characters of people whom the person knows, at most")
    canon: Literal["words", "grader"] = Field(
        "words", description="What is checked against the world: the words it declares, or also by the role grader"
    )
    lock: str = Field("", description="Run whose sheets are kept")
    keep: str = Field("", description="Which: names, persona ids or emissions, with commas; empty for all accepted")


class Npc(Task):
    """Game characters that fit a world, with hooks to each other."""

    name = "npc"
    draw = "snowball"
    actions: tuple[type[Action], ...] = (Sheet,)
    settings_type: ClassVar[type[Settings]] = NpcSettings
    settings: NpcSettings

    def __init__(self, settings: Settings | dict[str, object] | None = None) -> None:
        """Raises `SetupError` or `SourceError` for a world or locked sheets that cannot be read."""
        super().__init__(settings)
        world = read_world(find_world(self.settings.world))
        self.world = world.text
        if self.settings.keep and not self.settings.lock:
            raise SetupError("keep names sheets of no run; give the run as lock too, as --set lock=npc.duckdb.")
        #: The sheets that are kept, by the persona whose they are.
        self.locked: Mapping[str, LockedSheet] = {}
        if self.settings.lock:
            self.locked = read_locked(self.settings.lock, self.settings.keep)
        registry = Registry(world, {persona: sheet.name for persona, sheet in self.locked.items()})
        text_checks = (
            NoLeak(introductions=False),
            InLanguage(),
            NoRefusal(spoken=("barks",)),
            NoDegeneration(),
            OwnVoice(reads=("barks",)),
        )
        checks: tuple[Check, ...] = (*text_checks, KeepsToCanon(world, registry))
        if self.settings.canon == "grader":
            checks = (*checks, GradedCanon())
        self.actions = (Sheet.of_world(world.canon).configured(checks=checks, world=world.canon),)
        self._closed = world.canon.names
        #: Ids of the people with a sheet, or asked for one in this round: hooks lead to them only.
        self._cast = frozenset[str]()

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Choose whom the round asks: first those whose sheets are kept, then those with the most ties to the cast.

        Raises `SetupError` when one of the first is not among the people.
        """
        asked = super().active(society, rng)
        cast = {one.id for one in society.residents if one.accepted}
        if society.world.step == 1 and self.locked:
            asked = self._with_locked(society, asked)
            cast |= self.locked.keys()
        if not any(one.asked for one in asked):
            first = [one for one in asked if one.id in cast]
            fresh = [one for one in society.residents if not one.asked and one.id not in cast]
            asked = [*first, *_best_tied(fresh, len(asked) - len(first), cast)]
        self._cast = frozenset(cast | {one.id for one in asked})
        return asked

    def _with_locked(self, society: SocietyView, asked: Sequence[Resident]) -> Sequence[Resident]:
        there = {one.id: one for one in society.residents}
        if missing := [sheet for persona, sheet in self.locked.items() if persona not in there]:
            raise SetupError(
                f"The person of the sheet {missing[0].name!r} is not among the people of this run; take those of the "
                f"run that is locked, as --hub {self.settings.lock}."
            )
        kept = [there[persona] for persona in self.locked]
        return [*kept, *(one for one in asked if one.id not in self.locked)][: max(len(asked), len(kept))]

    def observe(self, resident: Resident, observation: Observation, world: World) -> Observation:
        """Show whom the person knows in the cast, and the sheet that is kept, if there is one."""
        observation = super().observe(resident, observation, world)
        graph, seed = resident.model.graph, resident.model.seed
        ties = {tie.id: tie for tie in reversed(graph.neighbours(resident.id)) if tie.id in self._cast}
        drawn = rng_for(seed, "hooks", resident.id).sample(sorted(ties), min(self.settings.hooks, len(ties)))
        seen = tuple(
            Seen(
                str(place),
                other,
                ties[other].described,
                ties[other].kind,
                disclose_to(resident.model.resident(other).persona.text, ties[other].kind),
                ties[other].called,
            )
            for place, other in enumerate(drawn, start=1)
        )
        return replace(observation, neighbours=seen, state=None if resident.asked else self.locked.get(resident.id))

    def task(self, resident: Resident, world: World) -> str:
        """Say which names may be made up."""
        return PROMPT.find_phrase("names", "closed" if self._closed else "open")

    def mind(self) -> Mind | Rule:
        """Generate and check the sheet unless it is kept, and find out whom its hooks lead to."""
        return Mind((generate_sheet, check, resolve_hooks, keep_sheet))


def _best_tied(people: Sequence[Resident], most: int, cast: Collection[str]) -> list[Resident]:
    """Choose `most` people one by one, each with the most ties to those before and to the `cast`."""
    around = {one.id: {tie.id for tie in one.model.graph.neighbours(one.id)} for one in people}
    ties = Counter({one: len(known.intersection(cast)) for one, known in around.items()})
    # An entry is out of date once its person has more ties; the newest comes first.
    heap = [(-ties[one.id], -len(around[one.id]), place) for place, one in enumerate(people)]
    heapify(heap)
    places = {one.id: place for place, one in enumerate(people)}
    chosen: dict[str, Resident] = {}
    while heap and len(chosen) < most:
        one = people[heappop(heap)[2]]
        if one.id in chosen:
            continue
        chosen[one.id] = one
        for other in sorted(around[one.id] & places.keys()):
            ties[other] += 1
            heappush(heap, (-ties[other], -len(around[other]), places[other]))
    return list(chosen.values())


async def generate_sheet(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """The sheet that is kept, checked again as the world may have changed; else the model's."""
    observation, offered = state["observation"], state["offered"]
    if not isinstance(observation.state, LockedSheet):
        return await generate(state, runtime)
    prompt = turn_prompt(observation, offered, world=runtime.context.world, seed=state["request_context"].seed)
    # Its people or place may be none of this world's, which is for the check to say.
    action = Sheet.configured(checks=offered[0].checks).from_payload(observation.state.payload)
    about = CheckContext(observation, runtime.context.world, runtime.context.model, state["request_context"])
    answer = Answer[Action](Outcome.OK, action, attempts=0)
    draft = Draft(prompt, answer_schema(offered, ()), answer, 0, is_final=True, checks=await run_checks(action, about))
    return {"draft": draft}


async def resolve_hooks(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Put the persons in place of the keys by which the hooks name them; a check says where there is no such key."""
    draft, seen = state["draft"], {one.key: one for one in state["observation"].neighbours}
    action = draft.answer.value
    if not isinstance(action, Sheet) or isinstance(state["observation"].state, LockedSheet):
        return {}
    hooks = {str(hook.to): hook for hook in action.hooks}
    knows = tuple(
        KnownHook(persona=seen[key].agent, relation=seen[key].relation, kind=seen[key].kind, text=hook.text)
        for key, hook in hooks.items()
        if key in seen
    )
    unknown, missing = [key for key in hooks if key not in seen], [key for key in seen if key not in hooks]
    result = passed()
    if unknown:
        result = failed(f"It has a hook to number {unknown[0]}, who is not there.")
    elif missing:
        result = failed(f"It has hooks to {len(knows)} of {len(seen)} people.")
    return {"draft": draft.updated(knows=knows).checked("hooks", result)}


async def keep_sheet(state: MindState, runtime: "Runtime[MindContext]") -> Mapping[str, Any]:
    """Make the decision; a sheet that is kept stays with the model that wrote it."""
    kept, update = state["observation"].state, await keep(state, runtime)
    if isinstance(kept, LockedSheet):
        return {"decision": replace(update["decision"], model=kept.model, prompt=kept.prompt)}
    return update


@dataclass(frozen=True, slots=True)
class LockedSheet:
    """A sheet as it was, and what wrote it."""

    name: str
    payload: Mapping[str, Any]
    model: str
    prompt: str


def read_locked(run: str, keep: str) -> dict[str, LockedSheet]:
    """The sheets of a run that are kept, by persona: those that `keep` names, or all that were accepted.

    `keep` holds names, persona ids or numbers of emissions, with commas between. Raises `SetupError` for one that is
    none, and for a run without sheets.
    """
    with open_run(run) as file:
        rows = file.query(_SHEETS).rows
    sheets = [
        (str(emission), agent, status, LockedSheet(json.loads(payload)["name"], json.loads(payload), model, prompt))
        for emission, agent, payload, model, prompt, status in rows
    ]
    if not sheets:
        raise SetupError(f"{run!r} holds no sheets of characters; give a run of the task npc as lock.")
    wanted = [name.strip() for name in keep.split(",") if name.strip()]
    if not wanted:
        return {agent: sheet for _, agent, status, sheet in sheets if status == "accepted"}
    found: dict[str, LockedSheet] = {}
    for name in wanted:
        same = [
            (agent, sheet)
            for emission, agent, _, sheet in sheets
            if name in (emission, agent) or name.casefold() == sheet.name.casefold()
        ]
        if not same:
            names = sorted({sheet.name for *_, sheet in sheets})
            raise SetupError(f"{run!r} holds no sheet {name!r}{nearest(name, names)}; name a character, or its number.")
        found.update(same[-1:])
    return found

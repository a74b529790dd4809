"""The stand-in's sheets: by the person's field of work, manner and age, in the words of the world."""

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from populace.agents.procedural.lexicon import Frame, article, polished, read_toml, split
from populace.agents.procedural.situation import Situation, portrait_of

_SHE, _HE = re.compile(r"\b(?:she|her)\b", re.IGNORECASE), re.compile(r"\b(?:he|his|him)\b", re.IGNORECASE)
#: Kinds of relations that bind two characters as another kind does.
_LIKE = {"care": "friendship", "service": "trade"}
_UNFIT = re.compile(r"not (?P<whom>[^:]+): (?P<line>.+)")


def _data() -> Mapping[str, Any]:
    return read_toml(Path(__file__).with_name("characters.toml"))


@cache
def _frames(text: str, fits: frozenset[str]) -> tuple[Frame, ...]:
    """The lines that fit a character of whom `fits` holds: people, place, `child`."""
    lines = [
        (found["whom"].split(", "), found["line"]) if (found := _UNFIT.fullmatch(line)) else ([], line)
        for line in split(text)
    ]
    return tuple(Frame(line) for whom, line in lines if fits.isdisjoint(whom))


@cache
def _roles(world: str, field: str) -> tuple[tuple[str, str], ...]:
    """The roles of a field of work, each with what it deals with."""
    roles, stuff = (part.split(",") for part in _data()[world]["roles"][field].split("/"))
    return tuple((role.strip(), thing.strip()) for role, thing in zip(roles, stuff, strict=True))


def _peoples(told: Mapping[str, Any], canon: Any, stage: str, role: str) -> Sequence[str]:
    """The peoples that somebody of this age with this role can belong to."""
    named = told.get("peoples", {}).get("old" if stage == "old" else "other")
    peoples = split(named) if named else canon.peoples or ("local folk",)
    closed, only = (
        {people: [one.strip() for one in roles.split(",")] for people, roles in told.get(key, {}).items()}
        for key in ("closed", "only")
    )
    fitting = [one for one in peoples if role not in closed.get(one, ()) and role in only.get(one, (role,))]
    return fitting or peoples


def _place(role: str, told: Mapping[str, Any], canon: Any, rng: random.Random) -> tuple[str, str]:
    """Where a character is found, which its role may say, and another place."""
    places = canon.places if len(canon.places) > 1 else split(_data()["any"]["places"])
    elsewhere = split(told.get("elsewhere", ""))
    homes = [one for one in places if one not in elsewhere] or places
    named = next((one for one in places if one.removeprefix("the ") in role), None)
    place = rng.choice(homes) if named is None else named
    return place, rng.choice([one for one in homes if one != place] or [place])


def sheet(rng: random.Random, situation: Situation, canon: Any) -> Mapping[str, Any]:
    """A sheet for a world with this canon. It is in English, whatever language is asked for."""
    title = canon.title if canon.title in _data() else "any"
    told, me = _data()[title], portrait_of(situation.persona or "A person.")
    is_woman = bool(_SHE.search(situation.persona)) or (not _HE.search(situation.persona) and rng.random() < 0.5)
    first = rng.choice(told["women" if is_woman else "men"].split())
    name = f"{first} {rng.choice(told['last'].split())}"
    role, stuff = rng.choice(_roles(title, me.role.field))
    place, other = _place(role, told, canon, rng)
    people = rng.choice(_peoples(told, canon, me.stage, role))
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

    def said(text: str) -> str:
        return polished(rng.choice(_frames(text, fits)).fill(slots.get) or "")

    manner = next((word for word in _data()["manner"] if word.replace("_", "-") in situation.persona.lower()), None)
    habit = said(_data()["speech"]["texts"])
    barks = {key: rng.choice(split(text)) for key, text in _data()["barks"].items()}
    for key, text in zip(("greeting", "idle"), rng.sample(split(told["mine"]), 2), strict=True):
        barks[key] = rng.choice((barks[key], polished(Frame(text).fill(slots.get) or "")))
    origin = said(told.get("origins", {}).get(people, told["origin"]))
    slots["name"] = first
    bonds = _data()["hooks"]
    return {
        "npc_name": name,
        "people": people,
        "place": place,
        "role": f"old {role}" if me.stage == "old" else f"young {role}" if me.stage in ("child", "young") else role,
        "background": " ".join((origin, *(said(told[part]) for part in ("work", "event", "want")))),
        "speech": f"{said(_data()['manner'][manner])} {habit}" if manner else habit,
        "barks": barks,
        "players": said(_data()["players"]["texts"]),
        "names": [],  # all that its lines name is of the world
        "hooks": [
            {"to": one.key, "text": said(bonds.get(_LIKE.get(one.kind, one.kind), bonds["other"]))}
            for one in situation.neighbours
        ],
    }

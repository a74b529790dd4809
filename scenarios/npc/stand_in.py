"""The stand-in's sheets: by the person's field of work, manner and age, in the words of the world."""

import random
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tomllib import loads
from typing import Any

from populace.agents.procedural.lexicon import Frame, article, polished, split
from populace.agents.procedural.situation import Situation, portrait_of

_SHE, _HE = re.compile(r"\b(?:she|her)\b", re.IGNORECASE), re.compile(r"\b(?:he|his|him)\b", re.IGNORECASE)
_CLOSE, _WORK = ("kinship", "friendship", "care"), ("work", "trade", "teaching", "service")


@cache
def _data() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = loads(Path(__file__).with_name("characters.toml").read_text("utf-8"))
    return loaded


@cache
def _frames(text: str) -> tuple[Frame, ...]:
    return tuple(map(Frame, split(text)))


@cache
def _roles(world: str, field: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    roles, _, stuff = _data()[world]["roles"][field].partition("/")
    return tuple(map(str.strip, roles.split(","))), tuple(map(str.strip, stuff.split(",")))


def sheet(rng: random.Random, situation: Situation, canon: Any) -> Mapping[str, Any]:
    """A sheet for a world with this canon. It is in English, whatever language is asked for."""
    title = canon.title if canon.title in _data() else "any"
    told, me = _data()[title], portrait_of(situation.persona or "A person.")
    roles, stuff = _roles(title, me.role.field)
    is_woman = bool(_SHE.search(situation.persona)) or (not _HE.search(situation.persona) and rng.random() < 0.5)
    first = rng.choice(told["women" if is_woman else "men"].split())
    name = f"{first} {rng.choice(told['last'].split())}"
    places = canon.places if len(canon.places) > 1 else split(_data()["any"]["places"])
    place, other = rng.sample(places, 2)
    role = rng.choice(roles)
    slots = {
        "name": name,
        "role": role,
        "a_role": article(role),
        "stuff": rng.choice(stuff),
        "place": place,
        "other_place": other,
        "years": str(rng.randint(2, 4) if me.stage in ("child", "young") else rng.randint(3, 29)),
        **({"she": "she", "her": "her", "them": "her"} if is_woman else {"she": "he", "her": "his", "them": "him"}),
    }

    def said(text: str) -> str:
        return polished(rng.choice(_frames(text)).fill(slots.get) or "")

    manner = next((word for word in _data()["manner"] if word.replace("_", "-") in situation.persona.lower()), None)
    habit = said(_data()["speech"]["texts"])
    barks = {key: rng.choice(split(text)) for key, text in _data()["barks"].items()}
    barks["greeting"], barks["idle"] = rng.sample([barks["greeting"], barks["idle"], *split(told["mine"])], 2)
    peoples = told.get("peoples", {}).get("old" if me.stage == "old" else "other")
    people = rng.choice(split(peoples) if peoples else canon.peoples or ("local folk",))
    origin = said(told.get("origins", {}).get(people, told["origin"]))
    slots["name"] = first
    return {
        "npc_name": name,
        "people": people,
        "place": place,
        "role": f"old {role}" if me.stage == "old" else f"young {role}" if me.stage in ("child", "young") else role,
        "background": " ".join((origin, *(said(told[part]) for part in ("work", "event", "want")))),
        "speech": f"{said(_data()['manner'][manner])} {habit}" if manner else habit,
        "barks": barks,
        "players": said(_data()["players"]["texts"]),
        "hooks": [{"to": one.key, "text": said(_hooks(one.kind))} for one in situation.neighbours],
    }


def _hooks(kind: str) -> str:
    named = "close" if kind in _CLOSE else "work" if kind in _WORK else "other"
    text: str = _data()["hooks"][named]
    return text

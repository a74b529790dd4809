"""The stand-in's articles: paragraphs of many kinds about what a person deals with, put together by length."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from populace.agents.procedural.lexicon import frames, read_toml, say
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.subjects import Subjects

#: Paragraphs beside the first two and the last one, by length; of reading material there are fewer.
_PARTS = {"short": 1, "medium": 4, "long": 11}

_FILE = Path(__file__).with_name("article.toml")
#: What children write otherwise.
_OWN = ("titles", "audience", "parts")


def article(
    rng: random.Random, situation: Situation, schema: Mapping[str, Any], *, form: str = "article", length: str = "short"
) -> Mapping[str, Any]:
    """Return title, text and audience of an article, or of something to read. In English, whatever is asked for."""
    data, subjects = read_toml(_FILE), Subjects(rng, situation.persona)
    things = [thing for thing in subjects.several("thing", 4) if thing != subjects("thing")]
    second, third = (*things, "patience", "time")[:2]
    further = {"thing2": second, "thing3": third}

    def slots(name: str) -> str | None:
        return further.get(name) or subjects(name)

    def said(text: str) -> str:
        return say(rng, frames(text), slots) or ""

    kind = "_child" if subjects.me.stage == "child" else ""
    told = {name: data[form].get(name + kind, data[form][name]) for name in _OWN}
    first, own, *middle, last = [part for part in told["parts"] if part != "day" or subjects.me.is_working]
    chosen = set(rng.sample(middle, min(_PARTS[length], len(middle))))
    parts = (first, own, *(one for one in middle if one in chosen), last)
    return {
        "title": said(told["titles"]),
        "audience": said(told["audience"]),
        "text": "\n\n".join(filter(None, (said(data[part]["texts"]) for part in parts))),
    }

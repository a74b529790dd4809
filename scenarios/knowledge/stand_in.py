"""The stand-in's articles: paragraphs of many kinds about what a person deals with, put together by length."""

import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tomllib import loads
from typing import Any

from populace.agents.procedural.lexicon import Frame, polished
from populace.agents.procedural.situation import Situation
from populace.agents.procedural.subjects import Subjects

#: Paragraphs beside the first two and the last one, by length; of reading material there are fewer.
_PARTS = {"short": 1, "medium": 4, "long": 11}

#: What children write otherwise.
_OWN = ("titles", "audience", "parts")


@cache
def _data() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = loads(Path(__file__).with_name("article.toml").read_text("utf-8"))
    return loaded


@cache
def _frames(text: str) -> tuple[Frame, ...]:
    return tuple(Frame(line.strip()) for line in text.splitlines() if line.strip())


def article(
    rng: random.Random, situation: Situation, schema: Mapping[str, Any], *, form: str = "article", length: str = "short"
) -> Mapping[str, Any]:
    """Title, text and audience of an article, or of something to read. In English, whatever is asked for."""
    subjects = Subjects(rng, situation.persona)
    things = [thing for thing in subjects.several("thing", 4) if thing != subjects("thing")]
    second, third = (*things, "patience", "time")[:2]
    further = {"thing2": second, "thing3": third}

    def slots(name: str) -> str | None:
        return further.get(name) or subjects(name)

    def said(text: str) -> str:
        frames = _frames(text)
        return next(filter(None, (one.fill(slots) for one in rng.sample(frames, len(frames)))), "")

    told = _data()[form]
    told = {
        name: told.get(f"{name}_child", told[name]) if subjects.me.stage == "child" else told[name] for name in _OWN
    }
    first, own, *middle, last = [part for part in told["parts"] if part != "day" or subjects.me.is_working]
    chosen = set(rng.sample(middle, min(_PARTS[length], len(middle))))
    paragraphs = [
        said(_data()[part]["texts"]) for part in (first, own, *(one for one in middle if one in chosen), last)
    ]
    return {
        "title": said(told["titles"]),
        "audience": polished(said(told["audience"])),
        "text": "\n\n".join(polished(one) for one in paragraphs if one),
    }

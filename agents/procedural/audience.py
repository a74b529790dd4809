"""Who is likely to read, write, like or dislike a text."""

import random
import re
from collections import Counter

from .frames import Frame
from .lexicon import Role, data, lexicon, pool
from .people import LENGTHS, Sketch, describe, describe_parts, draw_role
from .situation import Situation
from .subjects import quotable, subjects, tokens

__all__ = ["Audience", "tongue_of"]

_OWNER = re.compile(r"^(?:your|my|that|this|his|her|their) ")
_VERB = re.compile(r"likely to (\w+)")
#: How often the person is from a walk of life of the passage's own.
_NEAR = 0.7
_NEAREST = 8


def tongue_of(text: str) -> str:
    """The language a text is most likely in, by its script or else by its commonest words."""
    for tongue, span in data("tongues")["scripts"].items():
        if len(re.findall(f"[{span}]", text)) * 3 >= len(re.findall(r"\w", text)) > 0:
            return str(tongue)
    words = [w.lower() for w in tokens(text)]
    scores = {tongue: sum(w in common.split() for w in words) for tongue, common in data("tongues")["common"].items()}
    best = max(scores, key=lambda tongue: scores[tongue])
    return best if scores[best] else "English"


class Audience:
    """The people a passage calls to mind, drawn one after another so that they differ."""

    def __init__(self, rng: random.Random, situation: Situation) -> None:
        self.rng = rng
        self.passage = situation.passage
        verb = _VERB.search(situation.plain)
        self.verb = verb[1] if verb and verb[1] in data("lives")["themes"] else "any"
        self.length = next((form for words, form in LENGTHS.items() if words in situation.rules), "plain")
        self.tongue = tongue_of(self.passage)
        self.topics = [s for s in subjects(self.passage) if len(s) < 40] if self.tongue == "English" else []
        self.near = self._near()
        self.used: set[str] = set()

    def draw(self) -> str:
        """One more person's description."""
        return describe(self.rng, self._sketch())

    def draw_parts(self) -> dict[str, str]:
        """One more person's description, in named parts."""
        return describe_parts(self.rng, self._sketch())

    def _sketch(self) -> Sketch:
        rng = self.rng
        role = self._role()
        self.used.add(role.name)
        stage = rng.choice(role.ages)
        gender = role.gender if role.gender != "any" else rng.choice("fm")
        rank = "retired" if stage == "old" and len(role.ages) > 1 and rng.random() < 0.6 else ""
        theme = self._theme(role)
        return Sketch(role, stage, gender, rank=rank, theme=theme, length=self.length)

    def _near(self) -> list[Role]:
        known = lexicon()
        scores: Counter[str] = Counter()
        for word in dict.fromkeys(w.lower() for w in tokens(self.passage)):
            roles = known.by_word.get(word, ())
            for role in roles:
                scores[role.name] += 60 // len(roles)
            for role in known.by_head.get(word, ()):
                scores[role.name] += 120
        if self.tongue != "English":
            lowered = self.passage.lower()
            for domain in known.domains.values():
                found = sum(sign in lowered for sign in domain.signs)
                for role in known.roles.values() if found else ():
                    scores[role.name] += 20 * found * (role.domain == domain.name)
        ranked = sorted(scores, key=lambda name: (-scores[name], name))
        return [known.roles[name] for name in ranked[:_NEAREST] if scores[name]]

    def _role(self) -> Role:
        near = [role for role in self.near if role.name not in self.used]
        if near and self.rng.random() < _NEAR:
            return self.rng.choices(near, [1 / (1 + place) for place in range(len(near))])[0]
        stage = self.rng.choices(("child", "young", "adult", "old"), (1, 2, 6, 2))[0]
        for _ in range(20):
            role = draw_role(self.rng, stage)
            if role.name not in self.used:
                return role
        return role

    def _theme(self, role: Role) -> str:
        rng = self.rng
        quotes = quotable(self.passage) if self.tongue != "English" else ()
        themes = pool("lives", "themes", "foreign" if quotes else self.verb)
        topic = rng.choice(self.topics[:12]) if self.topics else rng.choice(lexicon().domains[role.domain].topics)
        values = {
            "topic": _OWNER.sub("the ", topic),
            "tongue": self.tongue,
            "quote": rng.choice(quotes or ("",)),
        }
        return Frame(themes.word(rng)).fill(lambda name: values.get(name, f"{{{name}}}")) or ""

"""What the colours of a picture say of a person: the hop, or the community."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...personas.hub.graph import Acquaintance, Excerpt
from ...personas.hub.graph.ties import KINDS
from .naming import name_of

__all__ = ["OTHERS", "STYLE", "Colours", "Tone", "by_community", "by_hop", "kind_colour", "kind_of"]

#: More than so many colours nobody tells apart.
_COMMUNITIES = 8
_HOPS = 6
#: The colour of whoever is in none of the communities that have one.
OTHERS = "var(--c9)"

STYLE = """
svg{--ink:#1d2126;--surface:#fff;--soft:#66707c;--c0:#2f63c0;--c1:#b85c00;--c2:#26803c;--c3:#b7382f;--c4:#7547ad;
--c5:#83562a;--c6:#b83a86;--c7:#0b7f82;--c8:#6f7010;--c9:#8b929b;--hop0:#0d2138;--hop1:#193f6b;--hop2:#285f9b;
--hop3:#4380bf;--hop4:#679fd4;--hop5:#8dbae3;--hop6:#b0d0ee}
@media (prefers-color-scheme:dark){svg{--ink:#e9e7e2;--surface:#1d2126;--soft:#a5adb8;--c0:#7ba6f5;--c1:#f0a050;
--c2:#6fc482;--c3:#f08a80;--c4:#bb9bf0;--c5:#cba175;--c6:#ee8fc8;--c7:#4fc7c7;--c8:#c5c154;--c9:#7f8894;
--hop0:#f2f7fd;--hop1:#cfe2f5;--hop2:#a9c9ea;--hop3:#82afdc;--hop4:#6094ca;--hop5:#467ab1;--hop6:#375f8b}}
text{font:13px system-ui,sans-serif;fill:var(--ink);paint-order:stroke;stroke:var(--surface);stroke-width:3px;
stroke-linejoin:round}
.of{fill:var(--soft)}.back{fill:var(--surface)}.tie{fill-opacity:.6}.far{fill-opacity:.35}
"""


@dataclass(frozen=True, slots=True)
class Tone:
    """One colour, and what it says in the legend."""

    colour: str
    words: str
    #: The whole description of whoever the words are about.
    more: str = ""


@dataclass(frozen=True, slots=True)
class Colours:
    """The colour of each person by id, and the legend of them all."""

    title: str
    of: Mapping[str, str]
    tones: Sequence[Tone]
    #: Whether people are told apart by hue, so that relations must not be.
    is_hue: bool


def by_hop(excerpt: Excerpt) -> Colours:
    """One hue, from strong for the first people to pale for the last hop."""
    hops = {person.id: min(person.hop, _HOPS) for person in excerpt.people}
    tones = [Tone(f"var(--hop{hop})", f"hop {hop}") for hop in sorted(set(hops.values()))]
    return Colours("people", {person: f"var(--hop{hop})" for person, hop in hops.items()}, tones, is_hue=False)


def by_community(excerpt: Excerpt, communities: Mapping[str, int], ties: Mapping[str, int]) -> Colours:
    """A hue for each of the communities with most people in the picture, each told by its best connected member."""
    sizes = Counter(communities[person.id] for person in excerpt.people)
    shown = [n for n, people in sorted(sizes.items(), key=lambda c: (-c[1], c[0])) if people > 1][:_COMMUNITIES]
    hue = {community: f"var(--c{place})" for place, community in enumerate(shown)}
    best: dict[int, Acquaintance] = {}
    for person in sorted(excerpt.people, key=lambda p: -ties[p.id]):
        best.setdefault(communities[person.id], person)
    tones = [Tone(hue[n], f"{name_of(best[n].text)} and {sizes[n] - 1:,} more", best[n].text) for n in shown]
    rest = sum(people for community, people in sizes.items() if community not in hue)
    if rest:
        tones.append(Tone(OTHERS, f"other communities, {rest:,}"))
    of = {person.id: hue.get(communities[person.id], OTHERS) for person in excerpt.people}
    return Colours("communities around", of, tones, is_hue=True)


def kind_of(kind: str) -> str:
    """The kind, or the last of the list for one that is not in it."""
    return kind if kind in KINDS else KINDS[-1]


def kind_colour(kind: str) -> str:
    """The colour of a kind of relations."""
    return f"var(--c{KINDS.index(kind)})"

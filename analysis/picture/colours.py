"""What is written of a person in a picture, and what the colours mean: the hop, or the community."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...personas.network import Acquaintance, Excerpt
from ...personas.network.network import KINDS
from ..page import markup, short_label

__all__ = [
    "INK",
    "OTHERS",
    "SOFT",
    "SURFACE",
    "Colours",
    "Tone",
    "by_community",
    "by_hop",
    "dark_style",
    "kind_colour",
    "kind_of",
    "name_of",
    "said",
]

#: In a label of few words the age would push out what the person is.
_AGED = re.compile(r"^(?:an?|the)\s+(?:[\w-]+[- ]years?[- ]old|middle-aged)\s+(?=\w)", re.IGNORECASE)
#: Words that promise more, before an ellipsis.
_OPEN = re.compile(r"(?:\s+(?:an?|the|on|of|for|to|and|or|from|by|as|into|few|some|his|her|their))+\u2026$")
_LONGEST = 28


def name_of(text: str) -> str:
    """What a person is, in a few words of the description and without the age.

    >>> name_of("A thirty-one-year-old hotel porter who sleeps badly.")
    'hotel porter'
    """
    return _OPEN.sub("\u2026", short_label(_AGED.sub("", text), _LONGEST))


def said(text: str) -> str:
    """The text for markup, with something visible for what no XML file may hold, whatever a model wrote."""
    return markup(text)


#: More than so many colours nobody tells apart.
_COMMUNITIES = 8
_HOPS = 6
#: Colours are written out, as programs other than browsers know no variables: of type, of the ground, of what matters
#: less, of communities and kinds of relations, and of hops.
INK, SURFACE, SOFT = "#1d2126", "#ffffff", "#66707c"
_HUES = (
    "#2f63c0", "#b85c00", "#26803c", "#b7382f", "#7547ad", "#83562a", "#b83a86", "#0b7f82", "#6f7010", "#8b929b",
)  # fmt: skip
_SHADES = ("#0d2138", "#193f6b", "#285f9b", "#4380bf", "#679fd4", "#8dbae3", "#b0d0ee")
#: The colour of whoever is in none of the communities that have one.
OTHERS = _HUES[9]
#: What a page puts in the place of each in dark surroundings.
_DARK = {
    **dict(zip((INK, SURFACE, SOFT), ("#e9e7e2", "#1d2126", "#a5adb8"), strict=True)),
    **dict(zip(_HUES, (
        "#7ba6f5", "#f0a050", "#6fc482", "#f08a80", "#bb9bf0", "#cba175", "#ee8fc8", "#4fc7c7", "#c5c154", "#7f8894",
    ), strict=True)),
    **dict(zip(_SHADES, ("#f2f7fd", "#cfe2f5", "#a9c9ea", "#82afdc", "#6094ca", "#467ab1", "#375f8b"), strict=True)),
}  # fmt: skip


def dark_style() -> str:
    """The rules by which a page shows pictures in light colours on dark ground; a file of its own has none."""
    rules = (
        f'svg [{paint}="{light}"]{{{paint}:{dark}}}' for light, dark in _DARK.items() for paint in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"


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
    tones = [Tone(_SHADES[hop], f"hop {hop}") for hop in sorted(set(hops.values()))]
    return Colours("people", {person: _SHADES[hop] for person, hop in hops.items()}, tones, is_hue=False)


def by_community(excerpt: Excerpt, communities: Mapping[str, int], ties: Mapping[str, int]) -> Colours:
    """A hue for each of the communities with most people in the picture, each told by its best connected member."""
    sizes = Counter(communities[person.id] for person in excerpt.people)
    shown = [n for n, people in sorted(sizes.items(), key=lambda c: (-c[1], c[0])) if people > 1][:_COMMUNITIES]
    hue = {community: _HUES[place] for place, community in enumerate(shown)}
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
    return _HUES[KINDS.index(kind)]

"""The picture of a hub: who is named where, what the colours and lines say, and what the page holds."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.analysis.picture import Box, Dot, Drawing, name_of, place_labels
from populace.analysis.plot import text_width
from populace.personas.network import Acquaintance, Excerpt, Link

_TEXT = "A bell founder {}, who has forgotten the way to the harbour and says so to everybody."


def town(people: int) -> Excerpt:
    """A ring of people with a hub in its middle."""
    ids = [f"p{n}" for n in range(people)]
    shown = tuple(Acquaintance(i, _TEXT.format(n), n % 7, "en") for n, i in enumerate(ids))
    kinds = ("work", "kinship", "rivalry")
    ring = [Link(i, ids[(n + 1) % people], kinds[n % 3], "rival") for n, i in enumerate(ids)]
    spokes = [Link(ids[0], i, "care", "patient") for i in ids[2:-1:3]]
    links = tuple(link for link in (*ring, *spokes) if link.source != link.target)
    return Excerpt(shown, links, people, len(links))


def drawing(excerpt: Excerpt, communities: dict[str, int] | None = None) -> str:
    """The SVG of the excerpt, as wide as a page."""
    return Drawing(excerpt, communities).svg(1_040.0)


def texts(svg: str) -> Iterator[tuple[float, float, str]]:
    """Where the labels of people are centred, and what they say."""
    for found in re.finditer(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="middle">(.*?)</text>', svg):
        yield float(found[1]), float(found[2]), found[3]


def boxes(svg: str) -> list[Box]:
    return [Box(x - text_width(t, 13) / 2, y - 12, x + text_width(t, 13) / 2, y + 4) for x, y, t in texts(svg)]


@pytest.mark.parametrize("people", [1, 2, 12, *(pytest.param(n, marks=pytest.mark.slow) for n in (120, 600))])
@pytest.mark.parametrize("width", [460.0, 1_040.0])
def test_names_are_whole_within_the_edges_and_apart(people: int, width: float) -> None:
    svg = Drawing(town(people)).svg(width)
    placed = boxes(svg)
    assert placed
    assert all(box.left >= 0 and box.right <= width and box.top >= 0 for box in placed)
    assert not any(a.meets(b) for n, a in enumerate(placed) for b in placed[:n])


@given(st.lists(st.tuples(st.floats(0, 900), st.floats(0, 700), st.floats(1, 12)), max_size=60))
def test_wherever_people_stand_no_name_meets_another_or_the_frame(spots: list[tuple[float, float, float]]) -> None:
    frame = Box(0, 0, 900, 700)
    placed = place_labels([Dot(x, y, r, "keeper of bees") for x, y, r in spots], frame, 13)
    boxes = list(placed.values())
    for n, box in enumerate(boxes):
        assert frame.left <= box.left < box.right <= frame.right
        assert frame.top <= box.top < box.bottom <= frame.bottom
        assert not any(box.meets(other) for other in boxes[:n])


def test_a_line_is_broad_where_it_begins_and_thin_where_it_leads() -> None:
    pair = Excerpt(town(2).people, (Link("p0", "p1", "kinship", "mother"),), 2, 1)
    drawn = ET.fromstring(drawing(pair))
    (line,) = [e for e in drawn.findall(".//{*}path") if (e.findtext("{*}title") or "").startswith("bell founder")]
    corners = [float(n) for n in re.findall(r"-?[\d.]+", line.attrib["d"])]
    broad = abs(corners[0] - corners[6]) + abs(corners[1] - corners[7])
    thin = abs(corners[2] - corners[4]) + abs(corners[3] - corners[5])
    assert broad > 4 * thin
    assert line.findtext("{*}title") == "bell founder 0: the mother is bell founder 1 (kinship)"


def test_there_and_back_are_two_lines_and_a_kind_said_twice_is_one() -> None:
    links = [Link("p0", "p1", "work", "boss"), Link("p0", "p1", "work", "chief"), Link("p1", "p0", "work", "porter")]
    svg = drawing(Excerpt(town(2).people, tuple(links), 2, 3))
    assert len(re.findall(r"<path [^>]*><title>", svg)) == 2


def test_hops_have_shades_and_kinds_have_hues_and_the_legend_says_which() -> None:
    svg = drawing(town(40))
    people = re.findall(r'<circle [^>]*fill="(#\w+)"[^>]*><title>[^<]*\(hop (\d)\)', svg)
    assert len(set(people)) == len({colour for colour, _ in people}) == len({hop for _, hop in people}) == 7
    legend = svg.partition('<text class="of"')[2]
    assert all(f">{words}<" in legend for words in ("hop 0", "hop 6", "1", "4", "care", "kinship", "work"))


def test_communities_have_hues_the_largest_first_and_relations_none() -> None:
    excerpt = town(40)
    communities = {person.id: min(int(person.id[1:]) // 3, 10) for person in excerpt.people}
    svg = drawing(excerpt, communities)
    assert "bell founder 32 and 9 more" in svg
    assert "other communities, 9" in svg
    colours = re.findall(r'<path class="(\w+)" d="[^"]*" fill="([^"]+)" fill-opacity="[^"]+"><title>', svg)
    assert {colour for css, colour in colours if css == "far"} == {"#66707c"}
    assert "kinship</text>" not in svg


def test_a_picture_needs_no_browser_for_its_colours() -> None:
    svg = drawing(town(40))
    assert not re.search(r"var\(|currentColor|<style|prefers-color-scheme", svg)
    painted = [e for e in ET.fromstring(svg).iter() if e.tag.rpartition("}")[2] in ("rect", "circle", "path")]
    assert painted
    assert all(re.fullmatch("#[0-9a-f]{6}|none", e.attrib["fill"]) for e in painted)


def test_a_picture_of_a_few_of_many_says_so_on_itself() -> None:
    some = town(40)
    legend = drawing(Excerpt(some.people, some.links, 88_000, 200_000)).partition('<text class="of"')[2]
    assert "Drawn: 40 of 88,000 people" in legend
    assert "Drawn:" not in drawing(some)


@pytest.mark.slow
def test_the_same_excerpt_gives_the_same_picture() -> None:
    assert drawing(town(90)) == drawing(town(90))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A thirty-one-year-old hotel porter who sleeps badly.", "hotel porter"),
        ("A 31-year-old porter.", "porter"),
        ("A school choir leader from the old town of Bruges.", "school choir leader\u2026"),
        ("\u7267\u7f8a\u4eba\uff0c\u4f4f\u5728\u5c71\u91cc\u3002", "\u7267\u7f8a\u4eba"),
    ],
)
def test_a_name_says_what_the_person_is(text: str, name: str) -> None:
    assert name_of(text) == name


@pytest.mark.parametrize("width", [460.0, 1_040.0])
def test_a_note_stands_below_the_legend_in_whole(width: float) -> None:
    note = "Text by the procedural stand-in: no language model wrote it, and it says nothing about people."
    rows = re.findall(r'<text class="of"[^>]*>(.*?)</text>', Drawing(town(12), note=note).svg(width))
    assert note in " ".join(rows)
    assert all(text_width(row, 13) < width for row in rows)

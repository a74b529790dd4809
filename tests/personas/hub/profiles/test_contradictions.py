"""Rules that find where two profiles do not fit the tie between them."""

from datetime import datetime
from typing import Any

import pytest
from profile_answers import answered, known

from populace.personas.hub.file import HubFile
from populace.personas.hub.profiles import (
    RULES,
    check_again,
    find_contradictions,
    findings_to_ask,
    unjudged,
    write_profiles,
)
from populace.personas.persona import Persona
from populace.personas.profiles.profile import parse_profile

type People = tuple[Persona, Persona, Persona]


def tie(hub: HubFile, source: Persona, target: Persona, label: str, kind: str = "kinship") -> None:
    hub.con.execute("INSERT INTO relations VALUES (1, ?, ?, ?, ?, 1)", [source.id, target.id, kind, label])


def profiled(hub: HubFile, persona: Persona, noon: datetime, **attributes: Any) -> None:
    profile = parse_profile(answered(**attributes), persona, model="m", prompt="profile@1")
    write_profiles(hub.con, [profile], noon)


def found(hub: HubFile, people: People, noon: datetime) -> list[tuple[str, str]]:
    find_contradictions(hub.con, [p.id for p in people], noon)
    return hub.con.execute("SELECT rule, status FROM contradictions ORDER BY rule").fetchall()


BANDS = ("0-9", "20-29", "40-49", "80-89")


@pytest.mark.parametrize(
    ("label", "source", "target", "rule"),
    [
        ("mother", "40-49", "40-49", "parent_age"),
        ("elderly father", "40-49", "30-39", "parent_age"),
        ("mother", "40-49", "50-59", None),
        ("Father", "0-9", "20-29", None),
        ("youngest daughter", "40-49", "50-59", "child_age"),
        ("son", "40-49", "10-19", None),
        ("grandmother", "20-29", "30-39", "grandparent_age"),
        ("grandson", "60-69", "50-59", "grandchild_age"),
        ("younger brother", "10-19", "60-69", "sibling_age"),
        ("sister", "10-19", "30-39", None),
        ("husband", "0-9", "30-39", "spouse_age"),
        ("stepmother", "40-49", "30-39", None),
        ("mother-in-law", "40-49", "40-49", None),
        ("foster son", "40-49", "50-59", None),
        ("mother of her pupil", "40-49", "30-39", None),
        ("great-grandson", "60-69", "50-59", None),
    ],
)
def test_ages_must_fit_the_label(
    hub: HubFile, people: People, noon: datetime, label: str, source: str, target: str, rule: str | None
) -> None:
    one, other, _ = people
    tie(hub, one, other, label)
    profiled(hub, one, noon, age_band=known(source))
    profiled(hub, other, noon, age_band=known(target))
    assert [name for name, _ in found(hub, people, noon)] == ([rule] if rule else [])


@pytest.mark.parametrize("child", [*BANDS[1:3], *(pytest.param(band, marks=pytest.mark.slow) for band in BANDS[::3])])
def test_a_tie_is_judged_alike_from_either_side(hub: HubFile, people: People, noon: datetime, child: str) -> None:
    one, other, _ = people
    tie(hub, one, other, "mother")
    tie(hub, other, one, "daughter")
    profiled(hub, one, noon, age_band=known(child))
    for parent in BANDS:
        profiled(hub, other, noon, age_band=known(parent))
        assert len(found(hub, people, noon)) == (2 if BANDS.index(parent) <= BANDS.index(child) else 0), parent


def test_a_tie_of_work_says_nothing_of_kin(hub: HubFile, people: People, noon: datetime) -> None:
    one, other, _ = people
    tie(hub, one, other, "mother", "work")
    for persona in (one, other):
        profiled(hub, persona, noon, age_band=known("40-49"))
    assert found(hub, people, noon) == []


def test_a_child_is_nobodys_boss(hub: HubFile, people: People, noon: datetime) -> None:
    one, _, boy = people
    tie(hub, one, boy, "new boss", "work")
    profiled(hub, one, noon, age_band=known("40-49"))
    profiled(hub, boy, noon, age_band=known("0-9", "stated", "of nine"))
    assert found(hub, people, noon) == [("colleague_age", "open")]


def test_kin_share_a_language_whatever_its_region(hub: HubFile, people: People, noon: datetime) -> None:
    one, other, boy = people
    tie(hub, one, other, "mother")
    tie(hub, one, boy, "son")
    for persona, tags in ((one, ["pt-BR", "en"]), (other, ["pt"]), (boy, ["no"])):
        profiled(hub, persona, noon, languages=known(tags))
    assert found(hub, people, noon) == [("no_common_language", "open")]


@pytest.mark.parametrize(("region", "rules"), [("Bavaria", 0), ("the Bavarian Alps", 0), ("Å in Norway", 1), ("Y", 0)])
def test_neighbours_live_in_one_place(hub: HubFile, people: People, noon: datetime, region: str, rules: int) -> None:
    one, other, _ = people
    tie(hub, one, other, "next-door neighbour", "neighbourhood")
    profiled(hub, one, noon, region=known("a village in Bavaria"))
    profiled(hub, other, noon, region=known(region))
    assert len(found(hub, people, noon)) == rules


@pytest.mark.parametrize(
    ("there", "back", "kind", "status"),
    [
        ((0, 1, "wife"), (1, 2, "husband"), "kinship", [("spouse_of_another", "kept")]),
        ((0, 1, "wife"), (1, 0, "husband"), "kinship", []),
        ((0, 1, "wife"), (1, 0, "brother"), "kinship", [("spouse_otherwise", "kept")]),
        ((0, 1, "employer"), (1, 0, "boss"), "work", [("mutual_employers", "kept")]),
    ],
)
def test_two_ties_must_fit_each_other(
    hub: HubFile, people: People, noon: datetime, there: Any, back: Any, kind: str, status: list[tuple[str, str]]
) -> None:
    for source, target, label in (there, back):
        tie(hub, people[source], people[target], label, kind)
    for persona in people:
        profiled(hub, persona, noon)
    assert found(hub, people, noon) == status


def test_labels_are_read_in_the_languages_of_the_two(hub: HubFile, people: People, noon: datetime) -> None:
    one, other, third = people
    hub.con.execute("UPDATE personas SET language = 'de-CH' WHERE id = ?", [other.id])
    for persona in people:
        profiled(hub, persona, noon, age_band=known("40-49"))
    tie(hub, one, other, "Mutter")
    tie(hub, one, third, "Mutter")
    tie(hub, one, third, "мать")
    assert found(hub, people, noon) == [("parent_age", "open")]
    assert unjudged(hub.con, [p.id for p in people]) == 2
    assert unjudged(hub.con, [other.id]) == 0


def test_who_is_less_evident_is_asked_again_and_told_of_the_other(hub: HubFile, people: People, noon: datetime) -> None:
    one, other, _ = people
    tie(hub, one, other, "mother")
    profiled(hub, one, noon, age_band=known("40-49", "stated", "in her forties"))
    profiled(hub, other, noon, age_band=known("30-39", "implied", "retired"))
    assert found(hub, people, noon) == [("parent_age", "open")]
    (finding,) = findings_to_ask(hub.con, [p.id for p in people])
    assert (finding.asked, finding.other) == (other.id, one.id)
    assert "The mother is aged 30-39" in finding.text
    assert "the first of the two; the other: A ferry mechanic" in finding.text


def test_where_both_state_it_nobody_is_asked(hub: HubFile, people: People, noon: datetime) -> None:
    one, other, _ = people
    tie(hub, one, other, "mother")
    profiled(hub, one, noon, age_band=known("40-49", "stated", "in her forties"))
    profiled(hub, other, noon, age_band=known("30-39", "stated", "retired teacher"))
    assert found(hub, people, noon) == [("parent_age", "kept")]
    assert findings_to_ask(hub.con, [p.id for p in people]) == []


def test_only_those_of_the_job_are_asked(hub: HubFile, people: People, noon: datetime) -> None:
    one, other, third = people
    tie(hub, one, other, "mother")
    profiled(hub, one, noon, age_band=known("40-49"))
    profiled(hub, other, noon, age_band=known("30-39"))
    assert find_contradictions(hub.con, [third.id], noon) == 0
    find_contradictions(hub.con, [one.id], noon)
    assert [f.asked for f in findings_to_ask(hub.con, [one.id, other.id])] == [one.id]


@pytest.mark.parametrize(("age", "status"), [("70-79", "resolved"), ("20-29", "kept")])
def test_what_is_asked_again_is_resolved_or_kept(
    hub: HubFile, people: People, noon: datetime, age: str, status: str
) -> None:
    one, other, _ = people
    tie(hub, one, other, "mother")
    profiled(hub, one, noon, age_band=known("40-49", "stated", "in her forties"))
    profiled(hub, other, noon, age_band=known("30-39"))
    assert found(hub, people, noon) == [("parent_age", "open")]
    profiled(hub, other, noon, age_band=known(age))
    check_again(hub.con, [p.id for p in people], noon)
    assert hub.con.execute("SELECT status FROM contradictions").fetchall() == [(status,)]


def test_looking_again_finds_the_same_once(hub: HubFile, people: People, noon: datetime) -> None:
    one, other, _ = people
    tie(hub, one, other, "mother")
    for persona in (one, other):
        profiled(hub, persona, noon, age_band=known("40-49"))
    assert found(hub, people, noon) == found(hub, people, noon) == [("parent_age", "open")]


def test_a_tie_to_a_near_duplicate_is_a_tie_to_the_one_who_lives(hub: HubFile, people: People, noon: datetime) -> None:
    one, other, copy = people
    tie(hub, one, copy, "mother")
    hub.con.execute(
        "INSERT INTO duplicates VALUES ('persona', NULL, ?, ?, NULL, NULL, 'minhash', 0.95, false)", [copy.id, other.id]
    )
    for persona in (one, other):
        profiled(hub, persona, noon, age_band=known("40-49"))
    assert found(hub, people, noon) == [("parent_age", "open")]


def test_the_tables_comment_names_every_rule(hub: HubFile) -> None:
    query = "SELECT comment FROM duckdb_columns() WHERE table_name = 'contradictions' AND column_name = 'rule'"
    ((comment,),) = hub.con.execute(query).fetchall()
    assert all(rule in comment for rule in RULES)

"""Profiles in a hub: kept, replaced, asked in SQL, and read for the prompts of others."""

from dataclasses import replace
from datetime import datetime, timedelta

from profile_answers import answered, known

from populace.personas.hub.file import HubFile
from populace.personas.hub.profiles import read_done, read_tied, read_values, write_elites, write_profiles
from populace.personas.persona import Persona
from populace.personas.profiles import ATTRIBUTES, Change, Elite, Profile, Tier, parse_profile
from populace.personas.selection.selection import choose_people

type People = tuple[Persona, Persona, Persona]

FULL = answered(
    age_band=known("40-49", "stated", "in her forties"),
    occupation=known("ferry mechanic", "stated", "ferry mechanic"),
    occupation_group=known(7, "implied", "mechanic"),
    languages=known(["no", "en"]),
    values=known(["security", "benevolence"]),
    favourite_number=known(11),
    life_events=known(["The ferry was sold."]),
)


def profile(persona: Persona, answer: dict[str, object] = FULL) -> Profile:
    return parse_profile(answer, persona, model="m", prompt="profile@1")


def raised(original: Persona) -> Elite:
    persona = Persona(
        "A mechanic whose engines never stop.", origin="persona", parent=original.id, model="m", prompt="raise@1"
    )
    changes = (Change(before="", after="engines never stop", why="They do not."),)
    return Elite(persona, original.id, "diesel engines", Tier.ONE_PERCENT, "Engineering", "Engines", changes)


def test_a_profile_is_one_column_an_attribute_and_comes_back_as_it_was(
    hub: HubFile, people: People, noon: datetime
) -> None:
    write_profiles(hub.con, [profile(people[0])], noon)
    assert read_values(hub.con, [people[0].id, people[1].id]) == {
        people[0].id: {name: FULL[name]["value"] for name in ATTRIBUTES}
    }


def test_sql_asks_attributes_and_their_evidence(hub: HubFile, people: People, noon: datetime) -> None:
    write_profiles(hub.con, [profile(people[0])], noon)
    found = hub.con.execute("""
        SELECT title, evidence->>'$.age_band.words', evidence->>'$.household.evidence'
        FROM profiles JOIN occupation_groups USING (occupation_group)
        WHERE age_band = '40-49' AND 'security' IN values AND list_contains(languages, 'no')
    """).fetchall()
    assert found == [("Craft and related trades workers", "in her forties", "unknown")]


def test_a_later_profile_takes_the_place_of_the_earlier(hub: HubFile, people: People, noon: datetime) -> None:
    write_profiles(hub.con, [profile(people[0]), profile(people[1], answered())], noon)
    write_profiles(hub.con, [profile(people[0], answered(favourite_number=known(3)))], noon)
    assert hub.con.execute("SELECT count(*), sum(favourite_number) FROM profiles").fetchall() == [(2, 3)]


def test_who_was_done_before_is_told_by_the_time(hub: HubFile, people: People, noon: datetime) -> None:
    ids = [p.id for p in people]
    write_profiles(hub.con, [profile(people[0])], noon)
    assert read_done(hub.con, "profiles", ids, before=noon) == set()
    assert read_done(hub.con, "profiles", ids, before=noon + timedelta(seconds=1)) == {people[0].id}


def test_tied_people_are_kin_first_whichever_way_the_relation_leads(
    hub: HubFile, people: People, noon: datetime
) -> None:
    one, other, boy = people
    hub.con.execute("INSERT INTO relations VALUES (1, ?, ?, 'work', 'colleague', 1)", [one.id, other.id])
    hub.con.execute("INSERT INTO relations VALUES (2, ?, ?, 'kinship', 'mother', 1)", [boy.id, one.id])
    write_profiles(hub.con, [profile(other, answered(age_band=known("60-69")))], noon)
    tied = read_tied(hub.con, [one.id])[one.id]
    assert [(t.persona, t.label, t.is_theirs) for t in tied] == [
        (boy.id, "mother", False),
        (other.id, "colleague", True),
    ]
    assert tied[0].told("k1") == "k1: this person is their mother: A boy of nine who collects stamps."
    assert tied[1].values["age_band"] == "60-69"


def test_a_raised_persona_joins_the_hub_once_and_the_original_stays(
    hub: HubFile, people: People, noon: datetime
) -> None:
    for _ in range(2):
        write_elites(hub.con, [raised(people[0])], noon)
    found = hub.con.execute("""
        SELECT p.ordinal, p.parent, e.original, e.tier, e.changes->>'$[0].after'
        FROM elites e JOIN personas p ON p.id = e.persona
    """).fetchall()
    assert found == [(4, people[0].id, people[0].id, "1%", "engines never stop")]
    assert hub.con.execute("SELECT count(*) FROM personas").fetchall() == [(4,)]


def test_two_who_are_raised_to_one_text_are_one_persona_with_two_originals(
    hub: HubFile, people: People, noon: datetime
) -> None:
    write_elites(hub.con, [raised(people[0]), replace(raised(people[0]), original=people[1].id)], noon)
    assert hub.con.execute("SELECT count(DISTINCT persona), count(*) FROM elites").fetchall() == [(1, 2)]


def test_those_who_lack_a_profile_are_chosen_and_near_duplicates_are_not(
    hub: HubFile, people: People, noon: datetime
) -> None:
    write_profiles(hub.con, [profile(people[0])], noon)
    hub.con.execute(
        "INSERT INTO duplicates VALUES ('persona', NULL, ?, ?, NULL, NULL, 'minhash', 0.95, false)",
        [people[2].id, people[1].id],
    )
    assert choose_people(hub.con, lacking=["profiles"]) == [people[1].id]
    assert choose_people(hub.con, lacking=["profiles", "biographies"]) == [p.id for p in people[:2]]
    assert choose_people(hub.con, where="occupation = 'ferry mechanic'") == [people[0].id]


def test_a_sample_is_no_beginning_and_the_same_for_the_same_seed(hub: HubFile, people: People) -> None:
    samples = [tuple(choose_people(hub.con, n=1, seed=seed)) for seed in range(20)]
    assert samples == [tuple(choose_people(hub.con, n=1, seed=seed)) for seed in range(20)]
    assert len(set(samples)) == 3

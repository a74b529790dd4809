"""What the stand-in finds in a description: signs that are there, and little else."""

import random
import re

import pytest
from hub_people import townsfolk

from populace.agents.procedural.chat import propose_answer
from populace.agents.procedural.growth import biography, profile_of, raise_person
from populace.agents.procedural.situation import Situation
from populace.agents.schema_fill import fill_schema
from populace.personas.persona import Persona
from populace.personas.profiles import parse_profile
from populace.personas.profiles.profile import profile_schema


@pytest.mark.parametrize(
    ("text", "band", "evidence"),
    [
        ("A forty-two-year-old baker who sings.", "40-49", "stated"),
        ("A 7-year-old who draws maps.", "0-9", "stated"),
        ("A baker in her late sixties.", "60-69", "stated"),
        ("A girl just turned ten.", "10-19", "stated"),
        ("A boy not yet ten who draws maps.", "0-9", "implied"),
        ("A baker close to fifty.", "40-49", "implied"),
        ("A retired baker who sings.", "60-69", "implied"),
        ("A baker past thirty-five bridges who sings.", "30-39", "stated"),
        ("A baker who sings past midnight.", None, "unknown"),
    ],
)
def test_an_age_is_read_from_its_words(text: str, band: str | None, evidence: str) -> None:
    age = profile_of(text)["age_band"]
    assert (age["value"], age["evidence"]) == (band, evidence)
    assert age["words"] in text


def test_every_profile_of_two_hundred_people_is_taken_over_as_it_is() -> None:
    for persona in townsfolk(200)[0]:
        assert parse_profile(profile_of(persona.text), persona, model="procedural", prompt="p@1").persona == persona.id


def test_the_filler_writes_the_profile_unknowns_included() -> None:
    text = "A baker who sings."
    rng = random.Random(1)
    given = propose_answer(rng, Situation(persona=text), profile_schema(), "profile", {})
    filled = fill_schema(profile_schema(), rng, lambda *_: "words", given)
    assert filled == profile_of(text)
    assert filled["age_band"] == {"words": "", "evidence": "unknown", "value": None}
    parse_profile(filled, Persona(text), model="procedural", prompt="p@1")


def test_the_same_person_is_assumed_to_be_the_same() -> None:
    text = "A baker who sings."
    assert profile_of(text) == profile_of(text)
    assert profile_of(text)["openness"]["evidence"] == "assumed"


@pytest.mark.parametrize("text", ["船上长大的渔民。", "", "???", "Someone"])
def test_what_it_cannot_read_is_unknown(text: str) -> None:
    profile = profile_of(text)
    assert all(a["words"] in text for a in profile.values())
    assert profile["age_band"]["value"] is None


def test_a_biography_has_no_slot_left_and_speaks_of_known_people_alone() -> None:
    known = (("k1", "this person's mother: A retired teacher."), ("k2", "this person is their tenant: A landlord."))
    for seed, persona in enumerate(townsfolk(30)[0]):
        life = biography(random.Random(seed), Situation(persona=persona.text, known=known), {})
        assert not re.search(r"[{}]", life["text"])
        assert len(life["text"].encode()) >= 1_200
        assert life["mentions"] == ["k1", "k2"]
        assert "the mother and somebody whose tenant this is" in life["text"]


@pytest.mark.parametrize(("profile", "age"), [("aged 40-49; a baker", 49), ("aged 90+", 99), ("a baker", None)])
def test_a_biography_has_an_age_of_the_known_decade_and_states_nothing_else(profile: str, age: int | None) -> None:
    situation = Situation(persona="A baker by the harbour.", profile=profile)
    life = biography(random.Random(3), situation, {})
    assert life["age"] == age
    assert {life[name] for name in ("region", "occupation", "household", "children")} == {None}


@pytest.mark.parametrize(
    ("persona", "years"),
    [
        ("A schoolboy aged ten who swaps football cards.", "three years"),
        ("A retired baker in her seventies.", "fifty years"),
    ],
)
def test_years_of_practice_fit_the_age(persona: str, years: str) -> None:
    answer = raise_person(random.Random(2), Situation(persona=persona, skill="chess"), {})
    assert f"after {years} of practice" in answer["persona"]
    assert "chess" in answer["persona"]

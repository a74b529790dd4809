"""The people the procedural model grows: from texts and from people, plausible and unlike one another."""

import random
import re
from collections.abc import Sequence
from typing import Any

import pytest

from populace.agents.procedural.chat import GENERATORS
from populace.agents.procedural.growth import Relatives, Sketch, describe, describe_parts, persona_to_persona
from populace.agents.procedural.lexicon import article, read_lexicon, third_person
from populace.agents.procedural.situation import Situation, language_of, portrait_of
from populace.personas import find_duplicates
from populace.personas.persona import RelationKind

KINDS = [str(kind) for kind in RelationKind]
FERRY = "The ferry crosses twice a day. When the engine fails, the island waits, and the mechanic is sent for."
BAKER = "A night-shift baker in her fifties who worries about an oven that loses heat."
NURSE = "A hospital nurse in his thirties who notices what the monitors miss."
TEACHER = "A primary-school teacher in his forties who buys pencils."
GIRL = "A schoolgirl aged nine who walks an hour to school."
STAGES = ("child", "young", "adult", "old")


def readers(passage: str, count: int = 2, seed: int = 0) -> list[str]:
    schema = {"properties": {"personas": {"type": "array", "minItems": count}}}
    answer = GENERATORS["text_to_persona"](random.Random(seed), Situation(passage=passage), schema)
    assert answer is not None
    return [entry["persona"] for entry in answer["personas"]]


def relatives(persona: str, count: int = 3, seed: int = 0, known: Sequence[str] = ()) -> list[dict[str, Any]]:
    keys = [f"k{number}" for number in range(1, len(known) + 1)]
    tie = {"properties": {"kind": {"enum": KINDS}, "who": {"enum": ["new", *keys]}}}
    schema = {"properties": {"relations": {"minItems": count}}, "$defs": {"Tie": tie}}
    situation = Situation(persona=persona, known=tuple(zip(keys, known, strict=True)))
    return list(persona_to_persona(random.Random(seed), situation, schema)["relations"])


def grown(count: int) -> list[str]:
    people = [text for seed in range(20) for text in readers(FERRY, seed=seed)]
    for place in range(count):
        if len(people) >= count:
            break
        people += [relation["persona"] for relation in relatives(people[place], seed=place)]
    return people[:count]


def test_two_thousand_grown_people_are_hardly_ever_near_duplicates() -> None:
    people = grown(2000)
    assert len(people) == 2000
    assert len(find_duplicates(people)) <= 40


def test_descriptions_are_one_or_two_sentences_about_one_person() -> None:
    for text in grown(300):
        assert re.match(r"An? [a-z]", text)
        assert text.endswith(".")
        assert 10 <= len(text.split()) <= 46
        assert len(re.findall(r"\. [A-Z]", text)) <= 1
        assert not set("{}~|<>") & set(text)


def test_every_sentence_of_every_role_and_stage_is_filled() -> None:
    rng = random.Random(3)
    for role in read_lexicon().roles.values():
        for stage in role.ages:
            for rank in ("", "retired") if stage == "old" else ("",):
                text = describe(rng, Sketch(role, stage, rng.choice("fm"), rank=rank))
                assert role.name in text
                parts = describe_parts(rng, Sketch(role, stage, rng.choice("fm"), rank=rank))
                assert all(parts.values())
                assert portrait_of(text).role.name == role.name or role.name in portrait_of(text).role.name


def test_a_passage_calls_to_mind_people_of_its_own_trade() -> None:
    people = [text for seed in range(15) for text in readers(FERRY, seed=seed)]
    assert sum("ferry" in text or "mechanic" in text for text in people) > len(people) / 5
    assert len({portrait_of(text).role.name for text in people}) > 5


@pytest.mark.parametrize(
    ("passage", "language"),
    [
        ("夜勤明けのパン屋で、祖母は毎朝同じ席に座っていた。", "Japanese"),
        ("凌晨四点，市场的灯先亮。", "Chinese"),
        ("Le boulanger se lève à deux heures ; la pâte n'attend pas, dit-il.", "French"),
    ],
)
def test_readers_of_a_passage_speak_its_language(passage: str, language: str) -> None:
    assert language_of(passage) == language
    assert all(f"speaks {language} at home" in text for text in readers(passage))


def test_relations_differ_and_have_kinds_of_the_schema() -> None:
    for seed in range(40):
        relations = relatives(BAKER, count=5, seed=seed)
        assert len({r["label"] for r in relations}) == 5
        assert {r["kind"] for r in relations} <= set(KINDS)
        assert len({r["kind"] for r in relations}) >= 2


def test_a_label_and_the_person_behind_it_agree() -> None:
    ages = {"grandmother": ("old",), "daughter": ("child",), "pupil": ("child",), "mother": ("adult", "old")}
    seen: set[str] = set()
    for persona in (BAKER, TEACHER, GIRL):
        for seed in range(120):
            for relation in relatives(persona, seed=seed):
                if relation["label"] in ages:
                    seen.add(relation["label"])
                    assert portrait_of(relation["persona"]).stage in ages[relation["label"]], relation
    assert seen == ages.keys()


def test_a_child_has_no_children_no_spouse_no_work_and_no_customers() -> None:
    labels = {relation["label"] for seed in range(80) for relation in relatives(GIRL, seed=seed)}
    grown_up = {"daughter", "son", "wife", "husband", "granddaughter", "regular customer", "landlord", "trainee"}
    assert not labels & (grown_up | {"colleague", "competitor", "former boss"})
    assert labels & {"mother", "father", "grandmother"}


def test_a_prisoner_has_no_customers_and_a_statistician_none_either() -> None:
    for persona in ("A prisoner in his thirties who counts Sundays.", "A statistician who draws error bars."):
        labels = {relation["label"] for seed in range(80) for relation in relatives(persona, seed=seed)}
        assert not labels & {"regular customer", "customer with an unpaid bill", "competitor"}


def test_a_nurses_patient_is_ill_and_a_bakers_supplier_mills() -> None:
    patients = [r["persona"] for s in range(60) for r in relatives(NURSE, seed=s) if r["label"] == "patient"]
    suppliers = [r["persona"] for s in range(60) for r in relatives(BAKER, seed=s) if r["label"] == "supplier"]
    assert patients
    assert all(re.search(r"recovering from|lives with|in treatment for", p) for p in patients)
    assert any("miller" in s for s in suppliers)


def test_people_who_already_live_there_are_taken_up_at_times_and_not_described_again() -> None:
    known = ("A retired sign painter who letters lorries freehand.", "A goat herder who makes cheese under a tree.")
    relations = [r for seed in range(100) for r in relatives(BAKER, seed=seed, known=known)]
    taken = [r for r in relations if r["who"] != "new"]
    assert 0.1 < len(taken) / len(relations) < 0.4
    assert all(r["persona"] is None for r in taken)


def test_every_role_is_complete_and_every_relation_leads_to_roles_there_are() -> None:
    known = read_lexicon()
    ties = [t for f in known.fields.values() for t in f.ties] + [t for r in known.roles.values() for t in r.ties]
    ties += known.ties
    assert len(known.roles) >= 150
    assert {role.field for role in known.roles.values()} == known.fields.keys()
    assert all(len(r.things) >= 3 and len(r.does) >= 3 and r.worries and r.knows for r in known.roles.values())
    assert {name for tie in ties for name in tie.who} <= {"any", "same", "trainee"} | known.roles.keys()
    assert {tie.kind for tie in ties} == set(KINDS)
    assert {tie.whose for tie in ties} <= {"all", "grown", "free", "working", "trading", "child", "old"}


def test_a_relation_of_a_kind_that_is_asked_for_is_found_for_everybody() -> None:
    for stage in STAGES:
        role = next(r for r in read_lexicon().roles.values() if stage in r.ages)
        persona = describe(random.Random(1), Sketch(role, stage, "f"))
        for kind in KINDS:
            assert Relatives(random.Random(2), persona).draw([kind])["kind"] == kind


@pytest.mark.parametrize(
    ("base", "third"),
    [
        ("go home", "goes home"),
        ("wash and ~feed", "washes and feeds"),
        ("never ask", "never asks"),
        ("carry", "carries"),
        ("be new", "is new"),
        ("have moved", "has moved"),
    ],
)
def test_verbs_follow_their_person(base: str, third: str) -> None:
    assert third_person(base) == third


@pytest.mark.parametrize(
    "noun",
    [
        "an orchard keeper",
        "a university lecturer",
        "an unemployed machinist",
        "an hour",
        "a one-eyed cat",
        "an umbrella",
    ],
)
def test_articles_follow_the_sound(noun: str) -> None:
    assert article(noun.split(" ", 1)[1]) == noun

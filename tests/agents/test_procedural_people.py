"""The people the procedural model grows: from texts and from people, plausible and unlike one another."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from populace.agents.procedural import ProceduralModel
from populace.agents.procedural.audience import tongue_of
from populace.agents.procedural.english import article, third_person
from populace.agents.procedural.lexicon import lexicon
from populace.agents.procedural.portrait import portrait_of
from populace.personas.persona import RelationKind
from populace.personas.prompt import RenderedPrompt, fence, load_prompt

KINDS = [str(kind) for kind in RelationKind]
FERRY = "The ferry crosses twice a day. When the engine fails, the island waits, and the mechanic is sent for."
BAKER = "A night-shift baker in her fifties who worries about an oven that loses heat."
GIRL = "A nine-year-old schoolgirl who walks an hour to school along the dyke."


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def several(name: str, item: dict[str, Any], count: int) -> dict[str, Any]:
    return closed(**{name: {"type": "array", "items": item, "minItems": count, "maxItems": count}})


def ask(prompt: RenderedPrompt, schema: dict[str, Any], seed: int) -> Any:
    kinds = {"system": SystemMessage, "user": HumanMessage}
    asked: list[BaseMessage] = [kinds[role](text) for role, text in prompt.messages]
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    return json.loads(
        str(ProceduralModel()._generate(asked, response_format=form, seed=seed).generations[0].message.content)
    )


def readers(passage: str, verb: str = "read", count: int = 2, grain: str = "specific", seed: int = 0) -> list[str]:
    prompt = load_prompt("populace.personas", "text_to_persona")
    rendered = prompt.render(
        passage=fence("passage", passage),
        verb=verb,
        count=str(count),
        granularity=prompt.phrase("granularity", grain),
        form="",
        language="English",
    )
    answer = ask(rendered, several("personas", closed(persona={"type": "string"}), count), seed)
    return [entry["persona"] for entry in answer["personas"]]


def circle(persona: str, count: int = 3, seed: int = 0, known: Sequence[str] = ()) -> list[dict[str, str]]:
    entry = {
        "label": {"type": "string"},
        "kind": {"type": "string", "enum": KINDS},
        "persona": {"type": "string"},
    }
    if known:
        entry["who"] = {"type": "string", "enum": ["new", *(f"k{i}" for i in range(1, len(known) + 1))]}
    prompt = load_prompt("populace.personas", "persona_to_persona")
    rendered = prompt.render(
        persona=fence("persona", persona),
        known=fence("known", "\n".join(f"k{i}: {text}" for i, text in enumerate(known, 1))),
        known_rule="",
        visibility=prompt.phrase("visibility", "low"),
        kinds="",
        count=str(count),
        language="English",
    )
    relations: list[dict[str, str]] = ask(rendered, several("relations", closed(**entry), count), seed)["relations"]
    return relations


def grown(count: int) -> list[str]:
    people = [text for seed in range(20) for text in readers(FERRY, seed=seed)]
    for place in range(count):
        if len(people) >= count:
            break
        people += [relation["persona"] for relation in circle(people[place], seed=place)]
    return people[:count]


def near_duplicates(texts: Sequence[str], threshold: Fraction = Fraction(9, 10)) -> int:
    """How many texts have an earlier one with a Jaccard index of at least `threshold` over word sets."""
    sets = [frozenset(re.findall(r"\w+", text.casefold())) for text in texts]
    counted = Counter(word for words in sets for word in words)
    index: defaultdict[str, list[int]] = defaultdict(list)
    found = 0
    for place, words in enumerate(sets):
        rarest = sorted(words, key=lambda word: (counted[word], word))
        prefix = rarest[: len(words) - -(-threshold.numerator * len(words) // threshold.denominator) + 1]
        candidates = {earlier for word in prefix for earlier in index[word]}
        found += any(Fraction(len(words & sets[c]), len(words | sets[c])) >= threshold for c in candidates)
        for word in prefix:
            index[word].append(place)
    return found


def test_two_thousand_grown_people_are_hardly_ever_near_duplicates() -> None:
    people = grown(2000)
    assert len(people) == 2000
    assert near_duplicates(people) <= 40


def test_the_count_of_near_duplicates_is_exact() -> None:
    words = [f"w{i}" for i in range(20)]
    texts = [" ".join(words), " ".join(words[:19]), " ".join([*words[:17], "x", "y", "z"]), "something else"]
    assert near_duplicates(texts) == 1


def test_descriptions_are_one_or_two_sentences_about_one_person() -> None:
    for text in grown(300):
        assert re.match(r"An? [a-z]", text)
        assert text.endswith(".")
        assert 12 <= len(text.split()) <= 46
        assert len(re.findall(r"\. [A-Z]", text)) <= 1
        assert not set("{}~|<>") & set(text)


def test_a_passage_calls_to_mind_people_of_its_own_trade() -> None:
    people = [text for seed in range(15) for text in readers(FERRY, seed=seed)]
    assert sum("ferry" in text or "mechanic" in text for text in people) > len(people) / 4
    assert len({portrait_of(text).role.name for text in people}) > 5


@pytest.mark.parametrize(("verb", "told"), [("write", "notebook"), ("like", "love"), ("dislike", "enough of")])
def test_the_verb_of_the_question_is_heeded(verb: str, told: str) -> None:
    assert told in " ".join(text for seed in range(25) for text in readers(FERRY, verb, seed=seed))


def test_length_follows_the_granularity_asked_for() -> None:
    short = [len(t.split()) for seed in range(10) for t in readers(FERRY, grain="broad", seed=seed)]
    long = [len(t.split()) for seed in range(10) for t in readers(FERRY, grain="detailed", seed=seed)]
    assert max(short) <= 46
    assert min(long) >= 38
    assert sum(short) < sum(long)


@pytest.mark.parametrize(
    ("passage", "tongue", "quote"),
    [
        ("夜勤明けのパン屋で、祖母は毎朝同じ席に座っていた。", "Japanese", "夜勤明けのパン屋で"),
        ("凌晨四点，市场的灯先亮。", "Chinese", "凌晨四点"),
        ("Le boulanger se lève à deux heures ; la pâte n'attend pas, dit-il.", "French", "pas"),
    ],
)
def test_a_passage_in_another_language_is_quoted(passage: str, tongue: str, quote: str) -> None:
    assert tongue_of(passage) == tongue
    people = " ".join(text for seed in range(8) for text in readers(passage, seed=seed))
    assert quote in people
    assert tongue in people


def test_relations_differ_and_have_kinds_of_the_schema() -> None:
    for seed in range(40):
        relations = circle(BAKER, count=5, seed=seed)
        assert len({r["label"] for r in relations}) == 5
        assert {r["kind"] for r in relations} <= set(KINDS)
        assert len({r["kind"] for r in relations}) >= 2


def test_a_label_and_the_person_behind_it_agree() -> None:
    ages = {
        "grandmother": ("old",),
        "daughter": ("child", "young"),
        "pupil": ("child",),
        "mother": ("adult", "old"),
    }
    seen: set[str] = set()
    for persona in (BAKER, "A primary-school teacher in his forties who buys pencils.", GIRL):
        for seed in range(120):
            for relation in circle(persona, seed=seed):
                if relation["label"] in ages:
                    seen.add(relation["label"])
                    assert portrait_of(relation["persona"]).stage in ages[relation["label"]], relation
    assert seen == ages.keys()


def test_a_child_has_no_children_no_spouse_and_no_customers() -> None:
    labels = {relation["label"] for seed in range(80) for relation in circle(GIRL, seed=seed)}
    assert not labels & {
        "daughter",
        "son",
        "wife",
        "husband",
        "granddaughter",
        "regular customer",
        "landlord",
        "apprentice",
    }
    assert labels & {"mother", "father", "grandmother"}


def test_a_nurses_patient_is_ill_and_a_bakers_supplier_mills() -> None:
    nurse = "A hospital nurse in his thirties who notices what the monitors miss."
    patients = [r["persona"] for s in range(60) for r in circle(nurse, seed=s) if r["label"] == "patient"]
    suppliers = [r["persona"] for s in range(150) for r in circle(BAKER, seed=s) if r["label"] == "supplier"]
    assert patients
    assert all(re.search(r"recovers|lives with|learning to get by", p) for p in patients)
    assert any("miller" in s for s in suppliers)


def test_people_who_already_live_there_are_taken_up_at_times() -> None:
    known = (
        "A retired sign painter who letters lorries freehand.",
        "A goat herder who makes cheese under a tree.",
    )
    relations = [r for seed in range(100) for r in circle(BAKER, seed=seed, known=known)]
    taken = [r for r in relations if r["who"] != "new"]
    assert 0.1 < len(taken) / len(relations) < 0.4
    assert all(r["persona"] == known[int(r["who"][1:]) - 1] for r in taken)


def test_every_role_is_complete_and_every_tie_leads_to_roles_there_are() -> None:
    known = lexicon()
    generic = {"any", "same", "apprentice"}
    ties = [t for d in known.domains.values() for t in d.ties] + [t for group in known.ties.values() for t in group]
    assert len(known.roles) >= 150
    assert {role.domain for role in known.roles.values()} == known.domains.keys()
    assert all(
        r.places and len(r.things) >= 3 and len(r.does) >= 3 and r.worries and r.knows for r in known.roles.values()
    )
    assert {name for tie in ties for name in tie.who} <= generic | known.roles.keys()
    assert {tie.kind for tie in ties} == set(KINDS)


@pytest.mark.parametrize(
    ("base", "third"),
    [
        ("go home", "goes home"),
        ("wash and ~feed", "washes and feeds"),
        ("never ask", "never asks"),
        ("carry", "carries"),
        ("be new", "is new"),
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

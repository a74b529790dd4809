from typing import Any

import jsonschema
import pytest
from scripted_model import ScriptedModel

from populace.core.errors import SetupError
from populace.core.model import Outcome, RequestContext
from populace.personas.persona import Persona, Relation, RelationKind
from populace.personas.text_to_persona import Relative, persona_to_persona

NURSE = Persona("A nurse on a children's ward.", origin="text", hop=1, source="ward.txt:1", licence="CC0-1.0")
PORTER, COOK = Persona("A hospital porter."), Persona("A hospital cook.")
CONTEXT = RequestContext("growth", 2, NURSE.id, 5)


def tie(persona: str | None, label: str = "patient", kind: str = "care", **who: str) -> dict[str, Any]:
    return {"label": label, "kind": kind, **who, "persona": persona}


def ties(*given: dict[str, Any]) -> dict[str, Any]:
    return {"relations": list(given)}


async def ask(given: object, **options: Any) -> Any:
    count = options.pop("count", len(given["relations"]) if isinstance(given, dict) else 1)
    return await persona_to_persona(ScriptedModel([given]), NURSE, count=count, **options, context=CONTEXT)


async def test_a_relative_is_a_new_persona_and_the_relation_that_leads_there() -> None:
    answer = await ask(ties(tie("A boy  who draws.", "young patient")))
    boy = Persona(
        "A boy who draws.",
        origin="persona",
        hop=2,
        parent=NURSE.id,
        source="ward.txt:1",
        licence="CC0-1.0",
        model="scripted",
        prompt="persona_to_persona@3",
    )
    relation = Relation(NURSE.id, boy.id, RelationKind.CARE, "young patient", hop=2)
    assert answer.value == (Relative(relation, boy),)


async def test_a_known_key_is_that_very_person_and_nobody_new() -> None:
    answer = await ask(
        ties(tie("A cook.", "lunch companion", "friendship", who="k2"), tie("A boy.", who="new")),
        known=[PORTER, COOK],
    )
    assert answer.value[0].persona is COOK
    assert answer.value[0].relation == Relation(NURSE.id, COOK.id, RelationKind.FRIENDSHIP, "lunch companion", 2)
    assert answer.value[1].persona.parent == NURSE.id


async def test_the_prompt_shows_the_known_behind_keys() -> None:
    model = ScriptedModel([ties(tie("A boy.", who="new"))])
    await persona_to_persona(model, NURSE, count=1, known=[PORTER, NURSE, COOK], context=CONTEXT)
    assert "<known>\nk1: A hospital porter.\nk2: A hospital cook.\n</known>" in model.said
    assert "set `who` to that key" in model.said


async def test_nobody_is_shown_as_known_by_default() -> None:
    model = ScriptedModel([ties(tie("A boy."))])
    await persona_to_persona(model, NURSE, count=1, context=CONTEXT)
    assert "known" not in model.said
    assert "<persona>\nA nurse on a children's ward.\n</persona>" in model.said
    assert "Number of relations to give: 1." in model.said
    assert "Write in English." in model.said


async def test_the_schema_offers_the_keys_and_the_kinds() -> None:
    model = ScriptedModel([ties(tie("A boy.", who="new"))])
    await persona_to_persona(model, NURSE, count=1, known=[PORTER], context=CONTEXT)
    schema = dict(model.schemas[0].json_schema)
    jsonschema.validate(ties(tie("A porter.", who="k1")), schema)
    for wrong in (tie("A boy."), tie("A boy.", who="k2"), tie("A boy.", kind="love", who="new")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(ties(wrong), schema)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (tie(NURSE.text), "relations.0.persona: this describes the given person"),
        (tie("A boy.", label=" "), "a label is one to four words"),
        (tie("A boy.", label="friend " * 20), "a label is one to four words"),
        (tie(""), "needs words"),
        (tie("A boy.", who="new"), "relations.0.who: Extra inputs are not permitted"),
    ],
)
async def test_a_wrong_answer_says_what_is_wrong_with_it(given: dict[str, str], complaint: str) -> None:
    answer = await ask(ties(given))
    assert answer.outcome is Outcome.SCHEMA_MISMATCH
    assert complaint in answer.reason


async def test_a_key_that_nobody_has_is_a_mismatch() -> None:
    answer = await ask(ties(tie("A boy.", who="k9")), known=[PORTER])
    assert answer.reason == "relations.0.who: 'k9' is nobody's key; use one of k1 or new"


async def test_too_few_relations_are_a_mismatch() -> None:
    answer = await ask(ties(tie("A boy.")), count=3)
    assert answer.reason == "relations: give exactly 3, not 1"


async def test_no_relations_cannot_be_asked_for() -> None:
    with pytest.raises(SetupError, match="must be 1 or more, but 0 was given"):
        await ask(ties(), count=0)


KINDS = (RelationKind.CARE, RelationKind.WORK)


async def test_a_kind_by_another_name_becomes_the_nearest_and_keeps_its_label() -> None:
    given = ties(
        tie("A boy.", "mentor", "mentorship"), tie("A girl.", "daughter's teacher", "?"), tie("A man.", "x", "y")
    )
    answer = await ask(given)
    relations = [(relative.relation.kind, relative.relation.label) for relative in answer.value]
    assert relations == [
        (RelationKind.TEACHING, "mentor"),
        (RelationKind.TEACHING, "daughter's teacher"),
        (RelationKind.OTHER, "x"),
    ]


async def test_a_kind_that_is_missing_or_no_word_is_a_mismatch() -> None:
    for wrong in ({"label": "friend", "persona": "A boy."}, {**tie("A boy."), "kind": 3}):
        answer = await ask(ties(wrong))
        assert answer.outcome is Outcome.SCHEMA_MISMATCH
        assert "relations.0.kind" in answer.reason


async def test_only_kinds_that_are_asked_for_may_be_given() -> None:
    model = ScriptedModel([ties(tie("A boy.")), ties(tie("A boy.", kind="rivalry"))])
    answers = [await persona_to_persona(model, NURSE, count=1, kinds=KINDS, context=CONTEXT) for _ in range(2)]
    assert [answer.outcome for answer in answers] == [Outcome.OK, Outcome.SCHEMA_MISMATCH]
    assert "rivalry are not asked for; give kinds out of care, work" in answers[1].reason
    assert model.schemas[0].json_schema["$defs"]["RelationKind"]["enum"] == ["care", "work"]


async def test_a_relation_of_another_kind_than_was_asked_for_costs_its_siblings_nothing() -> None:
    answer = await ask(ties(tie("A boy."), tie("A spy.", kind="rivalry")), kinds=KINDS)
    assert [relative.is_wanted for relative in answer.value] == [True, False]


async def test_a_prompt_that_wants_some_kinds_does_not_ask_for_different_ones() -> None:
    model = ScriptedModel([ties(tie("A boy."))])
    await persona_to_persona(model, NURSE, count=1, kinds=KINDS, context=CONTEXT)
    assert "Only relations of these kinds are wanted, and no others: care, work." in model.said
    assert "differ in kind" not in model.said
    free = ScriptedModel([ties(tie("A boy."))])
    await persona_to_persona(free, NURSE, count=1, context=CONTEXT)
    assert "differ in kind" in free.said


@pytest.mark.parametrize("low", [True, False])
async def test_people_of_whom_little_is_written_come_to_mind_unless_unwanted(*, low: bool) -> None:
    model = ScriptedModel([ties(tie("A boy."))])
    await persona_to_persona(model, NURSE, count=1, low_visibility=low, context=CONTEXT)
    assert ("few traces in\n  writing" in model.said) is low


async def test_an_answer_that_was_offered_is_marked_so() -> None:
    answer = await ask(ties(tie("A porter.", who="k1"), tie("A boy.", who="new")), known=[PORTER])
    assert [relative.is_offered for relative in answer.value] == [True, False]


async def test_a_known_person_is_not_described_again_and_a_new_one_is() -> None:
    known = await ask(ties(tie(None, who="k1")), known=[PORTER])
    assert known.value is not None
    assert known.value[0].persona == PORTER
    unsaid = await ask(ties(tie(None, who="new")), known=[PORTER])
    assert unsaid.outcome is Outcome.SCHEMA_MISMATCH

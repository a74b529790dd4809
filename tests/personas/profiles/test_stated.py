"""What a biography states against what is known, and against itself."""

from typing import Any

import pytest
from profile_answers import life
from scripted_model import ScriptedModel

from populace.core.model import Answer, Outcome, RequestContext
from populace.personas.persona import Persona
from populace.personas.profiles import Biography, Tied, write_biography

CLERK = Persona("A clerk of twenty in a harbour office.")
VALUES = {
    "age_band": "20-29",
    "region": "Bergen, Norway",
    "languages": ["nb", "en"],
    "occupation": "clerk in a harbour office",
    "household": "with parents",
}
MOTHER = Tied("f" * 32, "mother", True, "A teacher.", {"age_band": "50-59", "region": "Oslo", "occupation": "teacher"})
SON = Tied("e" * 32, "mother", False, "A schoolboy.", {})


async def written(
    answer: dict[str, Any], *tied: Tied, values: dict[str, Any] = VALUES, persona: Persona = CLERK
) -> Answer[Biography]:
    context = RequestContext("step", 1, persona.id, 7)
    return await write_biography(ScriptedModel([answer]), persona, values=values, tied=tied, context=context)


def of_another(**stated: Any) -> dict[str, Any]:
    return {"key": "k1", "age": None, "region": None, "occupation": None} | stated


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"age": 93}, "age: 93 contradicts 20-29"),
        ({"region": "Cusco"}, "region: 'Cusco' contradicts 'Bergen, Norway'"),
        ({"languages": ["qu"]}, "languages: qu contradicts nb, en"),
        ({"occupation": "retired admiral"}, "occupation: 'retired admiral' contradicts 'clerk in a harbour office'"),
        ({"household": "alone"}, "household: 'alone' contradicts 'with parents'"),
        ({"children": 11}, "children: 11 contradicts an age of 21"),
        ({"age": None}, "say which age your text gives"),
    ],
)
async def test_a_statement_against_the_profile_is_sent_back_with_its_reason(stated: dict[str, Any], words: str) -> None:
    answer = await written(life(age=21) | stated)
    assert answer.outcome is Outcome.SCHEMA_MISMATCH
    assert words in answer.reason


async def test_a_life_that_fits_is_taken() -> None:
    stated = {"age": 24, "region": "Norwegian coast, Bergen", "languages": ["en-GB"], "occupation": "harbour clerk"}
    answer = await written(life(**stated, household="with parents", children=0))
    assert answer.outcome is Outcome.OK, answer.reason


async def test_what_the_profile_does_not_know_is_contradicted_by_nothing() -> None:
    stated = {"age": 93, "region": "Cusco", "languages": ["qu"], "household": "alone", "children": 11}
    answer = await written(life(**stated), values={})
    assert answer.outcome is Outcome.OK, answer.reason


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"age": 30}, "others.k1.age: 30 contradicts 50-59"),
        ({"region": "Cusco"}, "others.k1.region: 'Cusco' contradicts 'Oslo'"),
        ({"occupation": "admiral"}, "others.k1.occupation: 'admiral' contradicts 'teacher'"),
        ({"key": "k2"}, "others: 'k2' is nobody's key"),
    ],
)
async def test_what_it_says_of_the_people_around_is_what_they_are(stated: dict[str, Any], words: str) -> None:
    answer = await written(life(age=21, others=[of_another(**stated)]), MOTHER)
    assert answer.outcome is Outcome.SCHEMA_MISMATCH
    assert words in answer.reason


@pytest.mark.parametrize(("tied", "age", "fits"), [(MOTHER, 33, False), (MOTHER, 34, True), (SON, 9, False)])
async def test_parents_are_older_than_their_children(tied: Tied, age: int, fits: bool) -> None:
    nobody = Tied(tied.persona, tied.label, tied.is_theirs, tied.text, {})
    answer = await written(life(age=21, others=[of_another(age=age)]), nobody)
    assert (answer.outcome is Outcome.OK) is fits, answer.reason


async def test_children_around_are_among_those_it_counts() -> None:
    assert "children: 0 contradicts the 1 among" in (await written(life(age=28, children=0), SON)).reason
    assert (await written(life(age=28, children=1), SON)).outcome is Outcome.OK


async def test_the_form_wants_an_age_where_one_is_known() -> None:
    for values, wanted in ((VALUES, {"type": "integer", "minimum": 0, "maximum": 120}), ({}, None)):
        model = ScriptedModel([life(age=21)])
        await write_biography(model, CLERK, values=values, context=RequestContext("step", 1, CLERK.id, 7))
        form = model.schemas[0].json_schema["properties"]["age"]
        assert form == wanted or (wanted is None and {"type": "null"} in form["anyOf"])

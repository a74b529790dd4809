"""Raising somebody to the very best in a skill."""

from typing import Any

import pytest
from scripted_model import ScriptedModel

from populace.core.errors import SetupError
from populace.core.model import Answer, Outcome, RequestContext
from populace.personas.persona import Persona
from populace.personas.profiles import Elite, Tier, raise_persona

COOK = Persona(
    "A canteen cook in Porto who sings at work.", hop=2, language="en", source="essays.txt", licence="CC0-1.0"
)
NEW = "A soprano from Porto who once cooked in a canteen and now trains the chorus of the opera."


def change(before: str, after: str) -> dict[str, str]:
    return {"before": before, "after": after, "why": "Singing at this height is a profession."}


def raised_answer(**changed: Any) -> dict[str, Any]:
    return {
        "general_domain": "Music",
        "specific_domain": "Choral singing",
        "persona": NEW,
        "changes": [change("canteen cook", "soprano"), change("", "trains the chorus of the opera")],
    } | changed


async def asked(answer: dict[str, Any], tier: Tier = Tier.ONE_PERCENT) -> tuple[Answer[Elite], ScriptedModel]:
    model = ScriptedModel([answer])
    context = RequestContext("step", 1, COOK.id, 7)
    return await raise_persona(model, COOK, skill=" choral  singing", tier=tier, context=context), model


async def test_the_raised_one_is_a_new_persona_who_descends_from_the_original() -> None:
    elite = (await asked(raised_answer()))[0].value
    assert elite is not None
    assert elite.persona.id != COOK.id
    assert (elite.persona.parent, elite.persona.origin, elite.persona.hop) == (COOK.id, "persona", 2)
    assert (elite.persona.source, elite.persona.licence) == (COOK.source, COOK.licence)
    assert (elite.persona.model, elite.persona.prompt) == ("scripted", "raise@2")


async def test_what_changes_is_listed_with_the_words_of_both() -> None:
    elite = (await asked(raised_answer()))[0].value
    assert elite is not None
    assert next((c.before, c.after) for c in elite.changes) == ("canteen cook", "soprano")
    assert (elite.skill, elite.general_domain, elite.specific_domain) == ("choral singing", "Music", "Choral singing")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"persona": COOK.text}, "the description is the old one"),
        ({"changes": [change("head cook", "soprano")]}, r"'head cook' is not in the given description"),
        ({"changes": [change("cook", "tenor")]}, r"'tenor' is not in the new description"),
        ({"changes": [change("Porto", "Porto")]}, "before and after are the same"),
        ({"changes": []}, "changes"),
    ],
)
async def test_changes_that_are_none_are_sent_back(changed: dict[str, Any], words: str) -> None:
    answer, _ = await asked(raised_answer(**changed))
    assert answer.outcome is Outcome.SCHEMA_MISMATCH
    assert words in answer.reason


@pytest.mark.parametrize(("tier", "share"), [(Tier.ONE_PERCENT, "top 1 %"), (Tier.ONE_PER_MILLE, "top 0.1 %")])
async def test_the_prompt_says_how_high(tier: Tier, share: str) -> None:
    _, model = await asked(raised_answer(), tier)
    assert share in model.said
    assert "<skill>\nchoral singing\n</skill>" in model.said


@pytest.mark.parametrize("skill", ["", "  ", "x" * 81])
async def test_a_skill_has_a_name(skill: str) -> None:
    with pytest.raises(SetupError, match="A skill is named in 1 to 80 characters"):
        await raise_persona(
            ScriptedModel([]), COOK, skill=skill, tier=Tier.ONE_PERCENT, context=RequestContext("step", 1, COOK.id, 7)
        )

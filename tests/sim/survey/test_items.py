"""Items of a survey say how they are answered, read answers, and refuse what cannot be asked."""

import asyncio
import random
from dataclasses import replace
from typing import Any

import orjson
import pytest

from populace.agents.procedural.chat import propose_answer
from populace.agents.procedural.judging import DONT_KNOW
from populace.agents.procedural.situation import Situation
from populace.agents.schema_fill import fill_schema
from populace.agents.turn_prompt import prompt_size
from populace.core.errors import SetupError
from populace.core.model import Answer, Outcome, RequestContext
from populace.sim.survey.items import Choice, FreeText, Item, Likert, Number, Rank
from populace.sim.survey.phase import Respondent, SurveyWork, least_size, questions_text, survey_request, survey_schema
from populace.sim.survey.survey import Survey

AGREE = Likert("It rains.", 3, ("no", "perhaps", "yes"), name="rain", shuffle=True)
ITEMS: tuple[Item, ...] = (
    AGREE,
    Choice("Which?", ("tea", "coffee"), name="drink", dont_know=True),
    Rank("Order!", ("a", "b", "c"), name="order", most=2),
    Number("How many harvests?", 0, 10, name="many"),
    Number("How much?", 0.5, 1.5, name="much", whole=False),
    FreeText("Why?", 40, name="why"),
)
ORDERS = tuple(item.order(random.Random(1)) for item in ITEMS)
GOOD = {"rain": 3, "drink": "tea", "order": ["c", "a"], "many": 4, "much": 0.75, "why": " Because. "}


def test_a_good_answer_is_read_as_values() -> None:
    assert survey_schema(ITEMS).validate(GOOD) == GOOD | {"why": "Because."}


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"rain": 4}, "rain: give a whole number from 1 to 3, not 4"),
        ({"rain": True}, "rain: give a whole number from 1 to 3, not True"),
        ({"rain": DONT_KNOW}, 'rain: give a whole number from 1 to 3, not "don\'t know"'),
        ({"drink": "water"}, "drink: give one of 'tea', 'coffee', not 'water'"),
        ({"order": ["a", "a"]}, "order: give a list of 2 different options, not ['a', 'a']"),
        ({"order": "a"}, "order: give a list of 2 options, not 'a'"),
        ({"many": 2.5}, "many: give a whole number from 0 to 10, not 2.5"),
        ({"much": 2}, "much: give a number from 0.5 to 1.5, not 2"),
        ({"why": " "}, "why: give a text of 1 to 40 characters, not ' '"),
        ({"extra": 1}, "give an object with the keys rain, drink, order, many, much, why and no others"),
    ],
)
def test_a_wrong_answer_is_told_what_to_give(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        survey_schema(ITEMS).validate(GOOD | changed)
    assert str(raised.value) == complaint


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (orjson.dumps(GOOD | {"much": 7}).decode(), ["rain", "drink", "order", "many", "why"]),
        ('{"rain": 3, "other": 1}', ["rain"]),
        ("[3]", []),
    ],
)
def test_of_an_answer_that_does_not_fit_the_items_that_do_are_kept(raw: str, kept: list[str]) -> None:
    class Careless:
        name = "careless"

        async def ask(self, prompt: Any, schema: Any, context: Any) -> Answer[Any]:
            return Answer(Outcome.SCHEMA_MISMATCH, reason="It does not fit.", attempts=3, raw=raw)

    respondent = Respondent("a", "A baker.", "en", (), (), ORDERS, RequestContext("survey s", 1, "a", 0))
    answers = asyncio.run(SurveyWork(Survey("s", ITEMS), "A town.")(respondent, Careless()))
    found = dict(zip((one.name for one in ITEMS), answers, strict=True))
    assert [name for name, one in found.items() if one.outcome == "ok"] == kept
    assert {one.outcome for name, one in found.items() if name not in kept} == {"schema_mismatch"}


@pytest.mark.parametrize(
    ("item", "answer", "value"),
    [
        (AGREE, "2", 2), (AGREE, "yes", 3), (AGREE, 2.0, 2), (ITEMS[1], "Tea ", "tea"),
        (ITEMS[1], "Don’t know", DONT_KNOW),
    ],
)  # fmt: skip
def test_what_can_mean_one_thing_alone_is_taken(item: Item, answer: object, value: object) -> None:
    assert item.read(answer) == value


def test_the_text_shows_each_item_as_it_is_answered() -> None:
    text = questions_text(ITEMS[:2], (("3", "2", "1"), ("coffee", "tea")))
    assert text == (
        "rain: It rains.\nAnswer with one of these numbers: 3 (yes), 2 (perhaps), 1 (no).\n\n"
        "drink: Which?\nAnswer with one of these, word for word:\n- coffee\n- tea\n"
        'Who does not know answers "don\'t know".'
    )


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: Choice("Which?", ("tea", "Tea")), "has the option 'Tea' twice; give each option once"),
        (lambda: Rank("Order!", ("a", "b", "a")), "has the option 'a' twice"),
        (lambda: Likert("x", 3, ("a", "b", "a")), "has the label 'a' twice"),
        (lambda: Choice("Which?", ("tea",)), "has 1 options; give 2 or more"),
        (lambda: Choice("Which?", ("tea", 3)), "has the options .'tea', 3.; each must be a text"),  # type: ignore[arg-type]
        (lambda: Choice("Which?", ("tea", "don't know")), "leave it out, and give `dont_know=True`"),
        (lambda: Likert("x", 1), "a scale of 1 points; give a whole number from 2 to 11"),
        (lambda: Likert("x", 5, ("a", "b", "c")), "has 3 labels for 5 points; give 5, or two"),
        (lambda: Rank("x", ("a", "b"), most=3), "asks for 3 of 2 options"),
        (lambda: Number("x", 5, 1), "a number from 5 to 1; give two numbers"),
        (lambda: Number("x", 0, 0.5), "give whole bounds, or `whole=False`"),
        (lambda: FreeText("x", 0), "a text of 0 characters at most"),
        (lambda: Likert(""), "needs its question as a text"),
        (lambda: Likert("x", name="1st"), "is called '1st'; give it a name"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(made: Any, sentence: str) -> None:
    with pytest.raises(SetupError, match=sentence):
        made()


def test_of_a_prompt_that_is_too_long_notes_and_news_are_left_out_first() -> None:
    survey = Survey("poll", ITEMS)
    notes, news = tuple(f"Note {n}, and what it says." for n in range(9)), ("The mill has burnt down.",)
    one = Respondent("ada", "A baker.", "en", news, notes, ORDERS, RequestContext("survey poll", 1, "ada", 0))
    whole, _ = survey_request(survey, ITEMS, ORDERS, one, world="A village.")
    size = prompt_size(whole)
    cut, _ = survey_request(survey, ITEMS, ORDERS, one, world="A village.", prompt_tokens=size - 20)
    least, _ = survey_request(survey, ITEMS, ORDERS, one, world="A village.", prompt_tokens=1)
    assert prompt_size(cut) <= size - 20
    assert "Note 8" in cut.messages[1][1]
    assert "Note 0" not in cut.messages[1][1]
    assert "The mill" in cut.messages[1][1]
    assert "<memory>" not in least.messages[1][1]
    assert "<news>" not in least.messages[1][1]
    told = replace(one, persona="A baker who " + "bakes and " * 200, memories=(), news=())
    fits, _ = survey_request(survey, ITEMS, ORDERS, told, world="A village.", prompt_tokens=size)
    assert prompt_size(fits) <= size
    assert "A baker who bakes" in fits.messages[1][1]
    assert least_size(survey, world="A village.") < size


def test_requests_begin_with_what_the_next_one_has_too() -> None:
    def shown(survey: Survey, items: tuple[Item, ...], persona: str) -> str:
        one = Respondent("a", persona, "en", (), (), ORDERS, RequestContext("survey poll", 1, "a", 0))
        prompt, schema = survey_request(survey, items, ORDERS[: len(items)], one, world="A village.")
        assert schema is survey_schema(items)
        return prompt.messages[1][1]

    together, alone = Survey("poll", ITEMS, intro="Hello."), Survey("poll", ITEMS, intro="Hello.", one_by_one=True)
    shared = f"Hello.\n\n<questions>\n{questions_text(ITEMS, ORDERS)}\n</questions>\n\n<persona>\n"
    assert all(shown(together, ITEMS, persona).startswith(shared) for persona in ("A baker.", "The carter."))
    shared = "<persona>\nA baker.\n</persona>\n\nHello.\n\n<questions>\n"
    assert all(shown(alone, ITEMS[:count], "A baker.").startswith(shared) for count in (1, 2))


def stand_in(persona: str, *, seed: int = 0, orders: Any = ORDERS, news: tuple[str, ...] = ()) -> dict[str, Any]:
    schema = survey_schema(ITEMS)
    situation = Situation(persona=persona, news=news, sections={"questions": questions_text(ITEMS, orders)})
    rng = random.Random(seed)
    made = propose_answer(rng, situation, schema.json_schema, "survey", {})
    filled = fill_schema(schema.json_schema, rng, lambda shortest, longest: "Because.", made)
    return dict(schema.validate(filled))


def test_the_stand_in_gives_valid_answers_that_differ_by_person() -> None:
    answers = [stand_in(f"A carter who keeps {n} hens and distrusts the council.") for n in range(60)]
    for item, number in (("rain", 3), ("many", 6)):
        assert len({one[item] for one in answers}) >= number
    assert {one["drink"] for one in answers} == {"tea", "coffee", DONT_KNOW}


def test_the_stand_in_does_not_mind_the_order_of_options() -> None:
    turned = tuple(shown[::-1] for shown in ORDERS)
    for n in range(20):
        assert stand_in(f"A baker of {n} loaves.") == stand_in(f"A baker of {n} loaves.", orders=turned)


def test_the_stand_in_is_moved_by_news_about_the_question() -> None:
    def mean(news: tuple[str, ...]) -> float:
        return sum(int(stand_in(f"A baker of {n} loaves.", news=news)["many"]) for n in range(40)) / 40

    assert mean(("Nothing of note.",)) == mean(())
    assert abs(mean(("The harvests were lost.",)) - mean(())) > 1

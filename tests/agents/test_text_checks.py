"""Text that copies the persona or the examples, introduces its writer, or declines."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.agents.checks import LINE_CHECKS, CheckContext, CheckOutcome
from populace.agents.observation import Heard, Observation, SaidBefore, Seen
from populace.agents.text_faults import is_refusal, self_introduction, shared_run, speaks_as_model

BAKER = "A night-shift baker in her fifties who bakes three hundred loaves before dawn and worries about the old oven."
NURSE_DE = "Eine Krankenpflegerin aus Kiel, die nachts auf der Intensivstation arbeitet."
NURSE_ZH = "一名在县医院急诊科工作了十二年的护士，擅长安抚受惊的孩子和他们的父母。"
NURSE_JA = "離島の診療所で働く看護師で、台風の夜も往診に出かける。"


def test_words_in_a_row_from_the_description_are_found() -> None:
    assert shared_run("She bakes three hundred loaves before dawn, and worries.", BAKER, 7) == (
        "bakes three hundred loaves before dawn and"
    )
    assert shared_run("How do I bake three hundred loaves?", BAKER, 7) == ""


def test_case_and_punctuation_hide_nothing() -> None:
    assert shared_run("BAKES, three-hundred loaves; before dawn AND worries", BAKER, 7)


def test_characters_count_where_there_are_no_spaces() -> None:
    assert (
        shared_run("请帮我写：在县医院急诊科工作了十二年的护士怎么写简历", NURSE_ZH, 7)
        == "在县医院急诊科工作了十二年的"[:14]
    )
    assert shared_run("县医院的急诊科几点开门", NURSE_ZH, 7) == ""


@pytest.mark.parametrize(
    ("text", "persona"),
    [
        ("As a baker, I need a cheaper flour.", BAKER),
        ("as an experienced night-shift baker i sleep badly", BAKER),
        ("I'm a baker and my oven is old", BAKER),
        ("I’m the baker of our street", BAKER),
        ("Als Krankenpflegerin brauche ich einen Dienstplan.", NURSE_DE),
        ("Ich bin eine Krankenpflegerin und müde", NURSE_DE),
        ("En tant que boulangère, je cherche", "Une boulangère de nuit qui aime le silence."),
        ("Como enfermera quiero saber", "Una enfermera de noche en Sevilla."),
        ("作为一名护士，我想知道", NURSE_ZH),
        ("我是护士，怎么排班", NURSE_ZH),
        ("看護師として聞きたい", NURSE_JA),
    ],
)
def test_an_introduction_by_what_somebody_is_is_found(text: str, persona: str) -> None:
    assert self_introduction(text, persona)


@pytest.mark.parametrize(
    ("text", "persona"),
    [
        ("As a treat for the children I want to make caramel", BAKER),
        ("I am a bit lost with this spreadsheet", BAKER),
        ("I'm the youngest of four, does that matter", BAKER),
        ("write it as a letter from a teacher", BAKER),
        ("Als Geschenk suche ich etwas Kleines", NURSE_DE),
        ("作为礼物送什么好", NURSE_ZH),
        ("", BAKER),
    ],
)
def test_what_only_looks_like_an_introduction_is_none(text: str, persona: str) -> None:
    assert self_introduction(text, persona) == ""


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot assist with this request.",
        "As an AI language model, I am not able to have opinions.",
        "Unfortunately, I am unable to provide that.",
        "Es tut mir leid, aber das kann ich nicht beantworten.",
        "Lo siento, pero no puedo ayudar con eso.",
        "对不起，我无法提供这方面的帮助。",
        "申し訳ありませんが、お手伝いできません。",
    ],
)
def test_a_refusal_is_known_by_its_beginning(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to hear that your dog is ill. Keep him warm.",
        "You can't do that in Excel without a formula: use SUMIF.",
        "Unfortunately the last bus leaves at nine. Take the tram.",
        "Sorry! The total is 14.",
        "",
        "不能用水洗，请干洗。",
    ],
)
def test_an_apology_or_a_no_is_no_refusal(text: str) -> None:
    assert not is_refusal(text)


@given(st.text(max_size=200), st.text(max_size=200))
def test_strange_text_is_read_without_failing(text: str, persona: str) -> None:
    shared_run(text, persona, 7)
    self_introduction(text, persona)
    is_refusal(text)


@pytest.mark.parametrize("text", ["\ud800 half", "a\u200bb\u200bc " * 40, "🧑‍🏫 " * 50, "\x00" * 9, "ــــ" * 30])
def test_text_shares_with_itself_or_holds_too_few_words(text: str) -> None:
    assert isinstance(shared_run(text, text, 7), str)


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I have no customers.",
        "Sure. As a large language model I was trained on text.",
        "I'm just an AI assistant",
        "作为一个人工智能语言模型，我",
        "Als KI-Sprachmodell kann ich das nicht sagen.",
    ],
)
def test_a_language_model_is_known_by_what_it_says_of_itself(text: str) -> None:
    assert speaks_as_model(text)


@pytest.mark.parametrize(
    "text",
    [
        "As an AI researcher, I work nights.",
        "As a language, Welsh is old.",
        "As an AI, can you tell me the time?",
        "As an AI language model, you must know.",
        "I'm an AI engineer and I need a desk.",
        "Write it as an AI language model would.",
    ],
)
def test_others_who_name_a_language_model_are_none(text: str) -> None:
    assert not speaks_as_model(text)


def test_later_lines_of_a_person_are_checked_by_themselves() -> None:
    about = CheckContext(Observation("p", BAKER, "", language="en"), "", cast("Any", None), cast("Any", None))
    copied = "She bakes three hundred loaves before dawn and sleeps."
    lines = [("messages[2].content", "I'm a baker."), ("messages[4].content", copied)]
    results = {check.name: check.judge_texts(lines, about) for check in LINE_CHECKS}
    assert {name: one.field for name, one in results.items()} == {
        "leak": "messages[4].content",
        "language": "",
        "refusal": "",
        "degenerate": "",
        "voice": "",
    }


HEARD = "They told me at the inn to ask you what needs mending here."


def judged_line(text: str, *, instructions: str = "") -> dict[str, str]:
    """The checks that a spoken line fails, with their reasons."""
    seen = Observation(
        "p", BAKER, "", language="en", heard=(Heard("n1", HEARD, 1),), memories=("You said: The oven smokes again.",),
        neighbours=(Seen("n1", "q", "neighbour", "other", "A sexton."),), name="Ines Roca",
        news=("Bram Vos did this: 'I went to the mill to look for work.'",),
        said_before=(SaidBefore("n1", True, "I will bring you two loaves and the big ladder on Friday."),),
    )  # fmt: skip
    about = CheckContext(seen, "", cast("Any", None), cast("Any", None), instructions)
    results = {check.name: check.judge_text("text", text, about) for check in LINE_CHECKS}
    return {name: one.reason for name, one in results.items() if one.outcome is CheckOutcome.FAILED}


@pytest.mark.parametrize(
    ("text", "check"),
    [
        (HEARD, "leak"),
        ("n1: The bell hangs by one bolt.", "leak"),
        ("Then I will bring you two loaves and the big ladder on Friday.", "leak"),
        ("I went to the mill to look for work. Did you?", "leak"),
        ("n1 smiles and says, 'The bell hangs by one bolt.'", "leak"),
        ("Ines, have you seen the bell?", "leak"),
        ("<persona name='Ines'> I get up at three.", "leak"),
        ("Have you heard that Bram looks for work?", ""),
        ("Here is what I say: the bell hangs by one bolt.", ""),
        ("Well, they told me at the inn to ask you what needs mending.", "leak"),
        ("The oven smokes again, you said.", ""),
        ("You said: the oven smokes again.", "leak"),
        ("Say what this person does next, in one or two sentences.", "leak"),
        ("Hello, n1.", "leak"),
        ("Take bus n2 to the square.", ""),
        ("What should I do next? It is step 1.", "leak"),
        ("I see you're looking for information about the Aller. I can help with that.", "voice"),
        ("I'm sorry, but I can't assist with that.", "refusal"),
        ("I'm sorry, I can't come on Sunday.", ""),
        ("I can help you with that. What can I do for you today?", "voice"),
        ("I see you have some hearing issues, what can I do for you today?", "voice"),
        ("Are you looking for any assistance? I can help you by offering tips.", "voice"),
        ("What can you tell me about the Aller? Is there something specific you're looking for?", "voice"),
        ("I am looking for information on the ferry, and for somebody who knows the river.", ""),
        ("text", "degenerate"),
        ("The nurse of the aunt of the boss of the uncle of the cousin of the friend of the judge.", "degenerate"),
        ("Good morning.", ""),
        ("I bake three hundred loaves, and the oven smokes.", ""),
    ],
)
def test_a_line_that_nobody_would_say_fails_one_check(text: str, check: str) -> None:
    rules = "You play a person. Say what this person does next, in one or two sentences, and no more."
    assert list(judged_line(text, instructions=rules)) == ([check] if check else [])

"""Faults of weak models, counted on labelled texts, and where each rule must keep quiet."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from populace.agents.checks import CheckContext, CheckOutcome, NoDegeneration, NoLeak, OwnVoice
from populace.agents.observation import Observation, Seen
from populace.agents.text_faults import (
    find_assistant_voice,
    find_echo,
    find_no_request,
    find_prompt_words,
    find_refusal,
    find_said_again,
    find_self_address,
)
from populace.personas.rules.quality import find_cut, find_loop, find_noun_list, has_content

HERE = Path(__file__).parent
type Case = dict[str, Any]
#: Words of the schema and of languages, as a check passes them.
RESERVED = ("kind", "text", "to", "instruction", "dialogue", "n1", "n2", "player", "English", "German", "Chinese")
FINDERS: dict[str, Callable[[Case], object]] = {
    "loop": lambda case: find_loop(case["text"]),
    "refusal": lambda case: find_refusal(case["text"]),
    "assistant_voice": lambda case: find_assistant_voice(case["text"]),
    "echo": lambda case: find_echo(case["text"], case["sources"]),
    "noun_list": lambda case: find_noun_list(case["text"]),
    "cut": lambda case: find_cut(case["text"]),
    "empty": lambda case: not has_content(case["text"], reserved=RESERVED),
}


def cases(half: str) -> list[Case]:
    """The labelled texts of one half; sound ones have the fault ""."""
    return [json.loads(line) for line in (HERE / f"text_faults_{half}.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("half", ["tuning", "unseen"])
@pytest.mark.parametrize("fault", FINDERS)
def test_faults_are_found_and_sound_texts_kept(fault: str, half: str) -> None:
    found = [(case["fault"], bool(FINDERS[fault](case))) for case in cases(half) if case["fault"] in (fault, "")]
    hits, alarms = ([is_found for label, is_found in found if label == kind] for kind in (fault, ""))
    assert sum(hits) >= 0.95 * len(hits)
    assert sum(alarms) <= 0.005 * len(alarms)


def test_the_documentation_has_the_counts() -> None:
    page = (HERE.parents[1] / "docs" / "making-data.md").read_text("utf-8")
    for fault, find in FINDERS.items():
        mine = [bool(find(case)) for case in cases("unseen") if case["fault"] == fault]
        sound = [bool(find(case)) for case in cases("unseen") if not case["fault"]]
        assert f"| `{fault}` | {sum(mine)} of {len(mine)} | {sum(sound)} of {len(sound)} |" in page


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("Yes, of course! I can carry, dig and read. How about the Aller?", "i can carry dig and read"),
        ("I can carry too, and dig. Is there work?", ""),
        ("How are you, neighbour?", ""),
        ("对。我会搬东西和挖土也会读书。你呢？", "我会搬东西和挖土也会读书"),
    ],
)
def test_a_whole_sentence_said_again_is_found(text: str, again: str) -> None:
    lines = [
        "I can carry, dig and read. Is there work for me with you? How are you, neighbour?",
        "我会搬东西和挖土也会读书。",
    ]
    assert find_said_again(text, lines) == again


@pytest.mark.parametrize(
    ("text", "others", "found"),
    [
        ("Hey Brenda! Thanks for checking on the keys.", ("Alice Kerr",), "Hey Brenda!"),
        ("Thanks for that, Brenda.", ("Alice Kerr",), ", Brenda."),
        ("Brenda, can you hold the ladder?", (), "Brenda,"),
        ("I see that you have been looking for a bed, Brenda. I have one.", (), ", Brenda."),
        ("I am your neighbour, Brenda.", (), ""),
        ("Ask Alice, Brenda, or me.", (), ""),
        ("Hey Brenda! You have my name.", ("Brenda Moss",), ""),
        ("I'm Brenda, from the ferry.", (), ""),
        ("Hello, it's Brenda. The ferry is late.", (), ""),
        ("Brenda is what they call me.", (), ""),
        ("Hey Alice! Did you say: Brenda, come home?", ("Alice Kerr",), ""),
    ],
)
def test_nobody_addresses_themselves(text: str, others: tuple[str, ...], found: str) -> None:
    assert find_self_address(text, "Brenda Salt", others) == found


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("Sure, I'd be happy to help you with that.", "voice"),
        ("Sure, I'd be happy to carry the net.", ""),
        ("It's great to see you. Do you have a question? I'm here to help with anything you need.", "voice"),
        ("I'll do my best to find a bed. Is there anything else you need help with?", "voice"),
        ("Can you give me a more detailed idea? Maybe you could describe a particular issue?", "voice"),
        ("Do you need any help? The net is heavy.", ""),
        ("I can help with a few tasks if you need it. Do you have any specific needs or tasks?", "voice"),
        ("Do you have any specific interests or topics in mind?", "voice"),
        ("I'm just here to help carry the net. Is there any particular day you sail?", ""),
        ("Hi Tessa! I'm here to help. What is the concept you're struggling with?", "voice"),
        ("I can show you. Do you have any specific examples you'd like to focus on?", "voice"),
        ("My knee is here to remind me. You're struggling with that rope.", ""),
        ("I can help you with that. What can I do for you today?", "voice"),
        ("text", "degenerate"),
        ("n1", "degenerate"),
        ("She is " + "the teacher of the colleague of " * 6 + "the mayor.", "degenerate"),
        ("I'm an AI text-based assistant designed to help with text re-writing.", "voice"),
        ("I am writing to you in English.", "voice"),
        ("I'm an AI model auditor, and my knee hurts.", ""),
        ("I am writing to you in Bristol, where it rains.", ""),
        ("No.", ""),
        ("Sorry, I can't come on Sunday.", ""),
        ("What can I do for you, love?", ""),
    ],
)
def test_each_fault_of_a_spoken_line_fails_its_check(text: str, check: str) -> None:
    someone = Seen("n1", "a", "", "friendship", "A baker.")
    observation = Observation("p", "A shepherd.", "", neighbours=(someone,), language="en", is_language_set=True)
    context = CheckContext(observation, "", cast("Any", None), cast("Any", None))
    results = {one.name: one.judge_text("text", text, context) for one in (NoDegeneration(), OwnVoice())}
    assert {name for name, one in results.items() if one.outcome is CheckOutcome.FAILED} == (
        {check} if check else set()
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The person is a chef who wants a recipe.", "the person is"),
        ("To request a text to be edited, and to request that the response is in English.", "to request"),
        ("It is a sentence that has been edited to make it more correct.", "it is a sentence"),
        ("I'm so sorry for your loss. It's just a simple request that could use a little more.", "a simple request"),
        ("conversation", "conversation"),
        ("the first message", "the first message"),
        ("one sentence with reliable, regret and files in it. my brother in law speaks it", ""),
        ("7 sentences about recipes for a person who hates reading, light", ""),
        ("This sentence sounds wrong to me, can you fix it: the text is written in English", ""),
        ("Ich brauche eine Antwort auf diese Nachricht, auf Deutsch.", ""),
        ("I'd be happy to help you with that.", "i'd be happy to help"),
        ("Sure, here is a list of words.", "sure, here"),
        ("The person, a shy poet, writes in English, no greeting.", "the person, a shy poet, writes"),
        ("Diese Person möchte ein Rezept.", "diese person möchte"),
        ("The text can be written as follows: a task in English.", "the text can be written"),
        ("You'll be asked to write a request in English.", "you'll be asked to write a request"),
        (
            "A young, ambitious woman who has been on a long journey. She is very smart.",
            "a young, ambitious woman who has",
        ),
        ("Eine junge Frau, die gern liest.", "eine junge frau, die"),
        ("What would you like to know about the northern lights?", "what would you like to know"),
        ("Hallo, was möchten Sie wissen?", "hallo, was möchten sie wissen"),
        ("你想知道什么？", "你想知道什么"),
        ("What would you like for a thank-you gift if you were a neighbour of mine?", ""),
        ("A short story about an old man who lives by the sea, 500 words, sad ending", ""),
        ("The man who fixed the roof overcharged; draft a complaint.", ""),
        ("A woman who works for me has left. What should I do?", ""),
        ("The text is too long, cut it to a page.", ""),
        ("Great, now the sink leaks. what do i turn off first", ""),
    ],
)
def test_a_request_tells_of_nobody_and_offers_nothing(text: str, found: str) -> None:
    assert find_no_request(text) == found


def test_a_request_does_not_begin_with_its_writer_and_says_nothing_twice() -> None:
    persona = "A pub quiz-master who writes questions in bed."
    assert (
        find_no_request("A pub quiz-master, she's been through a lot. What could it be?", persona)
        == "a pub quiz master"
    )
    assert not find_no_request("A pub in my town holds a quiz. Write ten questions.", persona)


def test_a_list_of_the_descriptions_own_words_is_no_request() -> None:
    persona = "A seamstress who sews collars, counts the exits where lights fail, and fears a quota that was raised."
    assert find_no_request("Sew collars, count exits when lights fail, quota raised.", persona)
    assert not find_no_request("How many collars an hour is a fair quota when the lights keep failing?", persona)
    assert find_loop("A long request that needs to be written. A long request that needs to be written.")
    assert not find_loop("Row, row, row your boat.")


def test_six_words_of_the_instructions_in_a_row_are_a_leak() -> None:
    rules = "Write those words alone: no greeting, no quotation marks, no explanation and no answer."
    context = CheckContext(
        Observation("p", "A shepherd.", ""), "", cast("Any", None), cast("Any", None), instructions=rules
    )
    told = 'You will write "No greeting, no quotation marks, no explanation, no answer", and whatever you like.'
    assert NoLeak().judge_text("text", told, context).outcome is CheckOutcome.FAILED
    kept = "How do I write a letter without greeting, quotation marks or an answer to explain?"
    assert NoLeak().judge_text("text", kept, context).outcome is CheckOutcome.PASSED


def test_a_text_of_prompt_words_is_found() -> None:
    rules = "Write the request as this person would type it, in two words or half a page, without quotation marks."
    assert find_prompt_words("The request is in two words, or half a page, with quotation marks.", rules)
    told = "A shy poet, no quotation marks, typed as this person would: in two words."
    assert find_prompt_words(told, rules, "A shy poet who mends clocks.")
    assert not find_prompt_words("Write a request to the council, two pages, about the flooded cellar.", rules)

import pytest

from populace.personas.rules import quality_judge

NURSE = "A night nurse who keeps a list of every bird she has heard on the way home"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("A nurse", "too_short"),
        (" ".join(f"word{n}" for n in range(200)), "too_long"),
        ("I'm sorry, but I cannot describe such a person to you", "refusal"),
        ("As an AI language model I have no neighbours of my own", "refusal"),
        ("A teacher from {city} who collects old maps of it", "template_leak"),
        ("Persona: a teacher who collects old maps of rivers", "template_leak"),
        ("A [insert occupation] with a love for long walks at sea", "template_leak"),
        ("A colleague of this person who shares the night shift", "refers_to_unnamed"),
        ("The same baker, but some years older and a little slower", "refers_to_unnamed"),
        ("My neighbours know me as the man who mends radios", "first_person"),
    ],
)
def test_each_rule_turns_away_what_it_is_for(text: str, rule: str) -> None:
    ruling = quality_judge()(text)
    assert ruling is not None
    assert (ruling.rule, ruling.is_kept) == (rule, False)
    assert ruling.reason.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        NURSE,
        "一位在山村教书三十年的数学老师，喜欢收集旧收音机",
        "A singer known for the song “I will walk my way”, now a choir leader in Porto",
        "The owner of a small shop that sells parts for machines nobody makes any more",
        "A lighthouse keeper who writes to the author of a weather column every week",
    ],
)
def test_what_is_well_described_passes(text: str) -> None:
    assert quality_judge()(text) is None


def test_the_first_person_is_rewritten_where_that_is_sure() -> None:
    ruling = quality_judge()("I am a retired ferry captain who teaches children to read tides")
    assert ruling is not None
    assert ruling.is_kept
    assert ruling.text == "A retired ferry captain who teaches children to read tides"


def test_another_script_than_asked_for_is_turned_away() -> None:
    ruling = quality_judge("ru")(NURSE)
    assert ruling is not None
    assert ruling.rule == "other_language"
    assert quality_judge("en-GB")(NURSE) is None
    assert quality_judge("xx")(NURSE) is None

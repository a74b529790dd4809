import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from populace.agents.procedural.growth import text_to_persona
from populace.agents.procedural.situation import Situation
from populace.personas.persona import shipped_passages
from populace.personas.rules import QUALITY_RULES, quality_judge

LINES = Path(__file__).with_name("lines")
GOOD = [line.split("\t") for line in (LINES / "good.tsv").read_text(encoding="utf-8").splitlines()]
BAD = [line.split("\t") for line in (LINES / "bad.tsv").read_text(encoding="utf-8").splitlines()]


def readers(seed: int) -> Iterator[str]:
    """Twenty people for each of the texts that ship with Populace, by the procedural stand-in."""
    schema = {"properties": {"personas": {"type": "array", "minItems": 20}}}
    for passage in shipped_passages():
        answer = text_to_persona(random.Random(seed), Situation(passage=passage.text), schema)
        yield from (entry["persona"] for entry in answer["personas"])


@pytest.mark.parametrize(("language", "text"), GOOD)
def test_what_is_well_described_passes(language: str, text: str) -> None:
    assert quality_judge(language)(text) is None


@pytest.mark.parametrize(("rule", "language", "text"), BAD)
def test_each_rule_rejects_what_it_is_for(rule: str, language: str, text: str) -> None:
    result = quality_judge(language)(text)
    assert result is not None
    assert (result.rule, result.is_kept) == (rule, False)
    assert result.reason.endswith(".")


def test_every_rule_has_lines_that_it_rejects() -> None:
    assert {rule for rule, _, _ in BAD} | {"too_long"} == set(QUALITY_RULES)
    result = quality_judge()(" ".join(f"word{n}" for n in range(200)))
    assert result is not None
    assert result.rule == "too_long"


def test_nobody_whom_the_stand_in_describes_is_rejected() -> None:
    judge, people = quality_judge("en"), [*readers(1), *readers(2)]
    assert len(people) > 2_000
    assert [text for text in people if judge(text) is not None] == []


@pytest.mark.parametrize(
    ("text", "rule", "now"),
    [
        (
            "I am a retired ferry captain who teaches children to read tides",
            "first_person",
            "A retired ferry captain who teaches children to read tides",
        ),
        ("I’m the last signalman of a closed line", "first_person", "The last signalman of a closed line"),
        ("You are a nurse who walks home at dawn", "second_person", "A nurse who walks home at dawn"),
    ],
)
def test_a_speaker_is_rewritten_where_that_is_sure(text: str, rule: str, now: str) -> None:
    result = quality_judge("en")(text)
    assert result is not None
    assert (result.rule, result.is_kept, result.text) == (rule, True, now)
    assert quality_judge("en")(now) is None


@pytest.mark.parametrize(
    "text",
    [
        "I am a nurse and love birds",
        "You are a nurse and your sister bakes",
        "I am a baker whose son calls me at night",
    ],
)
def test_a_speaker_is_rejected_where_it_is_not(text: str) -> None:
    result = quality_judge("en")(text)
    assert result is not None
    assert (result.is_kept, result.text) == (False, None)


def test_a_language_that_is_not_known_and_a_text_that_leaves_doubt_are_not_judged() -> None:
    assert quality_judge("xx")("Una enfermera de noche que anota cada pájaro que oye") is None
    assert quality_judge("en")("Retired nurse, Lisbon, birdwatcher") is None
    assert quality_judge("en-GB")("A cook at La Casa de la Mujer in Los Angeles") is None


def test_a_reason_does_not_quote_personal_data() -> None:
    result = quality_judge()("A friend of [Margaret Holloway] who sells boats")
    assert result is not None
    assert result.rule == "template_leak"
    assert not re.search("Margaret|Holloway", result.reason)


def test_what_stands_for_personal_data_is_no_leak_of_a_template() -> None:
    assert quality_judge()("A potter who answers at [email] on weekdays") is None

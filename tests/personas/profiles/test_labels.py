"""What labels of ties say, in several languages, and what they are not taken to say."""

import json
from importlib.resources import files

import pytest
from hypothesis import strategies as st
from properties import holds

from populace.personas.profiles.profile import LANGUAGES, read_label


@pytest.mark.parametrize(
    ("language", "label", "relation"),
    [
        ("en", "Elderly Mother", "parent"),
        ("en", "co-worker", "colleague"),
        ("de", "ältere Schwester", "sibling"),
        ("de-AT", "GROSSMUTTER", "grandparent"),
        ("de", "neuer Chef", "employer"),
        ("es", "hermana mayor", "sibling"),
        ("es", "joven esposa", "spouse"),
        ("es", "antiguos compañera de trabajo", "colleague"),
        ("fr", "petit frère", "sibling"),
        ("fr", "petite-fille", "grandchild"),
        ("pt-BR", "irmã mais velha", "sibling"),
        ("sw", "dada mkubwa", "sibling"),
        ("ar", "الأخت الكبرى", "sibling"),
        ("ar", "والدتها", "parent"),
        ("hi", "बड़ी बहन", "sibling"),
        ("zh", "老母亲", "parent"),
        ("zh-Hant", "大女兒", "child"),
        ("ja", "孫娘", "grandchild"),
        ("ja", "一人娘", "child"),
        ("fr", "mother", "parent"),
        ("und", "والدة", "parent"),
    ],
)
def test_a_label_is_read_in_its_language_or_in_english(language: str, label: str, relation: str) -> None:
    meaning = read_label(label, [language])
    assert meaning is not None
    assert meaning.relation == relation


@pytest.mark.parametrize(
    ("language", "label"),
    [
        ("en", "mother of her pupil"),
        ("en", "brother's wife"),
        ("en", "chef"),
        ("de", "Mutter ihres Schülers"),
        ("es", "madre de su alumno"),
        ("fr", "mère d'un élève"),
        ("pt", "filho da vizinha"),
        ("sw", "mama wa mwanafunzi"),
        ("ar", "والدة المريض"),
        ("hi", "छात्र की माँ"),
        ("zh", "学生的母亲"),
        ("ja", "生徒の母"),
        ("ru", "мать"),
        ("und", "abuela"),
        ("en", ""),
    ],
)
def test_other_peoples_relatives_and_other_languages_say_nothing(language: str, label: str) -> None:
    assert read_label(label, [language]) is None


@pytest.mark.parametrize(
    ("language", "label"),
    [("en", "ex-wife"), ("en", "half-sister"), ("en", "mother-in-law"), ("de", "Ex-Frau Gattin"), ("fr", "belle-mère"),
     ("es", "hermano político"), ("pt", "meio irmão"), ("sw", "mama mkwe"), ("hi", "सौतेली माँ"), ("ja", "義母"),
     ("zh", "表姐姐")],
)  # fmt: skip
def test_a_tie_by_marriage_or_of_former_times_is_another(language: str, label: str) -> None:
    meaning = read_label(label, [language])
    assert meaning is not None
    assert meaning.is_otherwise


def test_the_longest_phrase_counts() -> None:
    assert [read_label(label, ["ja"]) for label in ("叔母", "乳母")] == [read_label("aunt")] * 2
    assert read_label("mama mdogo", ["sw"]) == read_label("uncle")


def test_the_languages_are_those_of_the_passages_that_ship() -> None:
    lines = files("populace.personas").joinpath("seeds", "walks_of_life.jsonl").read_text().splitlines()
    assert {json.loads(line)["language"].partition("-")[0] for line in lines} == set(LANGUAGES)


@holds(st.text(max_size=30), st.lists(st.sampled_from([*LANGUAGES, "ru", "und"]), max_size=2))
def test_any_label_is_read_without_an_error_whatever_its_case(label: str, languages: list[str]) -> None:
    folded = label.casefold()
    assert read_label(folded, languages) == read_label(f"  {folded} ", languages)

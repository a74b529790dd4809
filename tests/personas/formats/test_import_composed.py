"""People who come as columns alone: described by a template or by rule, with profiles of what the columns state."""

import csv
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hub_people import ask_hub
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.core.errors import SetupError
from populace.personas.formats.importing import FileReport, import_files
from populace.personas.formats.options import ImportOptions, parse_template, rule_composer
from populace.personas.hub import HubFile, read_hub
from populace.personas.profiles.profile import profile_of_columns

POPULATION = [
    {"pid": "1", "age": "34", "sex": "female", "occupation": "nurse", "city": "Leeds", "income": "41000"},
    {"pid": "2", "age": "34", "sex": "female", "occupation": "nurse", "city": "Leeds", "income": "41000"},
    {"pid": "3", "age": "81", "sex": "M", "occupation": "", "city": "York", "income": ""},
    {"pid": "4", "age": "", "sex": "", "occupation": "", "city": "", "income": ""},
]
TEMPLATE = "{age}-year-old[ {occupation}] in {city}"


@pytest.fixture
def population(tmp_path: Path) -> Path:
    path = tmp_path / "pop.csv"
    with path.open("w", newline="") as file:
        rows = csv.DictWriter(file, list(POPULATION[0]))
        rows.writeheader()
        rows.writerows(POPULATION)
    return path


def take(hub: HubFile, path: Path, **wish: Any) -> FileReport:
    (report,) = import_files(hub, [path], ImportOptions.given(**wish))
    return report


def test_a_template_describes_people_and_equal_columns_are_one_person(hub: HubFile, population: Path) -> None:
    report = take(hub, population, compose=TEMPLATE)
    assert (report.rows, report.new, report.equal) == (3, 2, 1)
    assert [(s.reason, s.rows) for s in report.skipped] == [
        ("it has no 'age', which `compose` needs outside of [ ]", 1)
    ]
    assert ask_hub(hub, "SELECT text FROM personas ORDER BY ordinal") == [
        ("34-year-old nurse in Leeds",),
        ("81-year-old in York",),
    ]
    assert ask_hub(hub, "SELECT attributes->>'pid', attributes->>'age' FROM imports ORDER BY row")[:2] == [
        ("1", "34"),
        ("2", "34"),
    ]


def test_columns_that_are_known_describe_people_by_rule(hub: HubFile, population: Path) -> None:
    report = take(hub, population)
    assert str(report.columns) == "text composed of 'age', 'sex', 'city', 'occupation', 'income'"
    assert report.example == "A 34-year-old woman from Leeds; occupation: nurse; income: 41000."
    assert ask_hub(hub, "SELECT text, language FROM personas ORDER BY ordinal")[1] == (
        "An 81-year-old man from York.",
        "en",
    )
    assert [s.rows for s in report.skipped] == [1]


def test_what_columns_state_is_the_profile_with_its_source(hub: HubFile, population: Path) -> None:
    take(hub, population, compose=TEMPLATE)
    rows = ask_hub(
        hub,
        """SELECT age_band, occupation, region, education, profiles.model, evidence->'age_band' FROM profiles
        JOIN personas ON id = persona ORDER BY ordinal""",
    )
    assert [row[:5] for row in rows] == [
        ("30-39", "nurse", "Leeds", None, "import"),
        ("80-89", None, "York", None, "import"),
    ]
    assert json.loads(rows[0][5]) == {"evidence": "stated", "words": "age: 34"}


@pytest.mark.parametrize(
    ("columns", "known"),
    [
        ({"age": 90.0}, {"age_band": "90+"}),
        ({"Age": "25-34"}, {}),
        ({"age": 400, "sex": "f"}, {}),
        (
            {"education_level": "bachelors", "hobbies": "chess; rowing"},
            {"education": 6, "interests": ["chess", "rowing"]},
        ),
        ({"education": "graduate", "languages": "English"}, {}),
        ({"languages": ["en", "pt-BR"], "openness": "5"}, {"languages": ["en", "pt-BR"], "openness": 5}),
        ({"openness": 7, "household": "castle", "age": True}, {}),
        ({"city": "Leeds", "country": "UK", "age": None}, {"region": "Leeds, UK"}),
    ],
)
def test_only_what_is_certain_is_taken_over(columns: dict[str, Any], known: dict[str, Any]) -> None:
    profile = profile_of_columns("p", columns)
    found = {} if profile is None else {n: a.value for n, a in profile.attributes.items() if a.value is not None}
    assert found == known


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("A {ocupation}", "no column 'ocupation', which `compose` names; .* did you mean 'occupation'"),
        ("{age.__class__}", "no column 'age.__class__'"),
        ("{age!r}", "no column 'age!r'"),
        ("{0}", "no column '0'"),
        ("A nurse", "names no column"),
        ("A {age", "lone '{' at character 3"),
        ("[{age}", "does not close"),
        ("{age}]", "lone ']'"),
    ],
)
def test_a_template_that_is_none_is_one_sentence(hub: HubFile, population: Path, template: str, said: str) -> None:
    with pytest.raises(SetupError, match=said):
        take(hub, population, compose=template)


@pytest.mark.parametrize("name", ["text", "Persona", "description", "bio", "biography"])
def test_a_column_of_descriptions_is_known_by_its_name(hub: HubFile, tmp_path: Path, name: str) -> None:
    (path := tmp_path / "p.jsonl").write_text(json.dumps({"age": 3, "sex": "f", name: "A nurse who sings"}))
    take(hub, path)
    assert ask_hub(hub, "SELECT text FROM personas") == [("A nurse who sings",)]


def test_the_people_of_a_population_live_as_any_others(population: Path) -> None:
    population.write_text("".join(population.read_text().splitlines(keepends=True)[:4]))
    assert [p.text for p in read_hub(population).personas][1] == "An 81-year-old man from York."


NAMES = st.text(string.ascii_letters + " _", min_size=1, max_size=8).filter(lambda n: n == n.strip())


@settings(deadline=None)
@given(NAMES, st.text(min_size=1).filter(str.strip), st.text("ab {}[]", max_size=9))
def test_a_value_stands_in_the_text_as_it_is(name: str, value: str, around: str) -> None:
    literal = around.replace("{", "{{").replace("}", "}}").replace("[", "[[").replace("]", "]]")
    text = parse_template(f"{literal}{{{name}}}", [name], where="x").text({name: value})
    assert text == around + value.strip()


def test_of_one_known_column_nothing_is_made() -> None:
    assert rule_composer(["age", "colour"]) is None

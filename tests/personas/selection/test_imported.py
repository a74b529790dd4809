"""What was imported with people stands in for what no profile says: in conditions, rules, views and files alike."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest
from hypothesis import strategies as st
from properties import holds

from populace.core.errors import SetupError
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import HubFile, create_hub
from populace.personas.profiles.profile import AgeBand
from populace.personas.selection import SelectionSpec, select, write_selection
from populace.personas.selection.candidates import PeopleColumns, age_band

ROWS: list[dict[str, Any]] = [
    {"text": "A baker", "Region": "north", "age": 31, "zip": "04101", "member": True, "floors": 2, "size": "1.5"},
    {"text": "A pilot", "Region": "south", "age": 64.5, "zip": "10115", "member": False, "floors": "3", "size": "20"},
    {"text": "A keeper", "Region": "north", "age": 102, "zip": "99999", "floors": 11, "languages": ["cy", "en"]},
    {"text": "A notary", "age": 1985, "openness": 4, "education": "bachelor", "likes": ["tea"], "mixed": 3},
    {"text": "A smith", "age_band": "40-49", "age": 12, "openness": "2", "likes": "rye", "mixed": "three"},
]


def filled(folder: Path) -> HubFile:
    (source := folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    list(import_files(hub := create_hub(folder / "hub.duckdb"), [source], ImportOptions(licence="CC0-1.0")))
    return hub


@pytest.fixture
def villagers(tmp_path: Path) -> Iterator[HubFile]:
    """Five people with attributes, open for writing."""
    with filled(tmp_path) as hub:
        yield hub


@pytest.fixture(scope="module")
def lasting_villagers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubFile]:
    """The same people for tests that change nothing."""
    with filled(tmp_path_factory.mktemp("lasting")) as hub:
        yield hub


def profile(hub: HubFile, text: str, **known: object) -> None:
    columns = {"evidence": "{}", "only_evident": False, "model": "m", "prompt": "p", "made_at": "2026-01-01", **known}
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    hub.con.execute(
        f"INSERT INTO profiles (persona, {names}) SELECT id, {marks} FROM personas WHERE text = ?",
        [*columns.values(), text],
    )


def chosen(hub: HubFile, where: str) -> set[str]:
    ids = select(hub, SelectionSpec(where=where)).ids
    rows = hub.con.execute("SELECT text FROM personas WHERE id IN (SELECT unnest(?))", [ids]).fetchall()
    return {text.split()[1] for (text,) in rows}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "who"),
    [
        ("age > 60 AND age < 1000", {"pilot", "keeper"}),
        ("floors >= 3", {"pilot", "keeper"}),
        ("size > 3", {"pilot"}),
        ("member", {"baker"}),
        ("zip = '04101'", {"baker"}),
        ("zip LIKE '10%'", {"pilot"}),
        ("mixed = '3'", {"notary"}),
        ("likes = 'rye'", {"smith"}),
        ("region = 'north'", {"baker", "keeper"}),
        ("Region = 'south' AND people.region IS NOT NULL", {"pilot"}),
        ("age_band = '30-39'", {"baker"}),
        ("age_band IN ('60-69', '90+')", {"pilot", "keeper"}),
        ("age_band IS NULL", {"notary"}),
        ("age_band = '40-49'", {"smith"}),
        ("openness > 3", {"notary"}),
        ("education = 'bachelor'", {"notary"}),
        ("languages[1] = 'cy'", {"keeper"}),
        ("attributes->>'zip' = '99999' AND region = 'north'", {"keeper"}),
    ],
)
def test_conditions_ask_attributes_as_what_they_are(lasting_villagers: HubFile, where: str, who: set[str]) -> None:
    assert chosen(lasting_villagers, where) == who


def test_a_profile_comes_before_what_was_imported(villagers: HubFile) -> None:
    profile(villagers, "A baker", region="hills", age_band="20-29", education=6)
    assert chosen(villagers, "region = 'hills' AND age_band = '20-29'") == {"baker"}
    assert chosen(villagers, "region = 'north'") == {"keeper"}
    # What is no level of education stays out of a column of levels.
    assert chosen(villagers, "education > 5") == {"baker"}


def test_a_profile_that_says_nothing_leaves_room_for_what_was_imported(villagers: HubFile) -> None:
    profile(villagers, "A baker", occupation="baker")
    assert chosen(villagers, "region = 'north' AND age_band = '30-39'") == {"baker"}


def test_a_kept_selection_has_the_regions_that_it_was_balanced_by(villagers: HubFile) -> None:
    select(villagers, SelectionSpec(n=2, balance=("region",), name="v"))
    rows = villagers.con.execute("SELECT region, count(*) FROM v GROUP BY 1 ORDER BY 1").fetchall()
    assert rows == [("north", 1), ("south", 1)]


def test_a_view_shows_the_attributes_and_profiles_that_came_later(villagers: HubFile) -> None:
    select(villagers, SelectionSpec(where="age < 100", name="v"))
    profile(villagers, "A pilot", region="islands")
    rows = villagers.con.execute("SELECT text, region, age_band, attributes->>'zip' FROM v ORDER BY ordinal").fetchall()
    assert rows == [
        ("A baker", "north", "30-39", "04101"),
        ("A pilot", "islands", "60-69", "10115"),
        ("A smith", None, "40-49", None),
    ]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_file_of_those_chosen_has_what_was_imported(villagers: HubFile, tmp_path: Path, suffix: str) -> None:
    write_selection(villagers, select(villagers, SelectionSpec(where="age = 102")), path := tmp_path / f"out{suffix}")
    ((region, band, languages, zipcode),) = duckdb.execute(
        f"SELECT region, age_band, languages, attributes::JSON->>'zip' FROM '{path}'"
    ).fetchall()
    assert (region, band, zipcode) == ("north", "90+", "99999")
    assert languages == ('["cy","en"]' if suffix == ".csv" else ["cy", "en"])


def test_an_unknown_name_is_answered_without_repeats(villagers: HubFile) -> None:
    with pytest.raises(SetupError, match=r"did you mean 'region' or 'origin'\?") as told:
        chosen(villagers, "regionn = 'north'")
    listed = str(told.value).partition("There are: ")[2].partition(".")[0].split(", ")
    assert len(listed) == len({name.lower() for name in listed})
    assert {"region", "attributes", "zip", "mixed"} <= set(listed)


def test_nothing_is_joined_that_is_not_asked_for(villagers: HubFile) -> None:
    people = PeopleColumns(villagers.con)
    plain, filled = (people.column(name, asked_by="where") for name in ("hop", "region"))
    assert "JOIN" not in people.relation([plain], with_duplicates=True)
    assert people.relation([filled], with_duplicates=True).count("JOIN") == 2
    assert "w.attributes" not in people.relation([filled], with_duplicates=True)


def test_files_that_write_a_name_otherwise_mean_the_same(villagers: HubFile, tmp_path: Path) -> None:
    (more := tmp_path / "more.jsonl").write_text('{"text": "A cook", "AGE": "33", "region": "north"}\n')
    list(import_files(villagers, [more], ImportOptions(licence="CC0-1.0")))
    assert chosen(villagers, "age_band = '30-39'") == chosen(villagers, "age IN (31, 33)") == {"baker", "cook"}
    assert chosen(villagers, "region = 'north'") == {"baker", "keeper", "cook"}


def test_a_name_that_only_late_rows_have_is_found(villagers: HubFile) -> None:
    villagers.con.execute(
        "INSERT INTO imports BY NAME SELECT 'x' AS persona, 2 AS file, i AS row, 's' AS source, "
        "TIMESTAMP '2026-01-01' AS imported_at, '{\"other\": 1}' AS attributes FROM range(5000) AS t(i);"
        "UPDATE imports SET attributes = '{\"late\": 7}', "
        "persona = (SELECT id FROM personas WHERE text = 'A baker') WHERE row = 4999"
    )
    assert chosen(villagers, "late = 7") == {"baker"}


@holds(st.floats(-5, 200))
def test_an_age_has_the_band_of_profiles_that_holds_it(age: float) -> None:
    ((band,),) = duckdb.execute(f"SELECT {age_band('a')} FROM (SELECT ?::DOUBLE AS a)", [age]).fetchall()
    bands = get_args(AgeBand.__value__)
    assert band == (bands[min(int(age // 10), 9)] if 0 <= age <= 130 else None)

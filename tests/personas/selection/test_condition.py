"""What `where` takes: one condition over people, their profiles and what was imported with them."""

import time

import pytest

from populace.core.errors import SetupError
from populace.core.query import QueryLimit, has_unstoppable_query
from populace.personas.hub import HubFile
from populace.personas.selection import SelectionSpec, select


def chosen(hub: HubFile, where: str) -> int:
    return len(select(hub, SelectionSpec(where=where)).ids)


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("hop = 1", 80),
        ("region = 'north' AND hop = 1", 40),
        ("REGION = 'north'", 120),
        ("people.region = 'north'", 120),
        ("region IS NULL", 12),
        ("text LIKE '%w7 %'", 1),
        ("languages[2] = 'cy' -- Welsh", 240),
        ("len(list_filter(languages, lambda x: x = 'cy')) = 1", 240),
        ("profile_model = 'procedural'", 240),
        ("guild = 'weavers'", 50),
        ("\"a/b\" = '7'", 50),
        ("attributes->>'guild' = 'weavers' AND ordinal > 40", 10),
    ],
)
def test_conditions_ask_personas_profiles_and_imports(lasting_town: HubFile, where: str, count: int) -> None:
    assert chosen(lasting_town, where) == count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("", "`where` is empty"),
        ("hop = 1; DROP TABLE personas", "no condition in SQL"),
        ("true) OR (1 = 1", "no condition in SQL"),
        ("hop = 1 ORDER BY id", "no condition in SQL"),
        ("true GROUP BY id", "no condition in SQL"),
        ("true) UNION SELECT 1 FROM people WHERE (true", "it takes one condition|no condition in SQL"),
        ("id IN (SELECT source FROM relations)", "without a query inside it"),
        ("EXISTS (FROM read_csv('/etc/hosts'))", "without a query inside it"),
        ("random() < 0.5", r"calls random\(\), whose answer changes"),
        ("now() > TIMESTAMP '2026-01-01'", r"calls now\(\)"),
        ("pg_sleep(3) IS NULL", r"`where` is 'pg_sleep\(3\) IS NULL': pg_sleep\(\) is refused"),
        ("len(list_transform([1], lambda x: sleep_ms(x))) = 1", r"sleep_ms\(\) is refused"),
        ("current_setting('threads') = '1'", r"current_setting\(\) is refused"),
        ("nextval('s') = 1", r"nextval\(\) is refused"),
        ("hop = ?", "holds a parameter"),
        ("COLUMNS(*) IS NULL", "all columns at once"),
        ("length(text)", "BIGINT; it must be true or false"),
        ("count(*) > 1", "cannot be asked"),
        ("hop = 'one'", "cannot be asked|failed on somebody"),
        ("text::INTEGER = 1", "failed on somebody"),
    ],
)
def test_anything_but_one_plain_condition_is_refused(lasting_town: HubFile, where: str, said: str) -> None:
    with pytest.raises(SetupError, match=said):
        chosen(lasting_town, where)
    assert chosen(lasting_town, "true") == 240


def test_a_condition_that_takes_too_long_is_refused_and_the_hub_answers_on(
    lasting_town: HubFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One call of a function for all 240 people, which DuckDB cannot stop: it goes on while the hub is asked again.
    monkeypatch.setattr("populace.core.query._PATIENCE_SECONDS", 0.0)
    slow = "length(levenshtein(repeat(text, 20), repeat(reverse(text), 20))::VARCHAR) > 0"
    with pytest.raises(SetupError, match=r"stopped after 0.05 s; .* `timeout` \(0 is no limit\)"):
        select(lasting_town, SelectionSpec(where=slow), limit=QueryLimit.given(0.05))
    assert chosen(lasting_town, "hop = 0") == 80
    while has_unstoppable_query():
        time.sleep(0.01)


def test_an_unknown_column_names_the_nearest_and_all_that_are_there(lasting_town: HubFile) -> None:
    with pytest.raises(SetupError, match=r"'age_bend', .*did you mean 'age_band'.*There are: id, .*region.*guild"):
        chosen(lasting_town, "age_bend = '0-9'")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"where": 'region = "north"'}, "Texts stand between single quotes"),
        ({"where": "region = 'atlantis'"}, "Nobody meets `where`"),
        ({"n": 3, "stratify": ("planet",)}, "`stratify` names 'planet', which is no column of people"),
        ({"n": 3, "balance": ("planet",)}, "`balance` names 'planet', which is no column of people"),
        ({"n": 3, "targets": {"shares": {"planet": {"mars": 1.0}}}}, "`targets` names 'planet', which is no column"),
        ({"n": 5, "targets": {"shares": {"region": {"moon": 1.0}}}}, "region are east, north, south"),
        ({"n": 10, "balance": ("text",)}, "text has 240 values among the candidates, more than the 10"),
        (
            {"quota": {"column": "region", "counts": {"west": 2}}},
            "has region 'west'; the values are 'east', 'north', 'south'",
        ),
    ],
)
def test_what_this_town_has_not_is_named(lasting_town: HubFile, options: dict[str, object], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        select(lasting_town, SelectionSpec.given(**options))


def test_an_imported_attribute_balances_like_a_column(lasting_town: HubFile) -> None:
    report = select(lasting_town, SelectionSpec(n=10, balance=("guild",))).report
    assert report.left_out == {"guild is not known": 190}
    assert report.breakdowns[0].shares[0].values == ("weavers",)


def test_someone_imported_twice_is_one_candidate_with_the_first_attributes(town: HubFile) -> None:
    town.con.execute(
        'INSERT INTO imports BY NAME SELECT * REPLACE (\'{"guild": "tanners"}\' AS attributes) FROM imports'
    )
    assert chosen(town, "guild = 'weavers'") == 50
    assert len(select(town, SelectionSpec()).ids) == 240

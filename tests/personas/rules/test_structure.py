"""Personal data in nested JSON, among identifiers, and in columns."""

import json
from typing import Any

import pytest
from hypothesis import strategies as st
from properties import holds

from populace.personas.rules import find_personal
from populace.personas.rules.columns import kinds_of_columns, rewrite_strings
from populace.personas.rules.personal import personal_changes
from populace.personas.rules.quality import rows_to_search

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(
    ["Ask Nancy Whitfield, at https://example.org/a", 'tell "Ada Lovelace". They', "a@example.org", "+44 20 7946 0958"]
)  # fmt: skip
_JSON = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3) | inner.map(json.dumps)
    ),
    max_leaves=8,
)


def shape(value: Any) -> Any:
    """All but the strings: of one that holds JSON what that is."""
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):
            return "text"
        return ["json", shape(inner)] if isinstance(inner, (dict, list, str)) else "text"
    if isinstance(value, list):
        return [shape(item) for item in value]
    return {key: shape(item) for key, item in value.items()} if isinstance(value, dict) else value


@holds(_JSON.filter(lambda value: isinstance(value, (dict, list))), st.sampled_from([None, 2]), st.booleans())
def test_any_json_keeps_its_shape(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    now, changes = personal_changes(text)
    assert shape(json.loads(now)) == shape(value)
    assert (now == text) == (not changes)


def test_what_is_written_around_a_string_that_changes_stays_to_the_letter() -> None:
    text = '{"n": 1.50e3,  "a":"\\u00e9", "a":[ "ann@example.org" , 7.0]}'
    assert personal_changes(text)[0] == text.replace("ann@example.org", "[email]")


def test_json_in_a_string_of_json_in_json_stays_json() -> None:
    inner = json.dumps([{"url": "https://example.org/x", "who": "Nancy Whitfield", "n": 2}])
    text = json.dumps({"rows": json.dumps({"deep": inner})})
    now = json.loads(json.loads(json.loads(personal_changes(text)[0])["rows"])["deep"])
    assert now[0]["url"] == "[url]"
    assert (list(now[0]), now[0]["n"]) == (["url", "who", "n"], 2)
    assert "Nancy" not in now[0]["who"]


def test_keys_are_never_shown() -> None:
    seen: list[str] = []

    def see(path: tuple[str, ...], value: str) -> str:
        seen.append(value)
        return value

    rewrite_strings('{"a@example.org": {"Ada Lovelace": ["x", "y"]}}', see)
    assert seen == ["x", "y"]


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-02T09:14:33.123456Z", "2026-03-02 09:14:33+01:00", "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "550e8400-4b1c-11d4-a716-446655440000", "ISBN 978-3-16-148410-0", "0-306-40615-2", "9783161484100",
        "doi:10.1000/182-1234567", "https://doi.org/10.1109/5.771073", "40.712776, -74.005974", "$1,234,567.00",
        "12 345 678 EUR", "3.11.7", "version 1.2.3.4", "v2.10.13-rc1", "d41d8cd98f00b204e9800998ecf8427e",
        "1234 5678 9012 3456", "GB82 WEST 1234 5698 7654 33", "1990-1995", "ORD-2023-000123-4567", "1700000000000",
        "use @staticmethod", "Stephanie 12345678", "127.0.0.1", "3.14159265358979",
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ["{}", "An archivist who notes {} in a ledger"])
def test_identifiers_survive(around: str, value: str) -> None:
    assert find_personal(around.format(value)) == ()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"u":"https://example.org/x?y=1","b":"c"}', "https://example.org/x?y=1"),
        ("see https://example.org/a_(b), then go", "https://example.org/a_(b)"),
        ("call 555-867-5309 now", "555-867-5309"),
        ("her phone is 4155550123", "4155550123"),
        ("reach her on 01 23 45 67 89", "01 23 45 67 89"),
        ("server 8.8.8.8:53", "8.8.8.8"),
    ],
)
def test_what_reaches_somebody_is_found_and_ends_where_it_ends(text: str, wanted: str) -> None:
    assert [text[piece.start : piece.end] for piece in find_personal(text)] == [wanted]


def test_columns_are_known_by_their_headings_and_values() -> None:
    rows = [
        {
            "name": name,
            "employer": "Grant Thornton",
            "at": "2026-03-02T09:14:33",
            "tel": 4155550123 + n,
            "key": f"A-{n}",
        }
        for n, name in enumerate(["Nancy Whitfield", "Xq Zzyzx", "Betty Crawford", "Ngozi Anyanwu", "Bo Tran"])
    ]
    kinds = kinds_of_columns(map(json.dumps, rows))
    assert kinds == {"name": "name", "employer": "term", "at": "identifier", "tel": "phone", "key": "identifier"}


def test_all_values_of_a_column_of_names_are_replaced_and_none_of_companies() -> None:
    names = ["Nancy Whitfield", "Xq Zzyzx", "Betty Crawford", "王小明", "Dr. Ngozi Anyanwu", "N/A"]
    rows = [json.dumps({"name": name, "firm": f"{name} & Sons"}, ensure_ascii=False) for name in names]
    kinds = kinds_of_columns(rows)
    now = [json.loads(personal_changes(row, kinds)[0]) for row in rows]
    assert [row["firm"] for row in now] == [f"{name} & Sons" for name in names]
    assert not any(name in row["name"] for name, row in zip(names[:-1], now, strict=False))
    assert now[-1]["name"] == "N/A"
    again = [personal_changes(json.dumps(row, ensure_ascii=False), kinds)[1] for row in now]
    assert not any(again)


def test_names_are_the_same_in_columns_and_in_texts() -> None:
    row = json.dumps({"name": "Nancy Whitfield", "note": "Ask Nancy Whitfield today."})
    now = json.loads(personal_changes(row, kinds_of_columns([row]))[0])
    assert now["note"] == f"Ask {now['name']} today."


def test_the_quick_look_sees_through_what_json_escapes() -> None:
    inner = [json.dumps({"who": who}) for who in ("x\nMr. Okonjo", "Jos\u00e9 Garc\u00eda", 'so "Nancy Whitfield"')]
    texts = [*(json.dumps({"calls": text}) for text in inner), '{"path":"C:\\\\new"}']
    assert rows_to_search(texts) == [0, 1, 2]
    assert all(personal_changes(text)[1] for text in texts[:3])


def test_an_address_in_the_query_of_a_link_is_replaced_and_the_link_stays() -> None:
    links = [json.dumps({"link": f"https://shop.example/basket?id={n},2&for=ann{n}@example.org"}) for n in range(8)]
    now, _ = personal_changes(links[3], kinds_of_columns(links))
    assert json.loads(now) == {"link": "https://shop.example/basket?id=3,2&for=[email]"}

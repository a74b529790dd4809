import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from populace.analysis.table import make_visible, render_csv, render_json, render_table

STEERING = "\x1b[31mred\x07\r\x9b2J\u202eback"


@dataclass(frozen=True)
class Rows:
    columns: Sequence[str]
    types: Sequence[str]
    rows: Sequence[tuple[Any, ...]] = field(default_factory=list)


def one(value: object, kind: str = "VARCHAR") -> Rows:
    return Rows(["value"], [kind], [(value,)])


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_nothing_that_steers_a_terminal_stays(text: str) -> None:
    shown = make_visible(text)
    assert not any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or c in "\u202e\u2066" for c in shown)


def test_visible_text_is_left_as_it_is() -> None:
    assert make_visible("Łódź, 海边, خبز\n") == "Łódź, 海边, خبز\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), min_size=1, max_size=4))
def test_no_line_of_a_table_is_wider_than_asked(texts: list[str]) -> None:
    table = render_table(Rows(["n", "text"], ["INTEGER", "VARCHAR"], list(enumerate(texts))), 60)
    assert all(cell_len(line) <= 60 for line in table.splitlines())


HASH = "0123456789abcdef0123456789abcdef"
SAID = "The river rose in the night and took the bridge, so all trade between the banks has stopped."


def wide(columns: int) -> Rows:
    """Numbers, an id and texts, in so many columns."""
    kinds = [("n", "INTEGER", 12345678), ("agent", "VARCHAR", HASH), ("text", "VARCHAR", SAID)]
    chosen = [kinds[n % 3] for n in range(columns)]
    return Rows([f"{name}_{n}" for n, (name, *_) in enumerate(chosen)], [k for _, k, _ in chosen], [
        tuple(value for *_, value in chosen)
    ] * 2)  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 110])
@pytest.mark.parametrize("columns", range(1, 13))
def test_no_table_is_folded_within_words_and_none_is_wider_than_the_terminal(width: int, columns: int) -> None:
    table = render_table(wide(columns), width, elsewhere="Elsewhere.")
    assert all(cell_len(line) <= width for line in table.splitlines())
    words = set(re.findall(r"[^\s│─╭╮╰╯├┤┬┴┼]+", table))
    known = {*SAID.split(), HASH, "12345678", "Elsewhere.", "row", "of", "1", "2", *wide(columns).columns}
    cut = {word for word in words - known if not re.fullmatch(r"[0-9a-f]{11,}\u2026", word)}
    assert cut == set()
    assert ("Elsewhere." in table) == any(word.endswith("\u2026") for word in words)


def test_headings_are_folded_before_a_table_goes_row_by_row() -> None:
    rows = Rows(["tokens that went in", "tokens that came out"], ["INTEGER", "INTEGER"], [(1, 2)])
    table = render_table(rows, 26)
    assert "row 1" not in table
    assert {word for word in ("tokens", "that", "went", "came", "in", "out") if word in table.split()} >= {
        "went",
        "out",
    }


def test_what_has_no_room_side_by_side_is_shown_whole_row_by_row() -> None:
    table = render_table(wide(9), 60)
    assert "── row 1 of 2 ──" in table
    assert table.count(HASH) == 6
    assert "".join(table.split()).count("".join(["and", "took", "the", "bridge,", "so", "all"])) == 6


def test_a_column_alone_is_shown_whole_however_narrow_the_terminal() -> None:
    table = render_table(one(HASH), 20)
    assert "".join(re.findall(r"[0-9a-f]+", table.partition("├")[2])) == HASH


def test_a_table_shows_markup_of_rich_as_text() -> None:
    assert "[bold]x[/bold]" in render_table(one("[bold]x[/bold]"))


def test_a_table_aligns_numbers_right_and_text_left() -> None:
    table = render_table(Rows(["count", "word"], ["BIGINT", "VARCHAR"], [(7, "a")]))
    assert "│     7 │ a    │" in table


def test_no_rows_are_one_plain_sentence() -> None:
    assert render_table(Rows(["kind", "lines"], ["VARCHAR", "BIGINT"])) == "No rows (kind, lines).\n"


@pytest.mark.parametrize("render", [render_table, render_json])
def test_control_characters_reach_no_terminal(render: Any) -> None:
    assert make_visible(render(one(STEERING))) == render(one(STEERING))


def test_json_gives_back_what_it_was_given_even_control_characters() -> None:
    assert json.loads(render_json(one(STEERING))) == [{"value": STEERING}]


def test_csv_is_exact_and_safe_only_where_a_terminal_is_meant() -> None:
    assert list(csv.reader(io.StringIO(render_csv(one('a,"b"\n\x1b'))))) == [["value"], ['a,"b"\n\x1b']]
    assert "\x1b" not in render_csv(one(STEERING), for_terminal=True)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("12345678901234567890.10"), "12345678901234567890.10"),
        (2**100, str(2**100)),
        (float("nan"), "null"),
        (float("-inf"), "null"),
        (None, "null"),
        (True, "true"),
        (datetime(2026, 3, 1, 12, tzinfo=UTC).replace(tzinfo=None), '"2026-03-01T12:00:00"'),
        (date(2026, 3, 1), '"2026-03-01"'),
        (b"\x00\xff", '"00ff"'),
        ({"a": [1, {"b": Decimal("0.5")}], "c": float("inf")}, '{"a":[1,{"b":0.5}],"c":null}'),
        ("00c0ffee", '"00c0ffee"'),
    ],
)
def test_json_keeps_every_digit_and_stays_valid(value: object, written: str) -> None:
    text = render_json(one(value))
    assert text == f'[\n{{"value":{written}}}\n]\n'
    assert json.loads(text)


def test_a_json_column_comes_out_as_the_value_it_holds() -> None:
    assert json.loads(render_json(one('{"deep": [1, 2]}', "JSON"))) == [{"value": {"deep": [1, 2]}}]


def test_columns_of_one_name_all_stay() -> None:
    rows = Rows(["n", "n", "n_2"], ["INTEGER"] * 3, [(1, 2, 3)])
    assert sorted(json.loads(render_json(rows))[0].values()) == [1, 2, 3]


def test_no_rows_are_an_empty_array_and_a_lone_heading() -> None:
    assert json.loads(render_json(Rows(["a"], ["INTEGER"]))) == []
    assert render_csv(Rows(["a"], ["INTEGER"])) == "a\n"

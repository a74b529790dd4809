"""Texts that a spreadsheet would take for formulas: written with an apostrophe, and read as they were."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import strategies as st
from properties import holds

from populace.analysis.table import render_csv
from populace.core.query import QueryResult
from populace.core.writers import escape_cell, read_cells, unescape_cell, write_csv_rows
from populace.personas.formats.exporting import export_hub
from populace.personas.formats.importing import import_files
from populace.personas.hub import create_hub

FORMULAS = (
    '=HYPERLINK("http://x.example","a")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "＝1+1",
    "'=1",
    "''-x",
)
PLAIN = ("-5", "+5.25", "-1e-3", "-5%", "-inf", "'tis the season", "O'Brien", "", "a=b", "'")

cells = st.lists(
    st.text() | st.text("=+-@'\t\n\r,\"5.e x") | st.sampled_from((*FORMULAS, *PLAIN)), min_size=2, max_size=2
)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text(text: str) -> None:
    assert escape_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_numbers_and_other_texts_stay(text: str) -> None:
    assert escape_cell(text) == text


@holds(st.lists(cells, max_size=5))
def test_what_is_read_equals_what_was_written(rows: list[list[str]]) -> None:
    page = io.StringIO(newline="")
    write_csv_rows(rows, page, quoting=1)
    page.seek(0)
    assert list(read_cells(csv.reader(page))) == rows


@holds(st.text())
def test_an_escaped_cell_is_no_formula(text: str) -> None:
    assert unescape_cell(escape_cell(text)) == text
    assert escape_cell(text)[:1] not in set("=@\t\r\n") or not text


def test_an_exported_hub_comes_back_equal(tmp_path: Path) -> None:
    with create_hub(tmp_path / "one.duckdb") as hub:
        for n, text in enumerate(FORMULAS, 1):
            hub.con.execute(
                "INSERT INTO personas VALUES (md5(?), ?, ?, 'import', 0, NULL, 'en', 'x.csv', ?, NULL, NULL)",
                [text, n, f"{text} she says", text],
            )
        export_hub(hub, path := tmp_path / "people.csv")
        was = hub.con.execute("SELECT text, licence FROM personas ORDER BY ordinal").fetchall()
    with path.open(newline="") as file:
        assert not {cell[:1] for row in csv.reader(file) for cell in row}.intersection("=+-@\t")
    with create_hub(tmp_path / "two.duckdb") as again:
        list(import_files(again, [path]))
        assert again.con.execute("SELECT text, licence FROM personas ORDER BY ordinal").fetchall() == was


def test_a_table_of_sql_holds_no_formula() -> None:
    table = QueryResult(("=a", "n"), ("VARCHAR", "DOUBLE"), [("=1+1", -5.0), ("@x", float("-inf"))])
    assert render_csv(table) == "'=a,n\n'=1+1,-5.0\n'@x,-inf\n"


def test_formulas_are_kept_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPULACE_CSV_FORMULAS", "keep")
    page = io.StringIO(newline="")
    write_csv_rows([["=1", "'=1"]], page)
    assert page.getvalue() == "=1,'=1\n"
    assert list(read_cells(iter([["=1", "'=1"]]))) == [["=1", "'=1"]]

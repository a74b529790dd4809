"""An answer as a data frame: of pandas, of polars, and as Arrow."""

import sys
from collections.abc import Iterator

import duckdb
import pytest

from populace.core.errors import SetupError
from populace.core.query import QueryResult, ask

SQL = """
SELECT n, n * 0.5 AS n, 't' || n AS text, if(n = 1, NULL, n) AS m, sum(n) OVER () AS s, 1e30::HUGEINT AS h
FROM range(3) AS r(n) ORDER BY n
"""


@pytest.fixture
def answer() -> Iterator[QueryResult]:
    with duckdb.connect() as con:
        yield ask(con.cursor(), SQL).result()


def test_a_frame_has_the_types_of_the_columns_and_numbers_their_names(answer: QueryResult) -> None:
    frame = answer.df()
    assert list(frame.columns) == ["n", "n_2", "text", "m", "s", "h"]
    assert [str(frame[name].dtype) for name in ("n", "n_2", "h")] == ["int64", "float64", "float64"]
    assert frame["s"].sum() == 9
    assert frame["m"].isna().tolist() == [False, True, False]


def test_arrow_holds_what_the_rows_hold(answer: QueryResult) -> None:
    assert [tuple(row.values()) for row in answer.arrow().to_pylist()] == answer.rows
    made = QueryResult(("a", "a"), ("INTEGER", "VARCHAR"), [(1, "x"), (2, None)])
    assert made.arrow().to_pydict() == {"a": [1, 2], "a_2": ["x", None]}
    assert QueryResult(("a",), ("INTEGER",), []).arrow().num_rows == 0


@pytest.mark.parametrize(("library", "method"), [("pandas", "df"), ("polars", "pl")])
def test_without_the_library_one_sentence_says_what_to_do(
    answer: QueryResult, monkeypatch: pytest.MonkeyPatch, library: str, method: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SetupError, match=f"{library} is not installed: `pip install {library}`"):
        getattr(answer, method)()


def test_a_notebook_shows_the_first_rows_escaped(answer: QueryResult) -> None:
    shown = answer._repr_html_()
    assert shown.startswith("<table><thead><tr><th>n</th>")
    assert "<td>t2</td>" in shown
    many = QueryResult(("a",), ("VARCHAR",), [("<b>&",)] * 30)._repr_html_()
    assert "&lt;b&gt;&amp;" in many
    assert "20 of 30 rows" in many

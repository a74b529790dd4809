from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from populace.analysis.report.charts import write_result_picture
from populace.core.errors import SetupError
from populace.core.query import QueryResult

SUPPORT = QueryResult(
    ("step", "group_name", "support", "support_low", "support_high"),
    ("INTEGER", "VARCHAR", "DOUBLE", "DOUBLE", "DOUBLE"),
    [(1, "shops & co", 3.5, 3.1, 3.9), (1, "residents", 3.0, 2.0, 4.0), (3, "shops & co", 2.5, None, None)],
)


def wide(*rows: tuple[object, ...], names: tuple[str, ...] = ("step", "reach", "new")) -> QueryResult:
    return QueryResult(names, ("INTEGER", *["DOUBLE"] * (len(names) - 1)), list(rows))


def texts(path: Path) -> list[str]:
    return [text for one in ET.parse(path).iter() for text in [one.text] if text]


def test_a_column_of_texts_names_the_lines_and_bounds_are_intervals(tmp_path: Path) -> None:
    path = write_result_picture(SUPPORT, tmp_path / "support.svg", of="run.duckdb", note="By a stand-in.")
    said = texts(path)
    assert {"shops & co", "residents", "step", "support", "By a stand-in."} <= set(said)
    assert sum(text.startswith("shops & co, step") for text in said) == 2
    once = path.read_text()
    without = [(*row[:3], None, None) for row in SUPPORT.rows]
    again = write_result_picture(QueryResult(SUPPORT.columns, SUPPORT.types, without), path, of="run.duckdb")
    assert len(again.read_text()) < len(once)


def test_without_one_each_column_of_numbers_is_a_line(tmp_path: Path) -> None:
    path = write_result_picture(wide((1, 0.1, 1.0), (2, 0.5, 3.0)), tmp_path / "reach.svg", of="run.duckdb")
    assert {"reach", "new"} <= set(texts(path))


def test_one_line_of_shares_needs_no_legend_and_is_in_per_cent(tmp_path: Path) -> None:
    path = write_result_picture(wide((1, 0.25), names=("step", "reach")), tmp_path / "reach.svg", of="run.duckdb")
    said = texts(path)
    assert said.count("reach") == 1
    assert "100%" in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (wide(), "nothing to draw"),
        (QueryResult(("step", "name"), ("INTEGER", "VARCHAR"), [(1, "a")]), "nothing to draw"),
        (wide((1, 0.1, 1.0), (1, 0.2, 1.0)), "two values of reach where step is 1"),
        (wide((1, *range(11)), names=("step", *(f"m{n}" for n in range(11)))), "11 lines, and a picture takes 10"),
    ],
)
def test_an_answer_that_cannot_be_drawn_is_refused(answer: QueryResult, words: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=words):
        write_result_picture(answer, tmp_path / "none.svg", of="run.duckdb")
    assert not list(tmp_path.iterdir())

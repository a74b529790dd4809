"""Whole numbers between DuckDB and NumPy, and what is loaded for them."""

import subprocess
import sys
from pathlib import Path

from hypothesis import strategies as st
from properties import holds

from populace.core.arrow import engine, make_table
from populace.personas.hub import create_hub
from populace.personas.selection.spec import read_integers

NUMBERS = st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=40)


@holds(NUMBERS)
def test_a_column_comes_over_whole_and_nothing_is_minus_1(numbers: list[int | None]) -> None:
    with engine(numbers=make_table({"n": numbers}, {"n": "BIGINT"})) as con:
        column = con.sql("SELECT n FROM numbers").fetchnumpy()["n"]
    assert read_integers(column).tolist() == [-1 if value is None else value for value in numbers]


def test_choosing_people_loads_no_pandas(tmp_path: Path) -> None:
    path = tmp_path / "hub.duckdb"
    with create_hub(path) as hub:
        hub.con.execute(
            "INSERT INTO personas (id, ordinal, text, origin, hop, language) "
            "SELECT 'id' || range, range, 'a person of ' || range, 'import', range % 3, 'en' FROM range(30)"
        )
    code = (
        "import sys\n"
        "from populace.personas.hub import open_hub\n"
        "from populace.personas.selection import SelectionSpec, select\n"
        f"with open_hub({str(path)!r}) as hub:\n"
        "    for spec in (SelectionSpec(n=4, stratify=('hop',)), SelectionSpec(n=4, balance=('hop',), diverse=True)):\n"
        "        assert len(select(hub, spec).ids) == 4\n"
        "print('pandas' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

"""Whole numbers between Arrow and NumPy, and what is loaded for them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from properties import holds

from populace.personas.hub import create_hub
from populace.personas.selection.sampling import integers, numbers_table

NUMBERS = st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=40)


# The first example pays for what pyarrow loads late.
@holds(st.lists(NUMBERS, max_size=4), st.sampled_from([pa.int32(), pa.int64()]), st.integers(0, 3))
def test_a_column_comes_over_whole_and_nothing_is_minus_1(
    parts: list[list[int | None]], kind: object, cut: int
) -> None:
    chunks = [pa.array(part, kind)[cut:] for part in parts]
    expected = [-1 if value is None else value for part in parts for value in part[cut:]]
    assert integers(pa.chunked_array(chunks, kind)).tolist() == expected


@holds(st.lists(st.integers(-(2**63), 2**63 - 1)), st.integers(1, 3))
def test_a_table_holds_the_numbers_it_was_made_of(numbers: list[int], step: int) -> None:
    values = np.array(numbers, dtype=np.int64)[::step]
    table = numbers_table(row=values, weight=values.astype(float))
    assert table.to_pydict() == {"row": values.tolist(), "weight": values.astype(float).tolist()}


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

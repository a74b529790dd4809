"""The scenarios that the documents show as short are short, and do what they say."""

import re
from pathlib import Path
from typing import Any

import pytest

from populace.sim.growth import Growth
from populace.sim.society import Society

PAGE = (Path(__file__).parents[2] / "docs" / "state.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("file", "name", "most"), [("sir.py", "SIR", 25), ("public_goods.py", "PublicGoods", 30)])
def test_a_whole_model_takes_few_lines(file: str, name: str, most: int, tmp_path: Path) -> None:
    found = re.search(rf"```python\n# {re.escape(file)}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    assert sum(bool(line.strip()) for line in found[1].splitlines()) <= most
    names: dict[str, Any] = {"__name__": file}
    exec(found[1], names)
    run = Society(
        names[name](),
        growth=Growth(agents=60, hops=0),
        network="complete",
        steps=3,
        seed=1,
        mind="rule",
        out=tmp_path / "run.duckdb",
    ).run()
    assert run.sql("SELECT count(DISTINCT value) FROM measures").rows > [(1,)]

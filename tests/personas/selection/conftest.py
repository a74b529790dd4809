"""A town of 240 people whose regions, age bands and verdicts are known."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from populace.personas.hub import HubFile, create_hub

#: Of 240 people 120 live in the north, 72 in the south, 36 in the east, and of 12 nothing is known.
REGIONS = "CASE WHEN i % 20 < 10 THEN 'north' WHEN i % 20 < 16 THEN 'south' WHEN i % 20 < 19 THEN 'east' END"

FILLED = f"""
INSERT INTO personas
    SELECT md5(i::VARCHAR), i, 'A baker number w' || i || ' likes v' || i % 7 || ' and u' || i % 11,
        'import', i % 3, NULL, 'en', 'town', 'CC0-1.0', NULL, NULL FROM range(1, 241) AS t(i);
INSERT INTO profiles BY NAME
    SELECT md5(i::VARCHAR) AS persona, {REGIONS} AS region, (i % 4 * 10) || '-' || (i % 4 * 10 + 9) AS age_band,
        ['en', 'cy'] AS languages, '{{}}' AS evidence, false AS only_evident, 'procedural' AS model,
        'profile@1' AS prompt, TIMESTAMP '2026-01-01' AS made_at FROM range(1, 241) AS t(i);
INSERT INTO imports BY NAME
    SELECT md5(i::VARCHAR) AS persona, 1 AS file, i AS row, 'town' AS source, TIMESTAMP '2026-01-01' AS imported_at,
        CASE WHEN i <= 50 THEN '{{"guild": "weavers", "a/b": "7"}}' END AS attributes FROM range(1, 241) AS t(i);
"""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[HubFile]:
    """The town's hub, open for writing."""
    with create_hub(tmp_path / "town.duckdb") as hub:
        hub.con.execute(FILLED)
        yield hub


@pytest.fixture(scope="module")
def lasting_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubFile]:
    """The same town for tests that ask it many times and change nothing."""
    with create_hub(tmp_path_factory.mktemp("quota") / "town.duckdb") as hub:
        hub.con.execute(FILLED)
        yield hub

"""Rows of strange files: each is kept value by value through every format, or left out with a counted reason."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from populace.personas.formats.exporting import export_hub
from populace.personas.formats.importing import FileReport, import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import create_hub
from populace.personas.persona import content_id

#: Lines as they stand in a file, and why they are left out; None for those that are kept.
LINES: dict[str, tuple[str, str | None]] = {
    "deep list": ('{"text": "A0", "x": %s}' % ("[" * 5000 + "]" * 5000), "deep"),
    "deep enough": ('{"text": "A1", "x": %s}' % ("[" * 300 + "]" * 300), "levels deep"),
    "not too deep": ('{"text": "A2", "x": %s}' % ("[" * 40 + "1" + "]" * 40), None),
    "large": (orjson.dumps({"text": "A3", "x": "y" * (5 << 20)}).decode(), "characters"),
    "NaN": ('{"text": "A4", "x": NaN}', "NaN"),
    "Infinity": ('{"text": "A5", "x": [-Infinity]}', "Infinity"),
    "too large a float": ('{"text": "A6", "x": 1e400}', "too large"),
    "two keys": ('{"text": "A7", "x": 1, "x": 2}', "twice"),
    "two keys within": ('{"text": "A8", "x": [{"y": 1, "y" : 2}]}', "twice"),
    "two keys by escapes": ('{"text": "A9", "x": 1, "\\u0078": 2}', "twice"),
    "colons in text": ('{"text": "B0: \\"a\\": \\"a\\": b", "x": "\\"y\\": 1"}', None),
    "long integer": ('{"text": "B1", "x": 123456789012345678901234567890}', None),
    "long negative integer": ('{"text": "B2", "x": [-9223372036854775809]}', None),
    "half a surrogate pair": ('{"text": "B3", "x": "\\ud83d"}', "cannot be written"),
    "half a surrogate pair in a name": ('{"text": "B4", "\\ud83d": 1}', "cannot be written"),
    "half a surrogate pair in the text": ('{"text": "B5 \\ud83d"}', "half a character"),
    "NUL": ('{"text": "B6", "x": "a\\u0000b"}', None),
    "control characters": ('{"text": "B7", "x": "\\u001b[2J\\u0007\\t\\r\\n"}', None),
    "control characters in a name": ('{"text": "B8", "x\\u0007\\n": 1}', None),
    "names that differ in case": ('{"text": "B9", "Age": 1, "age": 2, "AGE": "c"}', None),
    "quotes in a name": ('{"text": "C0", "a\\"b\'c;--": 1}', None),
    "long text": (json.dumps({"text": "C1", "x": "é" * 100_000}), None),
    "small float": ('{"text": "C2", "x": 5e-324, "y": -0.0, "z": 1.7976931348623157e308}', None),
    "text that looks like something": (
        '{"text": "C3", "x": "=1+1", "y": "NaN", "z": "1e5", "w": "null"}',
        None,
    ),
    "no object": ("[1]", "no object"),
    "no text": ('{"text": null, "x": 1}', "no text"),
}


def imported(
    path: Path, hub_path: Path, *, to: Path | None = None, **options: Any
) -> tuple[dict[str, Any], FileReport]:
    with create_hub(hub_path) as hub:
        (report,) = import_files(hub, [path], ImportOptions.given(**options))
        if to is not None:
            export_hub(hub, to)
        rows = hub.con.execute("SELECT persona, attributes::VARCHAR FROM imports").fetchall()
        return {persona: json.loads(held) if held else {} for persona, held in rows}, report


@pytest.mark.parametrize("name", [name for name, (_, reason) in LINES.items() if reason])
def test_a_strange_row_is_left_out_with_a_reason(tmp_path: Path, name: str) -> None:
    line, reason = LINES[name]
    (path := tmp_path / "p.jsonl").write_text('{"text": "Somebody"}\n' + line + "\n", encoding="utf-8")
    _, report = imported(path, tmp_path / "hub.duckdb")
    ((rows, said),) = [(skip.rows, skip.reason) for skip in report.skipped]
    assert (report.rows, rows) == (1, 1)
    assert (reason or "") in said


def test_other_strange_rows_are_kept_as_they_are(tmp_path: Path) -> None:
    lines = [line for line, reason in LINES.values() if reason is None]
    (path := tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    kept, report = imported(path, tmp_path / "hub.duckdb")
    assert (report.rows, report.skipped) == (len(lines), ())
    for row in map(json.loads, lines):
        assert kept[content_id(row.pop("text"))] == row


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_every_strange_row_that_was_kept_comes_back_from_an_export(tmp_path: Path, ending: str) -> None:
    (path := tmp_path / "p.jsonl").write_text("\n".join(line for line, _ in LINES.values()), encoding="utf-8")
    out = tmp_path / f"out{ending}"
    kept, report = imported(path, tmp_path / "hub.duckdb", to=out)
    assert report.rows == sum(reason is None for _, reason in LINES.values())
    again, back = imported(out, tmp_path / "again.duckdb")
    assert not back.skipped
    assert again.keys() == kept.keys()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
TEXTS = st.sampled_from(["A", "B", "C", " ", "D\n"]) | st.integers()
LINE = st.one_of(
    st.fixed_dictionaries({"text": TEXTS}, optional={"x": VALUES}).map(json.dumps),
    st.sampled_from(["{", "[]", '{"text": NaN}', '{"text": "A", "text": "B"}', "null", "\x00", '{"text": "\\ud800"}']),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, min_size=1, max_size=12))
def test_rows_read_are_kept_merged_or_skipped(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    (path := folder / "p.jsonl").write_text("\n".join(['{"text": "Sure"}', *lines]) + "\n", encoding="utf-8")
    kept, report = imported(path, folder / "hub.duckdb")
    merged = report.rows - len(kept)
    assert 1 + len(lines) == len(kept) + merged + sum(skip.rows for skip in report.skipped)
    assert report.new == len(kept)


def test_a_text_that_is_missing_is_composed_where_both_are_given(tmp_path: Path) -> None:
    rows = [
        {"backstory": "Grew up at sea.", "age": 40},
        {"backstory": " ", "age": 50},
        {"age": 60},
    ]
    (path := tmp_path / "p.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    kept, report = imported(path, tmp_path / "hub.duckdb", mapping={"text": "backstory"}, compose="A person of {age}.")
    assert (report.rows, report.skipped) == (3, ())
    assert content_id("A person of 50.") in kept
    assert content_id("Grew up at sea.") in kept

"""Exports with their types, read back as ordinary tables; graphs of other programs; values that formats lack."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import networkx as nx
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_people import ask_hub
from hypothesis import strategies as st
from properties import holds

from populace.core.errors import SourceError
from populace.personas.formats.exporting import export_hub
from populace.personas.formats.importing import FileReport, import_files
from populace.personas.formats.options import ImportOptions, Shape
from populace.personas.hub import HubFile, create_hub
from populace.personas.persona import content_id

TEXTS = ("A ferry pilot", "A baker", "A smith\nwho sings")
PILOT, BAKER, SMITH = map(content_id, TEXTS)
PEOPLE = (
    (PILOT, 1, TEXTS[0], "text", 0, None, "en", "harbour.txt", "CC-BY-4.0", "procedural", "text_to_persona@1"),
    (BAKER, 2, TEXTS[1], "persona", 1, PILOT, "en", None, "CC-BY-4.0", "procedural", "persona_to_persona@1"),
    (SMITH, 3, TEXTS[2], "import", 0, None, "de", "smiths.csv", None, None, None),
)
TIES = ((PILOT, BAKER, "trade", 'the "customer"', 1), (BAKER, PILOT, "kinship", "sister", 1))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubFile]:
    """A pilot and a baker, whom the stand-in has made, who are tied; and a smith who was imported."""
    with create_hub(tmp_path / "hub.duckdb") as hub:
        hub.con.executemany("INSERT INTO personas VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", PEOPLE)
        for n, tie in enumerate(TIES, 1):
            hub.con.execute("INSERT INTO relations VALUES (?, ?, ?, ?, ?, ?)", [n, *tie])
        columns = '{"text": "own", "age": 40, "is_well": true, "tags": ["a", "b"], "mixed": 1, "id": 7}'
        row = [SMITH, 1, 1, "smiths.csv", None, "r7", columns]
        hub.con.execute("INSERT INTO imports VALUES (?, ?, ?, ?, ?, ?, ?, now())", row)
        hub.con.execute("""INSERT INTO imports VALUES (?, 1, 2, 's', NULL, NULL, '{"mixed": "x"}', now())""", [PILOT])
        yield hub


def import_into(path: Path, to: Path, **wish: Any) -> tuple[HubFile, FileReport]:
    hub = create_hub(to)
    (report,) = import_files(hub, [path], ImportOptions.given(**wish))
    return hub, report


def columns_of(hub: HubFile) -> dict[str, Any]:
    rows = ask_hub(hub, "SELECT persona, attributes FROM imports WHERE attributes IS NOT NULL")
    return {persona: json.loads(text) for persona, text in rows}


def test_imported_columns_have_types_of_their_own(hub: HubFile, tmp_path: Path) -> None:
    report = export_hub(hub, path := tmp_path / "p.parquet")
    schema = pq.read_schema(path)
    assert report.as_json == ("mixed",)
    wanted = {"age": pa.int64(), "is_well": pa.bool_(), "tags": pa.list_(pa.string()), "mixed": pa.string()}
    wanted |= {"text_": pa.string(), "id_": pa.int64()}
    assert {name: schema.field(name).type for name in wanted} == wanted
    assert "attributes" not in schema.names


@pytest.mark.parametrize("name", ["p.jsonl", "p.csv", "p.parquet", "p.json"])
def test_the_mark_of_the_built_in_generator_comes_back_with_its_text(hub: HubFile, tmp_path: Path, name: str) -> None:
    export_hub(hub, path := tmp_path / name)
    # Somebody of the same words is there already, of whom no model was known.
    again = create_hub(tmp_path / "again.duckdb")
    (own := tmp_path / "own.jsonl").write_text(json.dumps({"text": TEXTS[0]}), encoding="utf-8")
    list(import_files(again, [own, path]))
    models = dict(ask_hub(again, "SELECT text, model FROM personas"))
    assert {models.pop(text) for text in TEXTS[:2]} == {"procedural"}
    assert list(models.values()) == [None]
    again.close()


def test_parquet_carries_the_notice(hub: HubFile, tmp_path: Path) -> None:
    export_hub(hub, path := tmp_path / "p.parquet", notice="Made up.")
    assert json.loads(pq.read_schema(path).metadata[b"populace"])["notice"] == "Made up."


def test_a_whole_number_among_fractions_is_written_as_one(hub: HubFile, tmp_path: Path) -> None:
    for persona, said in ((PILOT, '{"x": 1}'), (SMITH, '{"x": 2.5}')):
        hub.con.execute("UPDATE imports SET attributes = ? WHERE persona = ?", [said, persona])
    export_hub(hub, out := tmp_path / "out.jsonl")
    assert pl.read_ndjson(out)["x"].to_list() == [1.0, None, 2.5]


_NAMES = st.one_of(
    st.sampled_from(("", "a.b", "a b", 'q"x', "A", "a", "id", "imported_id", "imported_imported_text", "x.json")),
    st.sampled_from(("Text", "attributes", "licences", "label", "profile_model", " hop ", "tab\tname", "semi;colon")),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
_WORDS = (
    "\u0000",
    "a\r\nb",
    "\r",
    "5",
    "true",
    "[1]",
    "2026-01-02",
    "\u05e9\u05dc\u05d5\u05dd \u4f60\u597d",
    "x" * 200_000,
)
_SCALARS = st.one_of(
    *(st.booleans(), st.integers(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False)),
    *(st.text(st.characters(codec="utf-8"), min_size=1), st.sampled_from(_WORDS)),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, -2], pa.int64()), ([1, 2**70], pa.string()), ([1.5, 2**60], pa.string()), ([2**62, -5], pa.int64()),
        ([[1], [2.5]], pa.list_(pa.float64())), ([[1], [2**70]], pa.string()), ([[], ["a"]], pa.list_(pa.string())),
        ([True, "x"], pa.string()), ([{"a": 1}, None], pa.string()), ([1, [1]], pa.string()),
    ],
)  # fmt: skip
def test_a_column_has_the_type_that_holds_all_its_values(
    hub: HubFile, tmp_path: Path, values: list[Any], kind: pa.DataType
) -> None:
    for persona, value in zip((PILOT, SMITH), values, strict=True):
        hub.con.execute("UPDATE imports SET attributes = ? WHERE persona = ?", [json.dumps({"x": value}), persona])
    export_hub(hub, path := tmp_path / "p.parquet")
    column = pq.read_table(path).column("x")
    assert column.type == kind
    read = [column.to_pylist()[0], column.to_pylist()[2]]
    written = [None if value is None or kind != pa.string() else json.loads(value) for value in read]
    assert (written if kind == pa.string() else read) == values


def test_numbers_that_json_lacks_and_dates_and_decimals_are_kept_as_words(tmp_path: Path) -> None:
    from datetime import date
    from decimal import Decimal

    table = {"text": ["A", "B"], "f": [float("nan"), float("inf")], "g": [[float("-inf")], [1.0]]}
    table |= {"d": [date(2026, 1, 2), None], "m": [Decimal("1.10"), Decimal("2.00")]}
    pq.write_table(pa.table(table), path := tmp_path / "p.parquet")
    (lines := tmp_path / "p.jsonl").write_text('{"text": "A", "f": null, "n": 12345678901234567890123}\n')
    for given_file, wanted in (
        (path, {"g": ["-Infinity"], "d": "2026-01-02", "m": "1.10"}),
        (lines, {"n": 12345678901234567890123}),
    ):
        hub, _ = import_into(given_file, tmp_path / f"{given_file.name}.duckdb")
        assert columns_of(hub)[content_id("A")] == wanted


def test_a_graph_of_another_program_is_imported_with_its_ties(tmp_path: Path) -> None:
    graph = nx.DiGraph()
    graph.add_node(1, bio="A pilot", age=4)
    graph.add_node(2, bio="A baker", tags=["x"])
    graph.add_edge(1, 2, relation="sells to", weight=2)
    for edges in ("edges", "links"):
        (path := tmp_path / f"{edges}.json").write_text(json.dumps(nx.node_link_data(graph, edges=edges), indent=1))
        hub, report = import_into(path, tmp_path / f"{edges}.duckdb", mapping={"text": "bio"})
        ties = ask_hub(hub, "SELECT source, target, kind, label, hop FROM relations")
        assert ties == [(content_id("A pilot"), content_id("A baker"), "other", "sells to", 1)]
        assert columns_of(hub)[content_id("A baker")] == {"id": 2, "tags": ["x"]}
        assert report.relations is not None
        assert report.relations.unread == ("weight",)


def test_ties_of_nobody_are_left_out_and_counted_and_a_second_import_adds_none(tmp_path: Path) -> None:
    nodes = [{"id": n, "text": f"Person {n}"} for n in (1, 2)] + [{"id": 3, "text": ""}]
    ends = [(1, 2, 1), (1, 3, 1), (1, "nobody", 1), (2, 1, "soon"), (1, 2, 1), (1, 1, 1)]
    links = [{"source": source, "target": target, "hop": hop} for source, target, hop in ends]
    (path := tmp_path / "g.json").write_text(json.dumps({"nodes": nodes, "links": links}))
    hub, report = import_into(path, tmp_path / "again.duckdb")
    assert report.relations is not None
    assert (report.relations.new, report.relations.equal) == (1, 2)
    assert [(skip.rows, skip.reason) for skip in report.relations.skipped] == [
        (1, "its hop is no whole number"),
        (2, "one of its two people is not in the hub"),
    ]
    (report,) = import_files(hub, [path])
    assert report.relations is not None
    assert (report.already, report.relations.new, report.relations.equal) == (True, 0, 3)


def test_a_strange_tie_is_counted_and_the_others_are_imported(tmp_path: Path) -> None:
    nodes = [{"id": n, "text": f"Person {n}"} for n in (1, 2, 10**30, "\ud800")]
    hops = [{"source": 1, "target": 2, "label": str(n), "hop": hop} for n, hop in enumerate((2, 1.0, 1.5, 10**30, [1]))]
    ends = [(1, ""), (1, 10**30), ("\ud800", 1)]
    links = hops + [{"source": source, "target": target} for source, target in ends]
    (path := tmp_path / "g.json").write_text(json.dumps({"nodes": nodes, "links": links}))
    hub, report = import_into(path, tmp_path / "strange.duckdb")
    assert ask_hub(hub, "SELECT label, hop FROM relations ORDER BY ordinal") == [("0", 2), ("1", 1), ("other", 1)]
    assert report.relations is not None
    assert {skip.reason: skip.rows for skip in report.relations.skipped} == {
        "its hop is no whole number": 3,
        "it names nobody as source or target": 1,
        "it has half a character in it, or nests too deep": 1,
    }


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "json", "csv.gz"])
def test_an_export_comes_back_as_an_ordinary_table(hub: HubFile, tmp_path: Path, ending: str) -> None:
    written = export_hub(hub, path := tmp_path / f"town.{ending}")
    beside = None if ending == "json" else tmp_path / f"town.relations.{ending}"
    assert (written.relations, written.relations_path) == (2, beside)
    again, report = import_into(path, tmp_path / "again.duckdb")
    assert (report.columns.shape, report.rows, report.skipped) == (Shape.TABLE, 3, ())
    known = "SELECT id, text, language, licence FROM personas ORDER BY ordinal"
    assert ask_hub(again, known) == ask_hub(hub, known)
    assert ask_hub(again, "SELECT DISTINCT origin FROM personas") == [("import",)]
    smith = columns_of(again)[SMITH]
    assert (smith["text_"], str(smith["age"]), str(smith["id_"]), smith["revision"]) == ("own", "40", "7", "r7")
    ties = [(source, target, kind) for source, target, kind, *_ in TIES] if ending == "json" else []
    assert ask_hub(again, "SELECT source, target, kind FROM relations ORDER BY ordinal") == ties


@holds(st.lists(st.dictionaries(_NAMES, _VALUES, max_size=5), min_size=1, max_size=4), few=3, many=20)
@pytest.mark.slow
def test_strange_columns_are_written_in_every_format_and_read_back(rows: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "given.jsonl"
        said = [{"\u0000text": f"Person {n}"} | row for n, row in enumerate(rows)]
        path.write_text("".join(json.dumps(row) + "\n" for row in said))
        hub, report = import_into(path, Path(folder) / "hub.duckdb", mapping={"text": "\u0000text"}, personal="ignore")
        assert list(columns_of(hub).values()) == [row for row in rows if row]
        for ending in ("jsonl", "csv", "parquet", "json"):
            export_hub(hub, out := Path(folder) / f"out.{ending}")
            again, report = import_into(out, Path(folder) / f"{ending}.duckdb", personal="ignore")
            assert (report.rows, report.skipped) == (len(rows), ()), ending
            again.close()
        hub.close()


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ('{"nodes": [{"id": 1}]}', "no list of edges or links"),
        ('{"nodes": [{"x": 1}], "links": []}', "node 1"),
        ('{"nodes": [], "links": []}', "without any node"),
        ('{"nodes": [{"id": 1, "text": "A"}], "links": [{"source": 1}]}', "link 1"),
    ],
)
def test_half_a_graph_is_refused_in_one_sentence(tmp_path: Path, held: str, said: str) -> None:
    (path := tmp_path / "g.json").write_text(held)
    with pytest.raises(SourceError, match=said):
        import_into(path, tmp_path / "again.duckdb")


def test_a_header_with_marks_in_its_names_is_read_by_its_commas(tmp_path: Path) -> None:
    (path := tmp_path / "p.csv").write_text('text,"a;b;c;d"\nA,1\n', newline="")
    hub, _ = import_into(path, tmp_path / "again.duckdb")
    assert columns_of(hub) == {content_id("A"): {"a;b;c;d": "1"}}
    with path.open(newline="") as file:
        assert next(csv.reader(file)) == ["text", "a;b;c;d"]

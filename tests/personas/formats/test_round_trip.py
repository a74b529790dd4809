"""Exported and imported again: nothing that a hub knows of people is lost, and no column is wrapped once more."""

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
from hypothesis import strategies as st
from properties import holds

from populace.personas.errors import SourceError
from populace.personas.formats.columns import Extra
from populace.personas.formats.exporting import ExportFormat, export_hub
from populace.personas.formats.importing import FileReport, import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import HubFile, create_hub, read_hub
from populace.personas.hub.merge import merge_hubs
from populace.personas.persona import content_id

TEXTS = ("A ferry pilot", "A baker", "A smith\nwho sings")
PILOT, BAKER, SMITH = map(content_id, TEXTS)
PEOPLE = (
    (PILOT, 1, TEXTS[0], "text", 0, None, "en", "harbour.txt", "CC-BY-4.0", "procedural", "text_to_persona@1"),
    (BAKER, 2, TEXTS[1], "persona", 1, PILOT, "en", None, "CC-BY-4.0", "procedural", "persona_to_persona@1"),
    (SMITH, 3, TEXTS[2], "import", 0, None, "de", "smiths.csv", None, None, None),
)
TIES = ((PILOT, BAKER, "trade", 'the "customer"', 1), (BAKER, PILOT, "kinship", "sister", 1))
ROWS = ["jsonl", "csv", "parquet", "json", "csv.gz"]
every_format = pytest.mark.parametrize(
    "ending", [pytest.param(ending, marks=pytest.mark.slow if ending in ("json", "csv.gz") else ()) for ending in ROWS]
)
_PEOPLE = "SELECT id, ordinal, text, origin, hop, parent, language, source, licence, model, prompt FROM personas"


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


def taken(path: Path, to: Path, **wish: Any) -> tuple[HubFile, FileReport]:
    hub = create_hub(to)
    (report,) = import_files(hub, [path], ImportOptions.given(**wish))
    return hub, report


def asked(hub: HubFile, query: str) -> list[tuple[Any, ...]]:
    return hub.con.execute(query).fetchall()


def columns_of(hub: HubFile) -> dict[str, Any]:
    rows = asked(hub, "SELECT persona, attributes FROM imports WHERE attributes IS NOT NULL")
    return {persona: json.loads(text) for persona, text in rows}


@every_format
@pytest.mark.slow
def test_people_come_back_with_lineage_and_the_mark_of_the_stand_in(hub: HubFile, tmp_path: Path, ending: str) -> None:
    export_hub(hub, path := tmp_path / f"town.{ending}")
    again, report = taken(path, tmp_path / "again.duckdb")
    assert (report.rows, report.skipped) == (3, ())
    assert asked(again, f"{_PEOPLE} ORDER BY ordinal") == asked(hub, f"{_PEOPLE} ORDER BY ordinal")
    assert asked(again, "SELECT revision FROM imports ORDER BY row")[-1] == ("r7",)


@every_format
@pytest.mark.slow
def test_relations_come_back_from_the_file_beside(hub: HubFile, tmp_path: Path, ending: str) -> None:
    written = export_hub(hub, path := tmp_path / f"town.{ending}")
    again, report = taken(path, tmp_path / "again.duckdb")
    beside = None if ending == "json" else tmp_path / f"town.relations.{ending}"
    assert (written.relations, written.relations_path) == (2, beside)
    assert report.relations is not None
    assert (report.relations.new, report.relations.skipped) == (2, ())
    ties = asked(again, "SELECT source, target, kind, label, hop FROM relations ORDER BY ordinal")
    assert ties == list(TIES)


@every_format
@pytest.mark.slow
def test_imported_columns_come_back_with_their_values_however_often(hub: HubFile, tmp_path: Path, ending: str) -> None:
    was = columns_of(hub)
    for turn in range(3):
        export_hub(hub, path := tmp_path / f"{turn}.{ending}")
        hub, _ = taken(path, tmp_path / f"{turn}.duckdb")
        assert columns_of(hub) == was


def test_imported_columns_have_types_of_their_own(hub: HubFile, tmp_path: Path) -> None:
    report = export_hub(hub, path := tmp_path / "p.parquet")
    schema = pq.read_schema(path)
    assert report.as_json == ("mixed.json",)
    wanted = {"age": pa.int64(), "is_well": pa.bool_(), "tags": pa.list_(pa.string()), "mixed.json": pa.string()}
    wanted |= {"imported_text": pa.string(), "imported_id": pa.int64()}
    assert {name: schema.field(name).type for name in wanted} == wanted
    assert "attributes" not in schema.names


def test_types_of_csv_stand_beside_it(hub: HubFile, tmp_path: Path) -> None:
    report = export_hub(hub, tmp_path / "p.csv", notice="Made up.")
    assert report.types == tmp_path / "p.csv-metadata.json"
    described = json.loads(report.types.read_bytes())
    types = {column["titles"]: column.get("datatype") for column in described["tableSchema"]["columns"]}
    assert (types["age"], types["is_well"], types["tags"], types["text"]) == ("integer", "boolean", "json", None)
    assert described["dc:description"] == "Made up."
    report.types.write_text("{}")
    with pytest.raises(SourceError, match="does not say the types of columns"):
        taken(tmp_path / "p.csv", tmp_path / "again.duckdb")


def test_parquet_carries_the_notice(hub: HubFile, tmp_path: Path) -> None:
    export_hub(hub, path := tmp_path / "p.parquet", notice="Made up.")
    assert json.loads(pq.read_schema(path).metadata[b"populace"])["notice"] == "Made up."


def test_profiles_biographies_and_elites_come_back_into_their_tables(hub: HubFile, tmp_path: Path) -> None:
    hub.con.execute(
        "INSERT INTO profiles BY NAME SELECT ? AS persona, 6 AS education, ['de', 'a; b'] AS languages, "
        "'{\"x\":1}' AS evidence, true AS only_evident, 'procedural' AS model, 'p@1' AS prompt, now() AS made_at",
        [BAKER],
    )
    hub.con.execute("INSERT INTO biographies VALUES (?, 'Long\nago.', [?], 'en', 'm2', 'b@1', now())", [BAKER, PILOT])
    hub.con.execute("INSERT INTO elites VALUES (?, ?, 'rye', '1%', 'F', 'B', '[]', 'm3', 'r@1', now())", [BAKER, PILOT])
    for ending in ROWS:
        export_hub(hub, path := tmp_path / f"p.{ending}", extras=[*Extra])
        again, _ = taken(path, tmp_path / f"{ending}.duckdb")
        for table in Extra:
            assert asked(again, f"FROM {table}") == asked(hub, f"FROM {table}"), (ending, table)


def test_whose_text_was_edited_keeps_their_ties(hub: HubFile, tmp_path: Path) -> None:
    export_hub(hub, path := tmp_path / "town.jsonl")
    path.write_text(path.read_text().replace("A ferry pilot", "A retired ferry pilot"))
    again, _ = taken(path, tmp_path / "again.duckdb")
    new = content_id("A retired ferry pilot")
    assert asked(again, "SELECT parent FROM personas WHERE text = 'A baker'") == [(new,)]
    assert asked(again, "SELECT source, target FROM relations ORDER BY ordinal") == [(new, BAKER), (BAKER, new)]


def test_an_import_that_was_cut_off_still_finds_the_ties(hub: HubFile, tmp_path: Path) -> None:
    export_hub(hub, path := tmp_path / "town.jsonl")
    path.write_text(path.read_text().replace("A ferry pilot", "A retired ferry pilot"))
    again, report = taken(path, tmp_path / "again.duckdb")
    again.con.execute("DELETE FROM relations")
    again.con.execute("DROP TABLE exported_renamed")
    (report,) = import_files(again, [path])
    assert report.already
    assert report.relations is not None
    assert report.relations.new == 2


def test_a_second_import_of_relations_adds_none(hub: HubFile, tmp_path: Path) -> None:
    export_hub(hub, path := tmp_path / "town.csv")
    again, _ = taken(path, tmp_path / "again.duckdb")
    (report,) = import_files(again, [path])
    assert report.relations is not None
    assert (report.relations.new, report.relations.equal) == (0, 2)


def test_a_file_of_relations_is_read_with_its_people_alone(hub: HubFile, tmp_path: Path) -> None:
    export_hub(hub, path := tmp_path / "town.csv")
    beside = tmp_path / "town.relations.csv"
    with create_hub(tmp_path / "both.duckdb") as both:
        assert len(list(import_files(both, [path, beside]))) == 1
    with pytest.raises(SourceError, match=r"read with the people in 'town\.csv'"):
        taken(beside, tmp_path / "alone.duckdb")


def test_ties_of_nobody_are_left_out_and_counted(hub: HubFile, tmp_path: Path) -> None:
    export_hub(hub, path := tmp_path / "town.csv")
    with (tmp_path / "town.relations.csv").open("a") as file:
        file.write(f"{PILOT},nobody,trade,x,1\n{PILOT},{BAKER},trade,x,soon\n")
    _, report = taken(path, tmp_path / "again.duckdb")
    assert report.relations is not None
    assert [(skip.rows, skip.reason) for skip in report.relations.skipped] == [
        (1, "its hop is no whole number"),
        (1, "one of its two people is not in the hub"),
    ]


def test_the_file_of_licences_brings_back_whose_text_it_is(hub: HubFile, tmp_path: Path) -> None:
    report = export_hub(hub, path := tmp_path / "p.persona.jsonl", format=ExportFormat.PERSONA)
    assert report.licences is not None
    again, _ = taken(path, tmp_path / "again.duckdb")
    licences = dict(asked(again, "SELECT id, (licence, source) FROM personas"))
    assert licences[PILOT] == ("CC-BY-4.0", "harbour.txt")
    models = asked(again, "SELECT model FROM personas ORDER BY ordinal")
    assert models == [("procedural",), ("procedural",), (None,)]
    assert asked(again, "SELECT revision FROM imports ORDER BY row") == [(None,), (None,), ("r7",)]


def test_licences_that_do_not_say_which_rows_have_them_are_refused(tmp_path: Path) -> None:
    (path := tmp_path / "p.persona.jsonl").write_text('{"persona": "A"}\n')
    (tmp_path / "p.persona.jsonl.LICENSES.csv").write_text(
        "licence,source,revision,model,personas\nMIT,s,,procedural,1\n"
    )
    with pytest.raises(SourceError, match="has not the columns licence, source, revision, model, personas, rows"):
        taken(path, tmp_path / "again.duckdb")


def test_a_text_that_was_there_without_a_model_gets_the_mark(hub: HubFile, tmp_path: Path) -> None:
    export_hub(hub, path := tmp_path / "town.jsonl")
    (bare := tmp_path / "bare.jsonl").write_text(json.dumps({"text": TEXTS[0]}))
    with create_hub(tmp_path / "first.duckdb") as first:
        list(import_files(first, [bare]))
    merge_hubs([tmp_path / "first.duckdb", _closed(hub)], tmp_path / "merged.duckdb")
    with create_hub(tmp_path / "both.duckdb") as both:
        list(import_files(both, [bare, path]))
        found = asked(both, "SELECT origin, model FROM personas ORDER BY ordinal")
    assert found[0] == ("text", "procedural")
    people = {one.id: one for one in read_hub(tmp_path / "merged.duckdb").personas}
    assert (people[PILOT].origin, people[PILOT].model) == ("text", "procedural")


def _closed(hub: HubFile) -> Path:
    hub.close()
    return hub.path


@pytest.mark.slow
def test_a_text_under_two_licences_keeps_both(tmp_path: Path) -> None:
    hub = create_hub(tmp_path / "hub.duckdb")
    for name, licence in (("a", "MIT"), ("b", "CC0-1.0")):
        (path := tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": TEXTS[0], "n": name}))
        list(import_files(hub, [path], ImportOptions(licence=licence)))
    for ending in ("jsonl", "csv", "parquet", "json", "persona.jsonl"):
        report = export_hub(hub, path := tmp_path / f"out.{ending}")
        assert ending == "persona.jsonl" or report.several == 1
        again, _ = taken(path, tmp_path / f"{ending}.duckdb")
        assert asked(again, "SELECT DISTINCT licence FROM imports ORDER BY 1") == [("CC0-1.0",), ("MIT",)], ending


@pytest.mark.slow
def test_jsonl_loads_in_polars_whatever_comes_late(hub: HubFile, tmp_path: Path) -> None:
    late = {"age": 4, "height": 1.5, "is_well": True, "tags": ["x"], "word": "w", "deep": {"a": {"b": 1}}}
    rows = [{"text": f"Person {n}"} | (late if n >= 5_000 else {"is_early": n}) for n in range(5_002)]
    (path := tmp_path / "late.jsonl").write_text("\n".join(map(json.dumps, rows)))
    hub.con.execute("DELETE FROM personas")
    list(import_files(hub, [path]))
    hub.con.execute("UPDATE personas SET model = 'm' WHERE ordinal > 4000")
    export_hub(hub, out := tmp_path / "out.jsonl")
    frame = pl.read_ndjson(out)
    types = {name: frame.schema[name] for name in ("age", "height", "is_well", "tags", "word", "deep.json", "model")}
    assert types == {
        "age": pl.Int64, "height": pl.Float64, "is_well": pl.Boolean, "tags": pl.List(pl.String), "word": pl.String,
        "deep.json": pl.String, "model": pl.String,
    }  # fmt: skip
    assert (frame.height, frame["age"].sum(), frame["is_early"].sum()) == (5_002, 8, sum(range(5_000)))


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


@holds(st.lists(st.dictionaries(_NAMES, _VALUES, max_size=5), min_size=1, max_size=4), few=3, many=20)
@pytest.mark.slow
def test_strange_columns_come_back_equal_from_every_format(rows: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "given.jsonl"
        said = [{"\u0000text": f"Person {n}"} | row for n, row in enumerate(rows)]
        path.write_text("".join(json.dumps(row) + "\n" for row in said))
        hub, report = taken(path, Path(folder) / "hub.duckdb", mapping={"text": "\u0000text"}, personal="ignore")
        was = columns_of(hub)
        assert list(was.values()) == [row for row in rows if row]
        for ending in ("jsonl", "csv", "parquet", "json"):
            export_hub(hub, out := Path(folder) / f"out.{ending}")
            again, report = taken(out, Path(folder) / f"{ending}.duckdb", personal="ignore")
            assert not report.skipped
            assert columns_of(again) == was, ending
            again.close()
        hub.close()


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
        hub, _ = taken(given_file, tmp_path / f"{given_file.name}.duckdb")
        assert columns_of(hub)[content_id("A")] == wanted
        export_hub(hub, out := tmp_path / f"{given_file.stem}{len(wanted)}.csv")
        again, _ = taken(out, tmp_path / f"{given_file.name}.again.duckdb")
        assert columns_of(again) == columns_of(hub)


def test_a_graph_of_another_program_is_imported_with_its_ties(tmp_path: Path) -> None:
    graph = nx.DiGraph()
    graph.add_node(1, bio="A pilot", age=4)
    graph.add_node(2, bio="A baker", tags=["x"])
    graph.add_edge(1, 2, relation="sells to", weight=2)
    for edges in ("edges", "links"):
        (path := tmp_path / f"{edges}.json").write_text(json.dumps(nx.node_link_data(graph, edges=edges), indent=1))
        hub, report = taken(path, tmp_path / f"{edges}.duckdb", mapping={"text": "bio"})
        ties = asked(hub, "SELECT source, target, kind, label, hop FROM relations")
        assert ties == [(content_id("A pilot"), content_id("A baker"), "other", "sells to", 1)]
        assert columns_of(hub)[content_id("A baker")] == {"id": 2, "tags": ["x"]}
        assert report.relations is not None
        assert report.relations.unread == ("weight",)


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
        taken(path, tmp_path / "again.duckdb")


def test_a_header_with_marks_in_its_names_is_read_by_its_commas(tmp_path: Path) -> None:
    (path := tmp_path / "p.csv").write_text('text,"a;b;c;d"\nA,1\n', newline="")
    hub, _ = taken(path, tmp_path / "again.duckdb")
    assert columns_of(hub) == {content_id("A"): {"a;b;c;d": "1"}}
    with path.open(newline="") as file:
        assert next(csv.reader(file)) == ["text", "a;b;c;d"]


@pytest.mark.parametrize("given_as", ["jsonl", "csv", "parquet"])
def test_a_society_reads_an_export_with_its_lineage_and_ties(hub: HubFile, tmp_path: Path, given_as: str) -> None:
    export_hub(hub, path := tmp_path / f"town.{given_as}")
    found = read_hub(path)
    pilot, baker, _ = found.personas
    assert (pilot.model, pilot.origin, pilot.licence) == ("procedural", "text", "CC-BY-4.0")
    assert (baker.parent, baker.hop) == (PILOT, 1)
    assert [(tie.source, tie.target, tie.label) for tie in found.relations] == [(s, t, w) for s, t, _, w, _ in TIES]

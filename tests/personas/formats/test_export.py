"""Exporting people: every format holds everybody once, licences travel along, and nothing is left half."""

import csv
import gzip
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_people import reject
from hypothesis import given
from hypothesis import strategies as st

from populace.core.errors import SetupError
from populace.personas.formats import exporting
from populace.personas.formats.exporting import export_hub, shorten_text
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.formats.people import Extra
from populace.personas.hub import HubFile, create_hub
from populace.personas.persona import content_id
from populace.personas.selection import SelectionSpec
from populace.personas.selection import select as choose

TEXTS = (
    "A ferry pilot",
    "A ferry pilot, older",
    "A baker\u0007 of rye, called \u201eLe Pain\u201c",
    "A \U0001f41d keeper",
)
PILOT, OLDER, BAKER, KEEPER = map(content_id, TEXTS)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubFile]:
    """Four people: the second nearly repeats the first, and all are tied."""
    rows = [{"text": text, "likes": ["tea", {"and": "rye"}], "age": n} for n, text in enumerate(TEXTS)]
    (source := tmp_path / "given.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    with create_hub(tmp_path / "hub.duckdb") as hub:
        list(import_files(hub, [source], ImportOptions(licence="CC-BY-4.0", revision="r1")))
        ties = [(PILOT, BAKER), (OLDER, BAKER), (BAKER, OLDER), (PILOT, OLDER), (KEEPER, BAKER)]
        for n, (source_id, target) in enumerate(ties, 1):
            hub.con.execute("INSERT INTO relations VALUES (?, ?, ?, 'trade', 'customer', 1)", [n, source_id, target])
        hub.con.execute(
            """INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone)
            VALUES ('persona', ?, ?, 'minhash', 0.9, false)""",
            [OLDER, PILOT],
        )
        yield hub


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_hold_everything_that_a_hub_knows(hub: HubFile, tmp_path: Path) -> None:
    assert export_hub(hub, path := tmp_path / "people.jsonl").people == 3
    assert json.loads(path.read_text().splitlines()[0]) == {
        "id": PILOT, "text": "A ferry pilot", "origin": "import", "hop": 0, "parent": None, "language": "und",
        "source": "given.jsonl", "licence": "CC-BY-4.0", "model": None, "prompt": None, "revision": "r1",
        "likes": '["tea",{"and":"rye"}]', "age": 0,
    }  # fmt: skip


def test_csv_and_parquet_hold_the_same(hub: HubFile, tmp_path: Path) -> None:
    assert export_hub(hub, tmp_path / "p.csv").as_json == ("likes",)
    export_hub(hub, tmp_path / "p.parquet")
    rows = rows_of(tmp_path / "p.csv")
    table = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert [row["text"] for row in rows] == [TEXTS[0], TEXTS[2], TEXTS[3]]
    assert rows == [{name: "" if value is None else str(value) for name, value in row.items()} for row in table]


def test_near_duplicates_come_marked_when_they_are_asked_for(hub: HubFile, tmp_path: Path) -> None:
    assert export_hub(hub, path := tmp_path / "p.parquet", duplicates=True).people == 4
    assert pq.read_table(path).column("duplicate_of").to_pylist() == [None, PILOT, None, None]


def test_whom_a_rule_rejected_is_left_out_like_a_near_duplicate(hub: HubFile, tmp_path: Path) -> None:
    reject(hub, BAKER)
    reject(hub, KEEPER, undone=True)
    assert export_hub(hub, tmp_path / "p.csv").people == 2
    export_hub(hub, path := tmp_path / "p.parquet", duplicates=True)
    assert pq.read_table(path).column("rejected").to_pylist() == [None, None, "refusal", None]


@pytest.mark.parametrize(("suffix", "opened"), [(".gz", gzip.open), (".xz", lzma.open), (".zst", None)])
def test_a_packed_name_packs(hub: HubFile, tmp_path: Path, suffix: str, opened: Any) -> None:
    export_hub(hub, plain := tmp_path / "p.csv")
    export_hub(hub, packed := tmp_path / f"p.csv{suffix}")
    with opened(packed) if opened else pa.input_stream(packed, compression="zstd") as file:
        assert file.read() == plain.read_bytes()


@pytest.mark.parametrize("form", ["graphml", "gexf", "json"])
def test_a_graph_folds_near_duplicates_into_whom_they_repeat(hub: HubFile, tmp_path: Path, form: str) -> None:
    report = export_hub(hub, path := tmp_path / f"town.{form}")
    graph = _read(path, form)
    assert (report.people, report.relations) == (3, 3)
    assert set(graph.nodes) == {PILOT, BAKER, KEEPER}
    assert sorted(graph.edges()) == sorted([(PILOT, BAKER), (BAKER, PILOT), (KEEPER, BAKER)])
    node = graph.nodes[BAKER]
    likes = '["tea",{"and":"rye"}]'
    assert (node["licence"], node["likes"], int(node["age"])) == ("CC-BY-4.0", likes, 2)
    assert node["label"].startswith("A baker")
    assert {data["label"] for _, _, data in graph.edges(data=True) if form != "gexf"} <= {"customer"}


def test_a_graph_has_no_tie_of_whoever_was_rejected(hub: HubFile, tmp_path: Path) -> None:
    for n, who in enumerate((OLDER, KEEPER)):
        reject(hub, who)
        assert export_hub(hub, tmp_path / f"{n}.json").relations == 2 - n
    assert set(_read(tmp_path / "1.json", "json").edges()) == {(PILOT, BAKER)}


def test_a_selection_that_has_a_near_duplicate_has_its_ties_too(hub: HubFile, tmp_path: Path) -> None:
    choose(hub, SelectionSpec(where="text LIKE '%older%' OR text LIKE '%baker%'", name="two", with_duplicates=True))
    export_hub(hub, path := tmp_path / "two.json", select="two")
    assert set(_read(path, "json").edges()) == {(OLDER, BAKER), (BAKER, OLDER)}


def test_a_graph_with_near_duplicates_has_all_ties_as_they_were_found(hub: HubFile, tmp_path: Path) -> None:
    assert export_hub(hub, path := tmp_path / "town.json", duplicates=True).relations == 5
    assert _read(path, "json").nodes[OLDER]["duplicate_of"] == PILOT


def test_what_xml_cannot_hold_is_replaced(hub: HubFile, tmp_path: Path) -> None:
    export_hub(hub, path := tmp_path / "town.graphml")
    assert _read(path, "graphml").nodes[BAKER]["text"] == TEXTS[2].replace("\u0007", "\u2407")


def test_a_graph_of_too_many_people_is_refused(hub: HubFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST_PEOPLE", 2)
    with pytest.raises(SetupError, match="3 people to export, and gexf is written for 2 at most"):
        export_hub(hub, tmp_path / "town.gexf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given.jsonl", "hub.duckdb", "hub.duckdb.wal"]


@pytest.fixture
def enriched(hub: HubFile) -> HubFile:
    """The same people: the baker has a profile and a biography, and was raised from the pilot."""
    hub.con.execute(
        "INSERT INTO profiles BY NAME SELECT ? AS persona, '30-39' AS age_band, 6 AS education, ['de', 'fr'] AS "
        'languages, NULL AS region, \'{"age_band": {"evidence": "stated"}}\' AS evidence, true AS only_evident, '
        "'m1' AS model, 'profile@1' AS prompt, TIMESTAMP '2026-01-02' AS made_at",
        [BAKER],
    )
    hub.con.execute("INSERT INTO biographies VALUES (?, 'Long ago.', [?], 'en', 'm2', 'b@1', now())", [BAKER, PILOT])
    for skill in ("rye", "wheat"):
        row = [BAKER, PILOT, skill, "1%", "Food", "Bread", '[{"why": "so"}]', "m3", "raise@1"]
        hub.con.execute("INSERT INTO elites VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, now())", row)
    return hub


def test_profiles_come_along_with_their_types_and_evidence(enriched: HubFile, tmp_path: Path) -> None:
    report = export_hub(enriched, path := tmp_path / "p.jsonl")
    assert (report.people, report.extras) == (3, ((Extra.PROFILES, 1),))
    pilot, baker, _ = map(json.loads, path.read_text().splitlines())
    assert (baker["education"], baker["languages"], baker["region"]) == (6, ["de", "fr"], None)
    assert json.loads(baker["evidence"]) == {"age_band": {"evidence": "stated"}}
    assert (baker["profile_model"], baker["profile_made_at"]) == ("m1", "2026-01-02T00:00:00")
    assert pilot.keys() == baker.keys()
    assert pilot["age_band"] is None


def test_lists_stay_lists_in_parquet_and_are_arrays_in_csv(enriched: HubFile, tmp_path: Path) -> None:
    export_hub(enriched, tmp_path / "p.parquet", extras=[Extra.ELITES])
    export_hub(enriched, tmp_path / "p.csv", extras=[Extra.ELITES])
    table, rows = pq.read_table(tmp_path / "p.parquet"), rows_of(tmp_path / "p.csv")
    assert table.column("languages").to_pylist() == [None, ["de", "fr"], None]
    assert (table.schema.field("education").type, table.schema.field("only_evident").type) == (pa.int8(), pa.bool_())
    assert [row["languages"] for row in rows] == ["", '["de","fr"]', ""]
    assert [row["elite_skill"] for row in rows] == ["", "rye", ""]


def test_biographies_and_elites_come_when_they_are_asked_for(enriched: HubFile, tmp_path: Path) -> None:
    report = export_hub(enriched, path := tmp_path / "p.jsonl", extras=[Extra.ELITES, Extra.BIOGRAPHIES])
    baker = json.loads(path.read_text().splitlines()[1])
    assert report.extras == ((Extra.PROFILES, 1), (Extra.BIOGRAPHIES, 1), (Extra.ELITES, 1))
    assert (baker["biography"], baker["biography_mentions"]) == ("Long ago.", [PILOT])
    assert (baker["elite_of"], baker["elite_tier"], baker["elite_changes"]) == (PILOT, "1%", '[{"why": "so"}]')


def test_columns_of_profiles_are_there_without_any_when_they_are_asked_for(hub: HubFile, tmp_path: Path) -> None:
    assert export_hub(hub, tmp_path / "without.csv").extras == ()
    assert export_hub(hub, tmp_path / "with.csv", extras=[Extra.PROFILES]).extras == ((Extra.PROFILES, 0),)
    assert "age_band" not in rows_of(tmp_path / "without.csv")[0]
    assert rows_of(tmp_path / "with.csv")[0]["age_band"] == ""


def test_a_hub_without_such_a_table_says_so(hub: HubFile, tmp_path: Path) -> None:
    hub.con.execute("DROP TABLE biographies")
    with pytest.raises(SetupError, match="has no table biographies; make some with `populace hub enrich`"):
        export_hub(hub, tmp_path / "p.csv", extras=[Extra.BIOGRAPHIES])


@pytest.mark.parametrize("form", ["graphml", "gexf", "json"])
def test_nodes_have_profiles_and_in_xml_flat_and_without_evidence(enriched: HubFile, tmp_path: Path, form: str) -> None:
    export_hub(enriched, path := tmp_path / f"town.{form}")
    node = _read(path, form).nodes[BAKER]
    assert (int(node["education"]), node["profile_model"]) == (6, "m1")
    assert node["languages"] == (["de", "fr"] if form == "json" else "de; fr")
    assert {"evidence", "region"} & node.keys() == ({"evidence"} if form == "json" else set())


@pytest.mark.parametrize("form", ["graphml", "gexf"])
def test_what_nodes_say_in_several_types_is_said_in_one(enriched: HubFile, tmp_path: Path, form: str) -> None:
    words = {"education": "bachelor", "start": 7, "viz": "red", "height": 1.5, "label": "Jo"}
    for persona, said in ((PILOT, words), (BAKER, {"height": 2}), (KEEPER, {"start": "then", "height": 3})):
        enriched.con.execute("UPDATE imports SET attributes = ? WHERE persona = ?", [json.dumps(said), persona])
    export_hub(enriched, path := tmp_path / f"town.{form}")
    nodes = _read(path, form).nodes
    assert [nodes[one].get("education_") for one in (PILOT, BAKER, KEEPER)] == ["bachelor", None, None]
    assert [float(nodes[one]["height"]) for one in (PILOT, BAKER, KEEPER)] == [1.5, 2, 3]
    assert (nodes[PILOT]["start_"], nodes[KEEPER]["start_"]) == ("7", '"then"')
    assert (nodes[PILOT]["label"], nodes[PILOT]["label_"]) == (TEXTS[0], "Jo")


@given(st.text(min_size=1))
def test_a_label_is_the_beginning_of_the_description(text: str) -> None:
    label, line = shorten_text(text), " ".join(text.split())
    assert len(label) <= 41
    assert label == line or (label.endswith("\u2026") and line.startswith(label[:-1]) and len(label) > 20)


def test_a_selection_is_exported_alone(hub: HubFile, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no selection 'bakers'; make one with"):
        export_hub(hub, tmp_path / "p.csv", select="bakers")
    hub.con.execute("INSERT INTO selected VALUES ('it''s me', ?, 1, 1), ('others', ?, 1, 1)", [BAKER, PILOT])
    for name, where in (("bakers", "text LIKE '%baker%'"), ("pilots", "text LIKE '%pilot%'")):
        choose(hub, SelectionSpec(where=where, name=name, with_duplicates=True))
    assert export_hub(hub, path := tmp_path / "town.json", select="bakers").relations == 0
    assert set(_read(path, "json").nodes) == {BAKER}
    assert export_hub(hub, tmp_path / "pilots.csv", select="pilots").people == 2


def test_what_cannot_be_written_is_refused_and_leaves_nothing(hub: HubFile, tmp_path: Path) -> None:
    (taken := tmp_path / "taken.csv").write_text("mine")
    for path, said in (
        (taken, "exists already"),
        (tmp_path / "people.xlsx", "give `format`, one of jsonl, csv"),
        (tmp_path / "no" / "people.csv", "There is no folder"),
    ):
        with pytest.raises(SetupError, match=said):
            export_hub(hub, path)
    assert taken.read_text() == "mine"


def test_a_hub_with_nobody_in_it_has_nothing_to_export(tmp_path: Path) -> None:
    with create_hub(tmp_path / "empty.duckdb") as hub, pytest.raises(SetupError, match="nobody to export"):
        export_hub(hub, tmp_path / "p.csv")


def _read(path: Path, form: str) -> Any:
    if form == "json":
        return nx.node_link_graph(orjson.loads(path.read_bytes()), edges="edges")
    return nx.read_gexf(path) if form == "gexf" else nx.read_graphml(path)

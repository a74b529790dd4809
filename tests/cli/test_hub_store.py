"""`populace hub import`, `export`, `info`, `dedup`, `undo`, `merge`: what they say, and how they end."""

import json
import os
from io import FileIO, TextIOWrapper
from pathlib import Path

import duckdb
import pytest
from hub_people import reject

from populace.cli import main
from populace.personas.hub import open_hub

from .conftest import Ask

PEOPLE = (
    "A patient baker in a harbour town who keeps notes on migrating storks before every sunrise of the year",
    "A patient baker in a harbour town who keeps notes on migrating storks after every sunrise of the year",
    "A tired notary in the old quarter",
)


@pytest.fixture
def persona_file(folder: Path) -> Path:
    """Three people in Persona Hub's format, two of them nearly equal, a repetition, and a line that is none."""
    lines = [json.dumps({"persona": text}) for text in (*PEOPLE, PEOPLE[0])]
    (path := folder / "persona.jsonl").write_text("\n".join([*lines, "oops", ""]))
    return Path(path.name)


@pytest.fixture
def town(ask: Ask, persona_file: Path) -> str:
    """A hub of these people."""
    assert ask("hub", "import", persona_file, "--hub", "town.duckdb", "--licence", "CC-BY-4.0").code == 0
    return "town.duckdb"


def test_an_import_says_what_it_read_and_what_it_left_out(ask: Ask, persona_file: Path) -> None:
    said = ask("hub", "import", persona_file, "--hub", "town.duckdb")
    assert said.out == (
        "persona.jsonl\n"
        "  read as              personahub: text from 'persona'\n"
        "  rows                 4\n"
        "  new people           3\n"
        "  people already there 1\n"
        "  left out             1 because the line is not JSON (line or row 5)\n"
    )
    assert said.complaint.startswith("No licence is stated of 3 of these people; if you know it, import the file again")


def test_a_second_import_of_the_same_file_does_nothing(ask: Ask, town: str, persona_file: Path) -> None:
    said = ask("hub", "import", persona_file, "--hub", town, "--licence", "CC-BY-4.0")
    assert said.out == "persona.jsonl\n  imported before in the same way: nothing was done\n"


def test_a_column_is_named_by_its_meaning(ask: Ask, folder: Path) -> None:
    (folder / "people.csv").write_text(f"id,bio,town\n1,{PEOPLE[2]},Ghent\n")
    said = ask("hub", "import", "people.csv", "--hub", "town.duckdb", "--map", "text=bio", "--licence", "CC0-1.0")
    assert (said.code, said.complaint) == (0, "")
    assert said.out.startswith("people.csv\n  read as        table: text from 'bio'\n")


def test_wrong_wishes_are_complaints_and_leave_no_hub(ask: Ask, folder: Path, persona_file: Path) -> None:
    into = ("--hub", "town.duckdb")
    ask("hub", "import", persona_file, *into, "--map", "text=bio").complains(2, "no column 'bio'", "are 'persona'")
    ask("hub", "import", persona_file, *into, "--map", "bio").complains(2, "--map text=bio")
    ask("hub", "import", persona_file, *into, "--licence", "mine, all mine").complains(2, "SPDX")
    ask("hub", "import", persona_file, *into, "--strict").complains(2, "line or row 5: the line is not JSON")
    ask("hub", "import", "none.jsonl", *into).complains(2, "There is no file none.jsonl")
    ask("hub", "import", folder, *into).complains(2, "is a folder")
    assert [path.name for path in folder.iterdir()] == ["persona.jsonl"]


def test_info_counts_in_words_and_in_json(ask: Ask, town: str) -> None:
    said = ask("hub", "info", town)
    assert said.out.startswith("town.duckdb\n  personas       3, 0 of them near-duplicates\n")
    assert "  by licence     CC-BY-4.0 3\n" in said.out
    assert json.loads(ask("hub", "info", town, "--json").out)["personas"] == 3


def test_dedup_and_undo_are_told(ask: Ask, town: str) -> None:
    said = ask("hub", "dedup", town, "--threshold", 0.8)
    assert said.out.startswith("1 of 3 people were marked as near-duplicates at 0.8; 0 were marked before")
    assert said.out.endswith(
        "Only the lexical stage ran: texts that say the same in other words are not found by it.\n"
    )
    ((stage,),) = _sql(town, "SELECT stage FROM duplicates")
    assert f"By stage: {stage} 1." in said.out
    assert ask("hub", "undo", town, "--all-stage", stage).out == "1 verdict is undone.\n"
    assert ask("hub", "undo", town, "--all-stage", stage).out == "All of these verdicts are undone already.\n"
    assert ask("hub", "dedup", town, "--threshold", 0.8).out.startswith("0 of ")
    ((persona,),) = _sql(town, "SELECT persona FROM duplicates")
    assert ask("hub", "undo", town, "--persona", persona, "--redo").out == "1 verdict holds again.\n"
    assert ask("hub", "undo", town, "--persona", persona[:8]).out == "1 verdict is undone.\n"


def test_undoing_a_rule_says_who_is_retained_again_and_who_is_not(ask: Ask, town: str, folder: Path) -> None:
    with open_hub(folder / town, write=True) as hub:
        ids = [found for (found,) in hub.con.execute("SELECT id FROM personas ORDER BY ordinal").fetchall()]
        for who, rule in (*((one, "too_short") for one in ids), (ids[2], "refusal")):
            reject(hub, who, rule=rule)
        row = ["persona", None, ids[1], ids[0], None, None, "exact", 1, False]
        hub.con.execute("INSERT INTO duplicates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    assert ask("hub", "undo", town, "--rule", "too_short").out == (
        "3 rule results are undone.\nOf 3 people whom too_short has rejected, 1 are retained now.\n"
    )
    assert ask("hub", "undo", town, "--rule", "refusal").out.splitlines() == [
        "1 rule result is undone.",
        "Of 1 people whom refusal has rejected, 1 are retained now.",
    ]
    assert ask("hub", "undo", town, "--rule", "refusal").out.startswith(
        "All of these rule results are undone already.\n"
    )
    assert ask("hub", "undo", town, "--rule", "too_short", "--redo").out.splitlines() == [
        "3 rule results hold again.",
        "Of 3 people whom too_short has rejected, 0 are retained now.",
    ]


def test_what_to_undo_is_said_in_one_way(ask: Ask, town: str) -> None:
    ask("hub", "undo", town).complains(2, "--persona ID, --all-stage STAGE")
    ask("hub", "undo", town, "--persona", "aaaa", "--all-stage", "exact").complains(2, "in one way")
    ask("hub", "undo", town, "--all-stage", "exact").complains(2, "there are no verdicts at all")
    ask("hub", "undo", town, "--rule", "refusal").complains(2, "rejected nobody", "no rule did")


def test_export_says_where_the_licences_are(ask: Ask, town: str) -> None:
    said = ask("hub", "export", town, "out.jsonl")
    assert said.out == ("out.jsonl\n  format         jsonl\n  people         3\n")
    assert ask("hub", "export", town, "out.graphml").out == (
        "out.graphml\n  format         graphml\n  people         3\n"
    )
    ask("hub", "export", town, "out.jsonl").complains(2, "exists already")
    ask("hub", "export", town, "out.csv", "--select", "bakers").complains(2, "no selection 'bakers'")


def test_export_says_what_stands_beside_people(ask: Ask, town: str) -> None:
    assert ask("hub", "enrich", town, "--model", "procedural", "--n", 2).code == 0
    assert "  profiles       2\n" in ask("hub", "export", town, "out.jsonl").out
    said = ask("hub", "export", town, "out.csv", "--with", "biographies", "--with", "elites", "--with", "duplicates")
    assert "  profiles       2\n" in said.out


def test_merge_says_what_it_united_and_offers_dedup(ask: Ask, town: str, folder: Path) -> None:
    (folder / "more.jsonl").write_text(json.dumps({"persona": PEOPLE[2]}))
    ask("hub", "import", "more.jsonl", "--hub", "more.duckdb")
    said = ask("hub", "merge", town, "more.duckdb", "--out", "all.duckdb")
    assert said.out == (
        "all.duckdb\n  people           4\n  texts met again  1\n  different people 3\n"
        "Whoever is nearly equal across them is found by: populace hub dedup all.duckdb\n"
    )
    ask("hub", "merge", town, "--out", "one.duckdb").complains(2, "give two or more")


def test_a_run_file_is_a_hub(ask: Ask, run_file: Path, town: str) -> None:
    assert ask("hub", "info", run_file).out.splitlines()[1].startswith("  personas       ")
    assert ask("hub", "export", run_file, "people.csv").code == 0
    assert ask("hub", "merge", run_file, town, "--out", "all.duckdb").code == 0
    ask("hub", "import", "persona.jsonl", "--hub", run_file).complains(2, "people are its agents", "populace hub merge")


def test_what_is_no_hub_is_a_complaint(ask: Ask, folder: Path, town: str) -> None:
    ask("hub", "info", "none.duckdb").complains(2, "There is no hub 'none.duckdb'")
    ask("hub", "info", folder).complains(2, "is a folder")
    (folder / "text.duckdb").write_text("no database at all, but long enough to look into, or so one would think")
    ask("hub", "info", "text.duckdb").complains(2, "is no hub, nor any DuckDB database")
    _sql(town, "INSERT INTO hub_migrations VALUES (999, '999_later.sql')")
    ask("hub", "import", "persona.jsonl", "--hub", town).complains(2, "version 999", "upgrade Populace")


def _sql(path: str, query: str) -> list[tuple[str, ...]]:
    with duckdb.connect(path) as con:
        return con.execute(query).fetchall()


def test_export_to_the_standard_output_is_rows_alone(ask: Ask, town: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = ask("hub", "export", town, "-")
    assert [json.loads(line)["text"] for line in said.out.splitlines()] == list(PEOPLE)
    assert said.complaint == "  format         jsonl\n  people         3\n"
    assert ask("hub", "export", town, "-", "--format", "csv").out.startswith("id,text,origin,")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    ask("hub", "export", town, "-", "--format", "parquet").complains(2, "nothing that a terminal can show")


def test_a_reader_that_goes_away_is_no_traceback(town: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with FileIO(writer, "wb") as out:
        monkeypatch.setattr("sys.stdout", TextIOWrapper(out, write_through=True))
        with pytest.raises(SystemExit) as ended:
            main(["hub", "export", town, "-"])
    assert ended.value.code == 1

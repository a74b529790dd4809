"""Hubs: who is read from DuckDB, JSONL, CSV and Parquet files, and what is refused."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from populace.core.errors import SourceError
from populace.personas.hub import create_hub, read_hub
from populace.personas.hub.file import hub_tables
from populace.personas.persona import Persona, Relation, RelationKind, content_id

type MakeDatabase = Callable[..., Path]

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path: Path) -> MakeDatabase:
    def make(*statements: str) -> Path:
        path = tmp_path / "hub.duckdb"
        with duckdb.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        return path

    return make


@pytest.fixture
def made(tmp_path: Path) -> MakeDatabase:
    """A hub in which these statements put somebody."""

    def make(*statements: str) -> Path:
        with create_hub(tmp_path / "hub.duckdb") as hub:
            for statement in statements:
                hub.con.execute(statement)
        return tmp_path / "hub.duckdb"

    return make


def people(*rows: tuple[str, str]) -> str:
    values = ", ".join(f"({identity!r}, {n}, {text!r}, 'import', 0, 'und')" for n, (identity, text) in enumerate(rows))
    return f"INSERT INTO personas (id, ordinal, text, origin, hop, language) VALUES {values}"


def ties(*rows: tuple[str, str, str, str]) -> str:
    values = ", ".join(repr((n, *row, 1)) for n, row in enumerate(rows))
    return f"INSERT INTO relations (ordinal, source, target, kind, label, hop) VALUES {values}"


def verdicts(*rows: tuple[str, str, bool]) -> str:
    values = ", ".join(repr(("persona", one, of, "exact", 0.9, undone)) for one, of, undone in rows)
    return f'INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone) VALUES {values}'


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def texts(path: Path) -> list[str]:
    return [persona.text for persona in read_hub(path).personas]


def complaint(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        read_hub(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hub.jsonl", '{"persona": "A nurse, on nights"}\n{"persona": "A cook"}\n'),
        ("hub.jsonl", '{"Text": "A nurse, on nights", "age": 3}\n{"Text": "A cook"}'),
        ("hub.jsonl", '{"input persona": "A nurse, on nights", "synthesized text": "?"}\n{"input persona": "A cook"}'),
        ("hub.csv", '\ufeffId,Persona\r\n1,"A nurse, on nights"\r\n\r\n2,A cook\r\n'),
        ("hub.csv", "text;id\nA nurse, on nights;1\nA cook;2\n"),
        ("hub.tsv", "id\ttext\n1\tA nurse, on nights\n2\tA cook\n"),
    ],
)
def test_texts_of_files_of_rows_are_imports(tmp_path: Path, name: str, content: str) -> None:
    hub = read_hub(written(tmp_path, name, content))
    nurse, cook = hub.personas
    assert nurse == Persona("A nurse, on nights", origin="import", language="und", source=name)
    assert cook.text == "A cook"
    assert hub.relations == ()


@pytest.mark.parametrize("name", ["hub.parquet", "hub[1].parquet", "it's.parquet"])
def test_parquet_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    with duckdb.connect() as connection:
        connection.sql("SELECT 'A nurse' AS \"Persona\"").write_parquet(str(tmp_path / "plain.parquet"))
        connection.sql("SELECT 'Somebody else' AS persona").write_parquet(str(tmp_path / "hub1.parquet"))
    (tmp_path / "plain.parquet").rename(tmp_path / name)
    assert texts(tmp_path / name) == ["A nurse"]


def test_a_hub_keeps_what_it_knows_of_its_people(made: MakeDatabase) -> None:
    path = made(
        "INSERT INTO personas VALUES ('c', 1, 'A cook', 'persona', 2, 'gone', 'sv', 'diary', 'CC0', 'a-model', 'p@1')"
    )
    assert read_hub(path).personas == (Persona("A cook", "persona", 2, "gone", "sv", "diary", "CC0", "a-model", "p@1"),)


def test_relations_follow_their_people_to_new_ids(made: MakeDatabase) -> None:
    path = made(people(("7", "A nurse"), ("8", "A cook")), ties(("7", "8", "care", "patient")))
    relation = Relation(content_id("A nurse"), content_id("A cook"), RelationKind.CARE, "patient")
    assert read_hub(path).relations == (relation,)


def test_a_run_file_is_a_hub_in_order_of_arrival(database: MakeDatabase) -> None:
    schema = "\n".join(table.statements() for table in hub_tables() if not table.is_hub)
    nurse, cook = content_id("A nurse"), content_id("A cook")
    person = "INSERT INTO personas VALUES (?, {}, ?, 'text', 0, NULL, 'en', NULL, NULL, 'procedural', 'p@1')"
    path = database(
        schema,
        person.format(2).replace("?", f"'{cook}'", 1).replace("?", "'A cook'"),
        person.format(1).replace("?", f"'{nurse}'", 1).replace("?", "'A nurse'"),
        f"INSERT INTO relations VALUES (1, '{nurse}', '{cook}', 'work', 'colleague', 3)",
        f"""INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone)
        VALUES ('dialogue', '{cook}', '{nurse}', 'minhash', 1.0, false)""",
    )
    hub = read_hub(path)
    assert [(persona.text, persona.source) for persona in hub.personas] == [
        ("A nurse", None),
        ("A cook", None),
    ]
    assert [(tie.label, tie.hop) for tie in hub.relations] == [("colleague", 3)]


def test_near_duplicates_are_left_out_and_their_ties_move(made: MakeDatabase) -> None:
    path = made(
        people(("n", "A nurse"), ("m", "A nurse."), ("l", "A nurse!"), ("c", "A cook")),
        ties(("c", "l", "work", "friend"), ("c", "n", "work", "friend"), ("n", "m", "work", "double")),
        verdicts(("m", "n", False), ("l", "m", False), ("c", "n", True)),
    )
    hub = read_hub(path)
    assert [persona.text for persona in hub.personas] == ["A nurse", "A cook"]
    assert [(tie.source, tie.target) for tie in hub.relations] == [(content_id("A cook"), content_id("A nurse"))]


def test_the_parent_of_a_child_moves_with_the_parent(made: MakeDatabase) -> None:
    path = made(
        people(("n", "A nurse"), ("m", "A nurse."), ("c", "A cook")),
        "UPDATE personas SET parent = 'm' WHERE id = 'c'",
        verdicts(("m", "n", False)),
    )
    assert read_hub(path).personas[1].parent == content_id("A nurse")


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ((), "has no table personas"),
        (("CREATE TABLE people (text VARCHAR)", "CREATE VIEW folk AS FROM people"), "has no table personas"),
        (
            ("CREATE TABLE personas AS SELECT 1 AS id, 'x' AS text",),
            "has a table personas without the column hop of a hub's; write its people to a file such as people.parquet",
        ),
    ],
)
def test_a_database_that_is_no_hub_is_refused(database: MakeDatabase, statements: tuple[str, ...], said: str) -> None:
    assert said in complaint(database(*statements))


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ((), "holds no personas"),
        ((people(("n", "N")), ties(("n", "z", "work", "x"))), "relation of 'z', who is nobody in its table personas"),
        (
            (people(("n", "N"), ("m", "M")), verdicts(("n", "m", False), ("m", "n", False))),
            "lead in a circle",
        ),
    ],
)
def test_a_hub_that_makes_no_sense_is_refused(made: MakeDatabase, statements: tuple[str, ...], said: str) -> None:
    assert said in complaint(made(*statements))


def test_a_view_cannot_reach_other_files(database: MakeDatabase, tmp_path: Path) -> None:
    secret = written(tmp_path, "secret.csv", "text\nA spy\n")
    path = database(f"CREATE VIEW personas AS SELECT text FROM read_csv('{secret}')")
    assert "has no table personas" in complaint(path)


def test_a_file_that_another_process_writes_is_refused(made: MakeDatabase) -> None:
    path = made(people(("n", "N")))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        message = complaint(path)
        holder.communicate(timeout=300)
    assert "is in use by another process" in message


def test_a_file_that_this_process_writes_is_refused(made: MakeDatabase) -> None:
    path = made(people(("n", "N")))
    with duckdb.connect(path):
        assert "is open in this process for reading" in complaint(path)


def test_a_database_cut_short_is_refused(made: MakeDatabase) -> None:
    path = made(people(("n", "N")))
    path.write_bytes(path.read_bytes()[:2_000])
    assert "is damaged (" in complaint(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.duckdb", "text", "ends in .duckdb but is not a DuckDB file"),
        ("a.duckdb", "", "ends in .duckdb but is not a DuckDB file"),
        ("a.xlsx", "x", "ends in '.xlsx'"),
        ("a.csv", "name,colour\nAda,3\n", "no column that is known to hold descriptions; its columns are 'name', 'col"),
        ("a.jsonl", '{"persona": "A"}\n{"name": "B"}\n', "line or row 2: there is no text"),
        (
            "a.jsonl",
            json.dumps({"persona": "long " * 20_000}),
            "the text is longer than 20,000 characters; mend",
        ),
    ],
)
def test_a_file_that_is_no_hub_is_refused(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    assert said in complaint(written(tmp_path, name, content))


def test_what_cannot_be_read_is_said_with_what_can_be_done(tmp_path: Path) -> None:
    message = complaint(written(tmp_path, "a.jsonl", '{"persona": ""}\n'))
    assert "or leave such rows out by `populace hub import" in message
    assert "--strict" not in message


def test_a_newer_hub_is_refused(made: MakeDatabase) -> None:
    path = made(people(("n", "N")), "INSERT INTO hub_migrations VALUES (99, 'later')")
    assert "has version 99 of the hub's tables" in complaint(path)


@pytest.mark.parametrize("name", ["people.jsonl", "people.jsonl.gz"])
def test_people_in_a_file_of_rows_keep_what_an_import_keeps(tmp_path: Path, name: str) -> None:
    row = {"text": "Une infirmière de Lyon qui chante", "licence": "MIT", "source": "a book", "age": 30}
    line = (json.dumps(row) + "\n").encode()
    hub = read_hub(written(tmp_path, name, gzip.compress(line, mtime=0) if name.endswith("gz") else line))
    (nurse,) = hub.personas
    assert (nurse.licence, nurse.source, nurse.language) == ("MIT", "a book", "fr")
    assert hub.details["imports"]["attributes"].to_pylist() == ['{"age":30}']


def test_a_missing_hub_is_answered_with_its_neighbours(tmp_path: Path) -> None:
    written(tmp_path, "people.csv", "persona\nA\n")
    assert "did you mean people.csv?" in complaint(tmp_path / "poeple.csv")

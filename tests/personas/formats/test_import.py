"""Importing people: shapes, columns, provenance, bad rows, bad files, and imports that are cut off."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_people import ask_hub
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.core.arrow import to_rows
from populace.core.errors import SetupError, SourceError
from populace.core.readers import MAX_LINE, InputTable
from populace.personas.formats.importing import FileReport, import_files, prepare_rows
from populace.personas.formats.options import Columns, ImportOptions, Shape, parse_mapping
from populace.personas.hub import HubFile, read_hub
from populace.personas.persona import content_id

LOCKSMITH = "A retired locksmith who repairs church clocks"
BEEKEEPER = "A bee keeper near the harbour"

type Import = Callable[..., FileReport]


@pytest.fixture
def take(hub: HubFile) -> Import:
    """Import one file."""

    def taken(path: Path, *, part: int = 1_000, **wish: Any) -> FileReport:
        (report,) = import_files(hub, [path], ImportOptions.given(**wish), part=part)
        return report

    return taken


def jsonl(path: Path, *rows: Mapping[str, Any] | str) -> Path:
    """A file with these rows; a string stands there as it is."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def attributes(hub: HubFile) -> list[Any]:
    return [text and json.loads(text) for (text,) in ask_hub(hub, "SELECT attributes FROM imports ORDER BY row")]


def test_persona_hubs_people_are_known_by_their_one_column(hub: HubFile, take: Import, tmp_path: Path) -> None:
    report = take(jsonl(tmp_path / "persona.jsonl", {"persona": LOCKSMITH}, {"persona": BEEKEEPER}))
    assert (report.columns.shape, report.rows, report.new, report.skipped) == (Shape.PERSONAHUB, 2, 2, ())
    assert ask_hub(hub, "SELECT id, ordinal, text, origin, hop, language FROM personas ORDER BY ordinal") == [
        (content_id(LOCKSMITH), 1, LOCKSMITH, "import", 0, "en"),
        (content_id(BEEKEEPER), 2, BEEKEEPER, "import", 0, "en"),
    ]
    assert attributes(hub) == [None, None]


def test_task_rows_keep_what_was_written_for_the_persona(hub: HubFile, take: Import, tmp_path: Path) -> None:
    row = {"input persona": LOCKSMITH, "synthesized text": "Why do clocks stop?", "description": "instruction"}
    assert take(jsonl(tmp_path / "tasks.jsonl", row)).columns == Columns(Shape.TASKS, "input persona")
    assert attributes(hub) == [{"synthesized text": "Why do clocks stop?", "description": "instruction"}]


def test_the_word_none_is_no_domain_of_the_elite(hub: HubFile, take: Import, tmp_path: Path) -> None:
    domains = {"general domain (top 1 percent)": "Horology", "specific domain (top 0.1 percent)": "None"}
    assert take(jsonl(tmp_path / "elite.jsonl", {"persona": LOCKSMITH, **domains})).columns.shape is Shape.ELITE
    assert attributes(hub) == [{"general domain (top 1 percent)": "Horology"}]


def test_of_several_personas_a_row_the_plain_one_is_the_text(hub: HubFile, take: Import, tmp_path: Path) -> None:
    table = {"uuid": ["7"], "professional_persona": ["Ada mends clocks."], "persona": [LOCKSMITH], "age": [71]}
    hobbies = {"hobbies_and_interests_list": [["chess", "bells"]], "state": [None]}
    pq.write_table(pa.table(table | hobbies), path := tmp_path / "n.parquet")
    assert take(path).columns == Columns(Shape.NEMOTRON, "persona")
    rest = {"uuid": "7", "professional_persona": "Ada mends clocks.", "age": 71}
    assert attributes(hub) == [{**rest, "hobbies_and_interests_list": ["chess", "bells"]}]


def test_any_table_is_imported_by_its_columns(hub: HubFile, take: Import, tmp_path: Path) -> None:
    rows = f'id;bio;sprache;terms\n7;"{LOCKSMITH}; widowed";de;CC0-1.0\n8;{BEEKEEPER};;\n'
    (path := tmp_path / "people.csv").write_text(rows)
    mapping = parse_mapping(["text=bio", "language=sprache", "licence=terms"])
    take(path, mapping=mapping, licence="CC-BY-4.0", language="en", revision="2026-01", source="A survey")
    assert ask_hub(hub, "SELECT text, language, licence, source FROM personas ORDER BY ordinal") == [
        (f"{LOCKSMITH}; widowed", "de", "CC0-1.0", "A survey"),
        (BEEKEEPER, "en", "CC-BY-4.0", "A survey"),
    ]
    assert ask_hub(hub, "SELECT row, source, licence, revision, attributes FROM imports ORDER BY row") == [
        (2, "A survey", "CC0-1.0", "2026-01", '{"id":"7"}'),
        (3, "A survey", "CC-BY-4.0", "2026-01", '{"id":"8"}'),
    ]


def test_equal_texts_are_one_persona_and_each_row_is_kept(hub: HubFile, take: Import, tmp_path: Path) -> None:
    report = take(jsonl(tmp_path / "a.jsonl", {"text": LOCKSMITH, "n": 1}, {"text": f"  {LOCKSMITH}\n", "n": 2}))
    assert (report.rows, report.new, report.equal) == (2, 1, 1)
    again = take(jsonl(tmp_path / "b.jsonl", {"text": LOCKSMITH, "n": 3}, {"text": BEEKEEPER, "n": 4}), source="B")
    assert (again.new, again.equal) == (1, 1)
    assert ask_hub(hub, "SELECT source FROM personas ORDER BY ordinal") == [("a.jsonl",), ("B",)]
    assert ask_hub(hub, "SELECT count(*), count(DISTINCT persona) FROM imports") == [(4, 2)]


@pytest.mark.parametrize(
    ("suffix", "packed"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", None)]
)
def test_a_packed_file_gives_the_same_people(
    take: Import, tmp_path: Path, suffix: str, packed: Callable[[bytes], bytes] | None
) -> None:
    plain = jsonl(tmp_path / "p.jsonl", {"persona": LOCKSMITH}, {"persona": BEEKEEPER}).read_bytes()
    path = tmp_path / f"p.jsonl{suffix}"
    path.write_bytes(packed(plain) if packed else pa.compress(plain, codec="zstd", asbytes=True))
    assert take(path).new == 2


@pytest.mark.parametrize("written", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow_files_are_read_in_batches(take: Import, tmp_path: Path, written: Any) -> None:
    table = pa.table({"text": [f"Neighbour number {n}" for n in range(4_000)]})
    with pa.OSFile(str(path := tmp_path / "p.arrow"), "wb") as sink, written(sink, table.schema) as writer:
        writer.write_table(table)
    assert take(path, part=3_000).new == 4_000


def test_rows_that_cannot_be_imported_are_counted_with_their_lines(hub: HubFile, take: Import, tmp_path: Path) -> None:
    bad: list[Mapping[str, Any] | str] = [
        {"persona": " "},
        "{",
        "[1]",
        '{"persona": ' + "[" * 100_000,
        {"persona": 7},
        {"text": "?"},
        {"persona": "\ud800"},
        {"persona": "x" * 90},
        "",
    ]
    report = take(jsonl(tmp_path / "p.jsonl", {"persona": LOCKSMITH}, *bad, {"persona": BEEKEEPER}), max_length=80)
    assert report.new == 2
    assert {skip.reason: (skip.rows, skip.first) for skip in report.skipped} == {
        "the line is not JSON": (1, [3]),
        "the line is JSON and no object": (1, [4]),
        "the line nests too deeply": (1, [5]),
        "there is no text": (2, [2, 7]),
        "the text is no string": (1, [6]),
        "the text has half a character in it": (1, [8]),
        "the text is longer than 80 characters": (1, [9]),
    }
    assert (
        ask_hub(hub, "SELECT sum(rows) FROM skipped_rows")
        == ask_hub(hub, "SELECT skipped FROM imported_files")
        == [(8,)]
    )


def test_lines_in_another_encoding_are_left_out_and_counted(take: Import, tmp_path: Path) -> None:
    for name, head in (("p.jsonl", b""), ("p.csv", b"persona\n")):
        lines = [b'{"persona": "A caf\xc3\xa9 owner"}\n', b'{"persona": "A caf\xe9 owner"}\n']
        lines = lines if not head else [head, b"A caf\xc3\xa9 owner\n", b"A caf\xe9 owner\n"]
        (path := tmp_path / name).write_bytes(b"".join(lines))
        (skip,) = take(path).skipped
        assert (skip.reason, skip.first) == ("the line is not UTF-8", [len(lines)])


def test_a_line_that_is_too_long_is_passed_over(take: Import, tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "p.jsonl", {"persona": LOCKSMITH}, {"persona": "x" * (2 * MAX_LINE)}, {"persona": BEEKEEPER}
    )
    report = take(path)
    assert (report.new, [skip.first for skip in report.skipped]) == (2, [[2]])


def test_rows_of_a_csv_file_with_other_columns_are_left_out(take: Import, tmp_path: Path) -> None:
    (path := tmp_path / "p.csv").write_text(f'text,n\n"{LOCKSMITH},\nbroken",1\nx,y,z\n{BEEKEEPER},2\n"a"b,3\n')
    report = take(path)
    assert report.new == 2
    assert [skip.first for skip in report.skipped] == [[4], [6]]


def test_a_strict_import_stops_at_the_first_bad_row(hub: HubFile, take: Import, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"p\.jsonl, line or row 2: there is no text; .*`strict`"):
        take(jsonl(tmp_path / "p.jsonl", {"persona": LOCKSMITH}, {"persona": ""}), strict=True)
    assert ask_hub(hub, "SELECT count(*) FROM personas") == [(0,)]


def test_a_missing_column_is_told_with_those_that_are_there(take: Import, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", {"story": LOCKSMITH, "age": 71})
    with pytest.raises(SourceError, match=r"no column 'storey'; its columns are 'story', 'age'; did you mean 'story"):
        take(path, mapping={"text": "storey"})
    with pytest.raises(
        SourceError, match=r"its columns are 'story', 'age'; say which it is with `mapping='text=COLUMN'`"
    ):
        take(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.jsonl", b"", "is empty"),
        ("p.csv", b"text,n\n", "has columns and no rows"),
        ("p.csv", b"text,text\na,b\n", "two columns 'text'"),
        ("p.json", b'[{"persona": "x"}]', "one JSON array"),
        ("p.jsonl", "{}".encode("utf-16"), "is UTF-16"),
        ("p.txt", b"A man.", "no table that is known"),
        ("p.duckdb", b"\0" * 8 + b"DUCK", "populace hub merge"),
        ("p.parquet", b"PAR1 and no more", "no whole Parquet file"),
        ("p.parquet.gz", gzip.compress(b"PAR1", mtime=0), "unpack it first"),
        ("p.jsonl.gz", b"no gzip", "not even its beginning"),
        ("p.jsonl", b'{"persona": ""}\n{"persona": null}\n', r"None of the rows .* 2 because there is no text"),
    ],
)
def test_a_file_without_people_is_refused_in_a_sentence(
    hub: HubFile, take: Import, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (path := tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=said):
        take(path)
    assert ask_hub(hub, "SELECT count(*) FROM imported_files") == [(0,)]


def test_a_folder_and_a_file_that_is_not_there_are_refused(take: Import, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a folder"):
        take(tmp_path)
    with pytest.raises(SourceError, match="There is no file"):
        take(tmp_path / "nobody.jsonl")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".gz", pytest.param(".zst", marks=pytest.mark.slow)])
def test_a_corrupt_file_says_how_far_it_got(hub: HubFile, take: Import, tmp_path: Path, suffix: str) -> None:
    plain = "".join(json.dumps({"persona": f"Neighbour {content_id(str(n))}"}) + "\n" for n in range(60_000)).encode()
    whole = gzip.compress(plain, mtime=0) if suffix == ".gz" else pa.compress(plain, codec="zstd", asbytes=True)
    (path := tmp_path / f"p.jsonl{suffix}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"corrupt: it can be read to line [1-9][\d,]+ and no further"):
        take(path, part=100_000)
    assert ask_hub(hub, "SELECT count(*) FROM personas") == [(0,)]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"licence": "all rights reserved"}, "`licence` must be an SPDX expression"),
        ({"language": "no such tag!"}, "`language` must be a BCP 47 tag"),
        ({"max_length": 0}, "`max_length` must be a whole number"),
        ({"source": ""}, "`source` must have at least 1 character"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(option: dict[str, Any], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        ImportOptions.given(**option)


@pytest.mark.parametrize("item", ["bio", "text=", "=bio", "name=bio"])
def test_a_mapping_names_a_meaning_and_a_column(item: str) -> None:
    with pytest.raises(SetupError, match="--map takes MEANING=COLUMN"):
        parse_mapping([item])
    with pytest.raises(SetupError, match="two columns"):
        parse_mapping(["text=a", "text=b"])


def test_a_file_that_is_in_the_hub_is_passed_over(hub: HubFile, take: Import, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", {"persona": LOCKSMITH}, {"persona": ""})
    first, again = take(path), take(path)
    assert (first.already, again.already, again.rows, again.skipped) == (False, True, 1, first.skipped)
    assert ask_hub(hub, "SELECT count(*) FROM imports") == [(1,)]
    assert not take(path, licence="CC0-1.0").already


def test_an_import_that_is_interrupted_keeps_whole_parts(hub: HubFile, take: Import, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", *[{"persona": f"Neighbour {n}" if n % 7 else ""} for n in range(11_000)])

    def interrupt(path: Path, rows: int) -> None:
        if rows > 9_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(import_files(hub, [path], ImportOptions(), part=5_000, progress=interrupt))
    assert ask_hub(hub, "SELECT read_to, rows, skipped, complete FROM imported_files") == [
        (10_000, 8_571, 1_429, False)
    ]
    assert ask_hub(hub, "SELECT count(*), max(row) FROM imports") == [(8_571, 10_000)]
    report = take(path, part=5_000)
    assert (report.resumed_at, report.rows, report.new, report.skipped[0].rows) == (10_000, 9_428, 9_428, 1_572)


def test_an_imported_hub_is_read_as_any_other(hub: HubFile, take: Import, tmp_path: Path) -> None:
    take(jsonl(tmp_path / "p.jsonl", {"persona": LOCKSMITH}, {"persona": BEEKEEPER}), language="en")
    hub.close()
    assert [(p.text, p.language) for p in read_hub(hub.path).personas] == [(LOCKSMITH, "en"), (BEEKEEPER, "en")]


class _Given(InputTable):
    """A table of one column."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(Path("given"))
        self.texts = texts

    def columns(self) -> list[str]:
        return ["text"]

    def _read_rows(self, tally: object) -> Any:
        return ((number, {"text": text}) for number, text in enumerate(self.texts, 1))


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), min_size=1))
def test_ids_made_in_bulk_are_those_of_single_personas(texts: list[str]) -> None:
    columns = Columns(Shape.TABLE, "text")
    rows = to_rows(next(prepare_rows(_Given(texts), columns, ImportOptions(language="en"), after=0)).rows)
    kept = {number: (content_id(text), text) for number, text in enumerate(texts, 1) if text.strip()}
    assert {row["row"]: (row["id"], row["text"]) for row in rows} == kept


def test_languages_are_told_where_nobody_has_stated_them(hub: HubFile, take: Import, tmp_path: Path) -> None:
    french = "Une boulangère de Lyon qui se lève à trois heures du matin"
    rows = [{"text": french}, {"text": f"{french}.", "language": "oc"}, {"text": "Ada"}, {"text": "A nurse who sings"}]
    take(jsonl(tmp_path / "rows.jsonl", {"language": None, "text": LOCKSMITH}, *rows))
    found = ask_hub(hub, "SELECT language FROM personas ORDER BY ordinal")
    assert [tag for (tag,) in found] == ["en", "fr", "oc", "und", "en"]


@pytest.mark.parametrize("stated", ["br", "und"])
def test_a_language_that_is_stated_is_not_looked_for(hub: HubFile, take: Import, tmp_path: Path, stated: str) -> None:
    take(jsonl(tmp_path / "rows.jsonl", {"persona": LOCKSMITH}), language=stated)
    assert ask_hub(hub, "SELECT language FROM personas") == [(stated,)]


def test_a_file_that_is_not_there_stops_an_import_before_it_begins(hub: HubFile, tmp_path: Path) -> None:
    there = tmp_path / "people.jsonl"
    there.write_text(json.dumps({"persona": LOCKSMITH}))
    with pytest.raises(SourceError, match=r"nowhere\.jsonl"):
        list(import_files(hub, [str(there), "nowhere.jsonl"]))
    assert hub.con.execute("SELECT count(*) FROM personas").fetchall() == [(0,)]

"""Sources: every format gives passages with their place, terms and language; what is wrong gets one sentence."""

import bz2
import gzip
import json
import lzma
import sys
from collections.abc import Callable
from io import BufferedReader, BytesIO
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from populace.core.errors import SetupError, SourceError
from populace.personas.persona import Passage
from populace.personas.sources import Skip, open_sources

LONG = "The lamp was lit, and the gate stayed shut. " * 60
ROWS = [{"id": "a", "text": "Lock nine."}, {"id": "b", "text": "Weir two.", "lang": "en-GB", "license": "MIT"}]


def written(path: Path, content: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def read(*paths: str, **options: Any) -> list[Passage]:
    return list(open_sources(paths, **options))


def complaint(*paths: str, raised: type[SetupError] = SourceError, **options: Any) -> str:
    with pytest.raises(raised) as caught:
        read(*paths, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


def as_jsonl(path: Path) -> None:
    path.write_text("\n".join(map(json.dumps, ROWS)))


def as_csv(path: Path) -> None:
    path.write_text("id;Text;lang;license\na;Lock nine.;;\n\nb;Weir two.;en-GB;MIT\n")


def as_tsv(path: Path) -> None:
    path.write_text("id\ttext\tlang\tlicense\na\tLock nine.\t\t\nb\tWeir two.\ten-GB\tMIT\n")


def table() -> pa.Table:
    return pa.Table.from_pylist([{"lang": None, "license": None} | row for row in ROWS])


def as_parquet(path: Path) -> None:
    pq.write_table(table(), path, row_group_size=1)


def as_arrow(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table().schema) as writer:
        writer.write_table(table())


def as_arrow_stream(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table().schema) as writer:
        writer.write_table(table())


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("r.jsonl", as_jsonl),
        ("r.csv", as_csv),
        ("r.tsv", as_tsv),
        ("r.parquet", as_parquet),
        ("r.feather", as_arrow),
        ("r.arrows", as_arrow_stream),
    ],
)
def test_every_table_gives_the_same_passages(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    assert read(str(tmp_path / name), language="de", licence="CC0-1.0") == [
        Passage("Lock nine.", "de", f"{name}#a", "CC0-1.0", None, f"{name}#a"),
        Passage("Weir two.", "en-GB", f"{name}#b", "MIT", None, f"{name}#b"),
    ]


def zstd(data: bytes) -> bytes:
    compressed: bytes = pa.Codec("zstd").compress(data, asbytes=True)
    return compressed


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}


@pytest.mark.parametrize("ending", PACKINGS)
def test_what_is_compressed_gives_what_is_not(tmp_path: Path, ending: str) -> None:
    plain = read(written(tmp_path / "a.txt", LONG))
    packed = read(written(tmp_path / f"a.txt{ending}", PACKINGS[ending](LONG.encode())))
    assert [(p.text, p.offset) for p in packed] == [(p.text, p.offset) for p in plain]
    assert packed[0].document == f"a.txt{ending}"


@pytest.mark.parametrize("ending", PACKINGS)
def test_a_file_that_breaks_off_says_how_far_it_got(tmp_path: Path, ending: str) -> None:
    noise = "".join(
        f"Line {number}. " for number in Random(7).choices(range(10**9), k=70_000 if ending == ".bz2" else 20_000)
    )
    path = written(tmp_path / f"a.txt{ending}", PACKINGS[ending](noise.encode())[:-200])
    message = complaint(path)
    assert "is damaged: its" in message
    assert "unpacked bytes" in message
    assert "breaks off after 0 " not in message


@pytest.mark.parametrize("ending", PACKINGS)
def test_what_was_never_compressed_is_told_from_what_is_damaged(tmp_path: Path, ending: str) -> None:
    assert "is no readable" in complaint(written(tmp_path / f"a.txt{ending}", "Lock nine."))


def test_a_long_text_is_cut_and_each_passage_knows_its_place(tmp_path: Path) -> None:
    text = "\n\n".join([LONG.strip()] * 3)
    passages = read(written(tmp_path / "log.txt", text), length=100)
    assert len(passages) > 15
    assert all(text[p.offset : p.offset + len(p.text)] == p.text for p in passages)
    assert {p.document for p in passages} == {"log.txt"}
    assert {p.source for p in passages} == {"log.txt:1", "log.txt:3", "log.txt:5"}


def test_a_long_row_is_cut_within_its_own_document(tmp_path: Path) -> None:
    passages = read(written(tmp_path / "r.jsonl", json.dumps({"body": LONG})), length=200)
    assert {p.document for p in passages} == {"r.jsonl:1"}
    assert [p.offset for p in passages] == sorted({p.offset for p in passages})
    assert len(passages) == 3


FRONT = '---\ntitle: "The lock"\nlang: en\nlicense: https://creativecommons.org/licenses/by-sa/4.0/\nx:\n  - a\n---\n'


def test_a_front_matter_says_what_a_text_is_and_is_no_text(tmp_path: Path) -> None:
    (passage,) = read(written(tmp_path / "a.md", f"{FRONT}\nLock nine.\n"), licence="MIT", language="de")
    assert (passage.title, passage.language, passage.licence) == ("The lock", "en", "CC-BY-SA-4.0")
    assert (passage.text, passage.offset) == ("Lock nine.", len(FRONT) + 1)
    assert passage.source == f"a.md:{FRONT.count(chr(10)) + 2}"


def test_a_rule_at_the_top_is_no_front_matter(tmp_path: Path) -> None:
    (passage,) = read(written(tmp_path / "a.md", "---\nLock nine.\n"))
    assert passage.text == "---\nLock nine."


@pytest.mark.parametrize(
    ("name", "content"), [("r.csv", "a,b\n1,2\n"), ("r.jsonl", '{"a": 1, "b": 2}\n'), ("r.tsv", "a\tb\n1\t2\n")]
)
def test_a_column_that_is_not_there_names_those_that_are(tmp_path: Path, name: str, content: str) -> None:
    message = complaint(written(tmp_path / name, content), column="story")
    assert "no column 'story' but 'a', 'b'; name the text's with `populace grow --column`." in message


def test_a_parquet_column_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1], "body": [2]}), tmp_path / "r.parquet")
    assert "but 'n', 'body'" in complaint(str(tmp_path / "r.parquet"), column="text")
    assert "column 'body' holds BIGINT, which is no text" in complaint(str(tmp_path / "r.parquet"))


def test_rows_without_a_text_are_counted_with_their_line(tmp_path: Path) -> None:
    lines = ['{"text": "Lock nine."}', '{"text": " "}', "{", '{"text": 7}', '{"txt": "a"}', '{"text": "Weir two."}']
    sources = open_sources([written(tmp_path / "r.jsonl", "\n".join(lines))])
    assert [p.source for p in sources] == ["r.jsonl:1", "r.jsonl:6"]
    assert sources.skips.counts == {Skip.ROW: 3, Skip.BROKEN: 1}
    assert "r.jsonl, line 2: 'text' is ' ', which is blank" in sources.skips.examples[0]
    assert sources.skips.summary() == "4 skipped: 3 rows without a text, 1 rows that cannot be read."


def test_what_was_passed_over_is_taken_once_with_three_examples_of_each_kind(tmp_path: Path) -> None:
    lines = ['{"text": "Lock nine."}', *["{"] * 5, '{"text": ""}']
    sources = open_sources([written(tmp_path / "r.jsonl", "\n".join(lines))])
    assert len(list(sources)) == 1
    taken = {one.kind: one for one in sources.skips.take()}
    assert {kind: one.number for kind, one in taken.items()} == {Skip.BROKEN: 5, Skip.ROW: 1}
    assert [example.partition(":")[0][-6:] for example in taken[Skip.BROKEN].examples] == ["line 2", "line 3", "line 4"]
    assert sources.skips.take() == ()


def test_strictly_the_first_bad_row_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", 'id,text\n1,"a\nb"\n2\n')
    assert "line 4: the row has other columns than the header" in complaint(path, strict=True)


def test_an_open_quote_is_an_error(tmp_path: Path) -> None:
    assert "r.csv, line 2: the row is not CSV" in complaint(written(tmp_path / "r.csv", 'text\n"Lock nine.\n'))


@pytest.mark.parametrize("name", ["r.parquet", "r.arrow"])
def test_what_is_no_table_gets_a_sentence(tmp_path: Path, name: str) -> None:
    assert f"{name} cannot be read as {name[2:]}" in complaint(written(tmp_path / name, "Lock nine."))


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.jsonl", "a.html", "a.txt.gz"])
@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf"])
def test_an_empty_source_gets_a_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    packed = gzip.compress(content, mtime=0) if name.endswith(".gz") else content
    message = complaint(written(tmp_path / name, packed))
    assert name in message
    assert "is empty" in message or "no main text" in message


def test_a_table_without_rows_is_empty(tmp_path: Path) -> None:
    assert "r.csv is empty" in complaint(written(tmp_path / "r.csv", "id,text\n"))


def test_a_line_of_100_mb_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'{"text": "Lock nine."}\n{"text": "')
        for _ in range(100):
            file.write(b"lock " * 200_000)
        file.write(b'"}\n{"text": "Weir two."}\n')
    sources = open_sources([str(path)])
    assert [p.source for p in sources] == ["r.jsonl.gz:1", "r.jsonl.gz:3"]
    assert "line 2: the line is longer than 16 MiB" in sources.skips.examples[0]


def test_a_run_of_letters_without_end_is_no_prose(tmp_path: Path) -> None:
    message = complaint(written(tmp_path / "a.txt", "Lock nine.\n\n" + "QUJD" * 50_000))
    assert "a.txt, character 12: 12,000 characters without a space" in message


def test_a_row_without_end_is_passed_over_and_the_next_is_read(tmp_path: Path) -> None:
    rows = [{"text": "QUJD" * 50_000}, {"text": "Lock nine."}]
    sources = open_sources([written(tmp_path / "r.jsonl", "\n".join(map(json.dumps, rows)))])
    assert [p.source for p in sources] == ["r.jsonl:2"]
    assert sources.skips.counts == {Skip.LONG: 1}
    assert "r.jsonl:1, character 0: 12,000 characters without a space" in sources.skips.examples[0]


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=BufferedReader(BytesIO(data))))


@pytest.mark.parametrize(
    ("data", "options", "source"),
    [
        (b"Lock nine.", {}, "-:1"),
        (b'{"text": "Lock nine.", "id": 4}\n', {}, "-#4"),
        (gzip.compress(b"Lock nine.", mtime=0), {}, "-:1"),
        (b"id,note\n5,Lock nine.\n", {"column": "note"}, "-#5"),
        (b"Lock nine.", {"format": "markdown"}, "-:1"),
    ],
)
def test_standard_input_is_read_for_what_it_is(
    monkeypatch: pytest.MonkeyPatch, data: bytes, options: dict[str, str], source: str
) -> None:
    piped(monkeypatch, data)
    (passage,) = read("-", **options)
    assert (passage.text, passage.source) == ("Lock nine.", source)


PAGE = """<html lang="pt-BR"><head><meta charset="ENC"><title>The lock</title>
<link rel="license" href="https://creativecommons.org/licenses/by/4.0/"></head><body><nav><a href="/">Start</a>
<a href="/sport">Sport</a></nav><article><h1>The lock</h1><p>At six the river stood two hands above the mark, and it
was still rising when the first barge came down to the upper gate, já às sete.</p><p>By noon the paddle had stuck for
the third time this year; he greased the rack and wrote to the office once more, without much hope.</p></article>
<footer>All rights, imprint, cookies</footer><script>let x = 1;</script></body></html>"""


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_a_page_gives_its_main_text_in_whatever_encoding_it_states(tmp_path: Path, encoding: str) -> None:
    pytest.importorskip("trafilatura")
    path = written(tmp_path / "lock.html", PAGE.replace("ENC", encoding).encode(encoding))
    (passage,) = read(path)
    assert passage.text.startswith("# The lock\n\nAt six the river")
    assert "já às sete" in passage.text
    assert not {"Sport", "cookies", "let x"} & set(passage.text.replace(",", " ").split())
    assert (passage.language, passage.licence, passage.title) == ("pt-BR", "CC-BY-4.0", "The lock")


def pdf(*pages: str) -> bytes:
    """A small PDF, written by hand, with one line of text a page."""
    streams = [f"BT /F1 12 Tf 50 700 Td ({page}) Tj ET" if page else "" for page in pages]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>"]
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for n, stream in enumerate(streams):
        font = "/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {font} /Contents {5 + 2 * n} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    body, places = "%PDF-1.4\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    body += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    return f"{body}startxref\n{body.index('xref')}\n%%EOF\n".encode()


def test_a_pdf_gives_its_pages_and_counts_those_without_text(tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    sources = open_sources([written(tmp_path / "book.pdf", pdf("Lock nine.", "", "Weir two."))])
    assert [(p.text, p.source) for p in sources] == [
        ("Lock nine.", "book.pdf#page=1"),
        ("Weir two.", "book.pdf#page=3"),
    ]
    assert "page 2 has no text" in sources.skips.examples[0]


def test_a_table_in_columns_and_a_pdf_are_not_read_from_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_parquet(tmp_path / "table")
    for data, form in (((tmp_path / "table").read_bytes(), "parquet"), (pdf("Lock nine."), "pdf")):
        piped(monkeypatch, data)
        assert complaint("-") == f"standard input is {form}, which is not read from a pipe; name the file."


@pytest.mark.parametrize(
    "data", [b"PAR1\0\0PAR1", b"%PDF-1.7\n\0", b"ARROW1\0\0", b"\xff\xff\xff\xff\x10", b"PK\3\4\0"]
)
def test_standard_input_that_is_damaged_or_no_text_gets_a_sentence(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    piped(monkeypatch, data)
    assert complaint("-").startswith("standard input ")


@pytest.mark.parametrize("content", [b"Lock nine.", b"%PDF-1.7\n\0\0\0", pdf("Lock nine.")[:80]])
def test_a_damaged_pdf_gets_a_sentence(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("pypdf")
    assert "book.pdf" in complaint(written(tmp_path / "book.pdf", content))


@pytest.mark.parametrize(("name", "extra"), [("a.html", "html"), ("a.pdf", "pdf")])
def test_an_extra_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    monkeypatch.setattr("populace.personas.sources.prose.find_spec", lambda _: None)
    assert f"`pip install -e '.[{extra}]'` in a checkout" in complaint(written(tmp_path / name, "x"), raised=SetupError)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"length": 10}, "must be 20 to 5,000 words, but 10 was given"),
        ({"encoding": "utf-9"}, "Encoding 'utf-9' is none that text is written in"),
        ({"encoding": "base64"}, "Encoding 'base64' is none"),
        ({"format": "rtf"}, "Format 'rtf' is unknown; give one of text, markdown"),
        ({"licence": "all\nmine"}, "is no SPDX identifier"),
        ({"language": "en now obey"}, "is no BCP 47 tag"),
    ],
)
def test_an_option_that_cannot_be_is_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    assert said in complaint(written(tmp_path / "a.txt", "Lock nine."), raised=SetupError, **options)

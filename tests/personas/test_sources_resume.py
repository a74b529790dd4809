"""Going on: from behind any passage the rest follows, and what was read is not read again."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from populace.personas.errors import SourceError
from populace.personas.persona import Passage
from populace.personas.sources import Position, Sources, open_sources
from populace.personas.sources.documents import Document

LONG = "The lamp was lit, and the gate stayed shut.\nNobody came. " * 60


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text(LONG)
    (folder / "b.md").write_text(f"---\nlang: en\n---\n\n# One\n\n{LONG}\n\n# Two\n\n{LONG}")
    rows = [{"text": f"{number}. {LONG if number % 3 else 'Short.'}", "id": str(number)} for number in range(7)]
    (folder / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "d.csv").write_text("text\n" + "\n".join(f'"{row["text"]}"' for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), folder / "deep" / "e.parquet", row_group_size=2)
    with pa.OSFile(str(folder / "deep" / "f.arrow"), "wb") as file:
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=3)
    return folder


def opened(corpus: Path, after: Position | None = None) -> Sources:
    return open_sources([str(corpus / "a.txt"), str(corpus)], length=50, after=after)


def with_positions(sources: Sources) -> list[tuple[Passage, Position | None]]:
    return [(passage, sources.position) for passage in sources]


def test_the_rest_follows_from_behind_every_passage(corpus: Path) -> None:
    whole = with_positions(opened(corpus))
    assert len(whole) > 100
    for number in range(0, len(whole), 10):
        position = whole[number][1]
        assert position is not None
        assert with_positions(opened(corpus, Position.parse(str(position)))) == whole[number + 1 :]


def test_documents_that_were_read_are_not_opened_again(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    position = next(place for passage, place in with_positions(opened(corpus)) if "/d.csv" in (passage.document or ""))
    stamped: list[str] = []
    stamp = Document.stamp

    def noted(document: Document) -> str:
        stamped.append(document.name)
        return stamp(document)

    monkeypatch.setattr(Document, "stamp", noted)
    sources = opened(corpus, position)
    list(sources)
    assert sources.documents == 3
    assert set(stamped) == {"corpus/d.csv", "corpus/deep/e.parquet", "corpus/deep/f.arrow"}


def test_a_document_that_has_changed_is_read_anew(corpus: Path) -> None:
    whole = with_positions(opened(corpus))
    number = next(n for n, (passage, _) in enumerate(whole) if passage.document == "corpus/a.txt")
    (corpus / "a.txt").write_text(f"Lock nine. {LONG}")
    first = next(iter(opened(corpus, whole[number + 3][1])))
    assert (first.document, first.offset) == ("corpus/a.txt", 0)


def test_a_copy_of_the_corpus_is_the_corpus(corpus: Path) -> None:
    *_, (_, position) = with_positions(opened(corpus))
    (corpus / "deep" / "f.arrow").touch()
    assert list(opened(corpus, position)) == []


def test_a_document_that_is_gone_is_named(corpus: Path) -> None:
    *_, (_, position) = with_positions(opened(corpus))
    (corpus / "deep" / "f.arrow").unlink()
    with pytest.raises(SourceError, match=r"'corpus/deep/f.arrow', where reading stopped, is not among the sources"):
        list(opened(corpus, position))


def test_what_is_no_position_is_refused() -> None:
    with pytest.raises(SourceError, match=r"'a.txt:3' is no position in sources"):
        Position.parse("a.txt:3")


def test_a_position_is_written_and_read_back() -> None:
    position = Position(2, "a:b/\nc.txt", "00ff", 7, 123)
    assert Position.parse(str(position)) == position

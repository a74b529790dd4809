import zipfile
from pathlib import Path
from typing import Any

import pytest

from populace.core.errors import SourceError
from populace.personas.sources import Skip, open_sources

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
MARKUP = "http://schemas.openxmlformats.org/markup-compatibility/2006"
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)
BOOK = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>On Mills</dc:title><dc:language>en</dc:language></metadata>
<manifest><item id="b" href="two%20b.xhtml"/><item id="a" href="one.xhtml"/><item id="c" href="gone.xhtml"/></manifest>
<spine><itemref idref="a"/><itemref idref="b"/><itemref idref="c"/></spine></package>"""
PAGE = "<!DOCTYPE html><html><head><title>x</title></head><h1>One</h1><p>A miller&nbsp;grinds &amp; sings.</p></html>"


def package(path: Path, **parts: Any) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in parts.items():
            file.writestr(name, text)
    return str(path)


def docx(path: Path, body: str, *, head: str = "") -> str:
    xml = f'<?xml version="1.0"?>{head}<w:document {WORD}><w:body>{body}</w:body></w:document>'
    return package(path, **{"word/document.xml": xml})


def texts(*paths: str) -> list[str]:
    return [passage.text for passage in open_sources(paths)]


def test_the_paragraphs_of_a_word_document_are_read_once(tmp_path: Path) -> None:
    body = (
        "<w:p><w:r><w:t>She bakes</w:t><w:tab/><w:t> bread.</w:t><w:delText>gone</w:delText></w:r></w:p>"
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>He sells it.</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
        f'<m:Fallback xmlns:m="{MARKUP}"><w:p><w:t>twice</w:t></w:p></m:Fallback>'
    )
    (text,) = texts(docx(tmp_path / "a.docx", body))
    assert text.split() == ["She", "bakes", "bread.", "He", "sells", "it."]


def test_notes_are_read_after_the_text(tmp_path: Path) -> None:
    paragraph = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
    parts = {
        "word/document.xml": f"<w:document {WORD}>{paragraph.format('She bakes.')}</w:document>",
        "word/footnotes.xml": f"<w:footnotes {WORD}>{paragraph.format('With rye.') * 2}</w:footnotes>",
        "word/endnotes.xml": f"<w:endnotes {WORD}>{paragraph.format('By hand.')}</w:endnotes>",
    }
    (text,) = texts(package(tmp_path / "a.docx", **parts))
    assert text.split("\n\n") == ["She bakes.", "With rye.", "With rye.", "By hand."]


def test_text_that_was_moved_is_read_once_and_the_stops_of_tabs_are_no_tabs(tmp_path: Path) -> None:
    body = (
        "<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>One</w:t><w:tab/></w:r>"
        "<w:moveFrom><w:r><w:t>two</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t>two</w:t></w:r></w:moveTo></w:p>"
    )
    assert texts(docx(tmp_path / "a.docx", body)) == ["One\ttwo"]


def test_the_chapters_of_a_book_are_read_in_their_order(tmp_path: Path) -> None:
    parts = {"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": BOOK, "OEBPS/one.xhtml": PAGE}
    sources = open_sources([package(tmp_path / "a.epub", **parts, **{"OEBPS/two b.xhtml": "<p>Two.<br/>Three.</p>"})])
    found = list(sources)
    assert [" ".join(passage.text.split()) for passage in found] == ["One A miller grinds & sings.", "Two. Three."]
    assert (found[0].title, found[0].language, found[0].document) == ("On Mills", "en", "a.epub#chapter=1")
    assert sources.skips.counts == {Skip.CORRUPT: 1}


@pytest.mark.parametrize(
    "name", ["bomb.docx", "entities.docx", "cut.docx", "no.docx", "none.docx", "bomb.epub", "no.epub"]
)
def test_a_strange_package_is_a_sentence_and_takes_no_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    entities = '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    match name:
        case "bomb.docx":
            docx(path, " " * 40_000_000)
        case "entities.docx":
            docx(path, "<w:p><w:t>&b;</w:t></w:p>", head=entities)
        case "cut.docx":
            docx(path, "<w:p><w:t>text</w:t></w:p>")
            path.write_bytes(path.read_bytes()[:-40])
        case "no.docx":
            path.write_bytes(b"PK no zip")
        case "none.docx":
            docx(path, "<w:p/>")
        case "bomb.epub":
            package(path, **{"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": b" " * 40_000_000})
        case _:
            package(path, **{"META-INF/container.xml": entities + CONTAINER})
    with pytest.raises(SourceError, match=name):
        texts(str(path))


def test_a_folder_reads_what_is_whole_and_counts_the_rest(tmp_path: Path) -> None:
    docx(tmp_path / "a.docx", "<w:p><w:t>Whole.</w:t></w:p>")
    (tmp_path / "b.docx").write_bytes(b"nothing")
    sources = open_sources([str(tmp_path)])
    assert [passage.text for passage in sources] == ["Whole."]
    assert sources.skips.counts == {Skip.CORRUPT: 1}

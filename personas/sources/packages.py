"""DOCX and EPUB: zip files of XML and XHTML, of which the paragraphs are read with the standard library.

No library: python-docx and EbookLib hold whole documents in memory, and EbookLib is under the AGPL. What is unpacked is
bounded, no tree is built of a document, and no entity is expanded.
"""

import posixpath
import zlib
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile

from ..errors import SourceError
from ..inputs import parse_language
from .decoding import declared_encoding, iter_text
from .document import Document, DocumentMetadata, Format, ReadOptions, Skip, SourceText

#: Bytes of one part of a document, unpacked, and of all parts that are read.
_LARGEST_PART, _LARGEST_ALL = 20_000_000, 200_000_000
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main "
#: Text that stands in a document a second time: for programs that cannot show the first, or where it was moved from.
_UNREAD = frozenset({"http://schemas.openxmlformats.org/markup-compatibility/2006 Fallback", f"{_WORD}moveFrom"})
#: Properties that are not those of a run: of a paragraph mark, and of the run before it was changed.
_NOT_OF_RUN = frozenset({f"{_WORD}pPr", f"{_WORD}rPrChange"})
_FALSE = frozenset({"0", "false", "off"})
#: Parts with text. Those of notes may be missing.
_DOCX_PARTS = ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml")
_BREAKS = {f"{_WORD}tab": "\t", f"{_WORD}br": "\n", f"{_WORD}cr": "\n", f"{_WORD}noBreakHyphen": "-"}
_OPF, _DC = "{http://www.idpf.org/2007/opf}", "{http://purl.org/dc/elements/1.1/}"
#: What a damaged, locked or strange file raises in these libraries.
_FAULTS = (
    *(BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, KeyError, ValueError),
    *(expat.ExpatError, ET.ParseError, UnicodeError),
)


def read_package(document: Document, options: ReadOptions, *, first: int = 0) -> Iterator[SourceText]:
    """The text of a DOCX file, or one text per chapter of an EPUB book, from chapter `first` on."""
    read = _read_docx if document.format is Format.DOCX else _read_epub
    try:
        with ZipFile(document.path or "") as package:
            yield from read(document, options, _Parts(document, package), first)
    except SourceError:
        raise
    except _FAULTS as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:120].rstrip(". ")
        complaint = f"cannot be read as {str(document.format).upper()} ({why}); save it anew, without a password."
        raise document.fault(Skip.CORRUPT, complaint) from error


class _Parts:
    """The parts of a package, unpacked up to a size."""

    def __init__(self, document: Document, package: ZipFile) -> None:
        self._document, self._package, self._left = document, package, _LARGEST_ALL
        self.names = frozenset(package.namelist())

    def read(self, name: str) -> bytes:
        """The bytes of a part. Raises `DocumentError` for more than are read, `KeyError` where there is none."""
        most = min(self._left, _LARGEST_PART)
        with self._package.open(name) as part:
            data = part.read(most + 1)
        if len(data) > most:
            complaint = f"unpacks to more than {most:,} bytes in {name!r}; give its text as .txt."
            raise self._document.fault(Skip.LONG, complaint)
        self._left -= len(data)
        return data

    def tree(self, name: str) -> ET.Element:
        """A small part as a tree. Raises `DocumentError` where it declares entities."""
        data = self.read(name)
        if b"<!ENTITY" in data.replace(b"\0", b""):
            raise self._document.fault(Skip.CORRUPT, f"declares entities in {name!r}, which are not expanded.")
        return ET.fromstring(data)  # noqa: S314 - bounded, and without entities


def _read_docx(document: Document, options: ReadOptions, parts: _Parts, first: int) -> Iterator[SourceText]:
    words = _Words()
    for name in _DOCX_PARTS:
        if name in parts.names or name == _DOCX_PARTS[0]:
            parser = expat.ParserCreate(namespace_separator=" ")
            parser.StartElementHandler, parser.EndElementHandler = words.begin, words.end
            parser.CharacterDataHandler, parser.EntityDeclHandler = words.add, words.refuse
            parser.Parse(parts.read(name), True)
    text = "".join(words.held)
    if not text.strip():
        raise document.fault(Skip.EMPTY, "has no text; give a document with paragraphs.")
    yield SourceText(document, 0, (text,))


class _Words:
    """Collects the text of a Word document, one paragraph after the other, without hidden runs."""

    def __init__(self) -> None:
        self.held: list[str] = []
        self._is_text, self._unread, self._not_of_run = False, 0, 0
        #: Whether each open run is hidden: runs with text boxes hold others.
        self._hidden: list[bool] = []

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        self._unread += name in _UNREAD
        self._not_of_run += name in _NOT_OF_RUN
        if name == f"{_WORD}r":
            self._hidden.append(False)
        elif name == f"{_WORD}vanish" and self._hidden and not self._not_of_run:
            self._hidden[-1] = attributes.get(f"{_WORD}val") not in _FALSE
        self._is_text = name == f"{_WORD}t"
        if name in _BREAKS and self._is_read:
            self.held.append(_BREAKS[name])

    @property
    def _is_read(self) -> bool:
        return not (self._unread or self._not_of_run or True in self._hidden)

    def end(self, name: str) -> None:
        self._unread -= name in _UNREAD
        self._not_of_run -= name in _NOT_OF_RUN
        if name == f"{_WORD}r":
            self._hidden.pop()
        self._is_text = False
        if name == f"{_WORD}p" and not self._unread:
            self.held.append("\n\n")

    def add(self, text: str) -> None:
        if self._is_text and self._is_read:
            self.held.append(text)

    def refuse(self, *_: object) -> None:
        raise ValueError("it declares entities, which are not expanded")


def _read_epub(document: Document, options: ReadOptions, parts: _Parts, first: int) -> Iterator[SourceText]:
    container = parts.tree("META-INF/container.xml")
    place = next(one.get("full-path", "") for one in container.iter() if one.tag.endswith("}rootfile"))
    book = parts.tree(place)
    stated = DocumentMetadata(title=_said(book, "title"), language=_language(document, _said(book, "language")))
    hrefs = {item.get("id"): item.get("href", "") for item in book.iter(f"{_OPF}item")}
    for number, reference in enumerate(book.iter(f"{_OPF}itemref"), start=1):
        if number < first:
            continue
        name = posixpath.normpath(
            posixpath.join(posixpath.dirname(place), unquote(hrefs.get(reference.get("idref"), "")))
        )
        try:
            text = _page_text(document, parts.read(name))
        except KeyError:
            options.skips.add(document.fault(Skip.CORRUPT, f"names a chapter {name!r} that is not in it."))
            continue
        if text.strip():
            yield SourceText(document, number, (text,), stated, f"#chapter={number}")


def _said(book: ET.Element, name: str) -> str | None:
    found = next(book.iter(f"{_DC}{name}"), None)
    return " ".join((found.text or "").split()) or None if found is not None else None


def _language(document: Document, name: str | None) -> str | None:
    try:
        return parse_language(document.label, {"language": name}) if name else None
    except SourceError:  # a book's own word for its language is a hint, and a wrong one is none
        return None


def _page_text(document: Document, data: bytes) -> str:
    page = _Page()
    page.feed("".join(iter_text(document.label, (data,), declared_encoding(data[:4096]))))
    page.close()
    return "".join(page.held)


class _Page(HTMLParser):
    """The text of a page, with a blank line between blocks."""

    _UNREAD = frozenset({"head", "script", "style"})
    _INLINE = frozenset(
        {"a", "abbr", "b", "cite", "code", "em", "i", "q", "s", "small", "span", "strong", "sub", "sup", "u"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.held: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._unread += tag in self._UNREAD
        self._border(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self._border(tag)

    def handle_endtag(self, tag: str) -> None:
        self._unread = max(0, self._unread - (tag in self._UNREAD))
        self._border(tag)

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.held.append(data)

    def _border(self, tag: str) -> None:
        if tag not in self._INLINE:
            self.held.append("\n" if tag == "br" else "\n\n")

"""Prose of one document: text, Markdown, HTML and PDF, and the packages DOCX and EPUB."""

import posixpath
import re
import zlib
from collections.abc import Iterable, Iterator
from html import unescape
from html.parser import HTMLParser
from importlib.util import find_spec
from itertools import chain
from logging import NullHandler, getLogger
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from zipfile import BadZipFile, ZipFile

from ...core.errors import SetupError, SourceError, install_extra
from ...core.inputs import parse_language
from .documents import (
    Document,
    DocumentError,
    DocumentMetadata,
    Format,
    ReadOptions,
    Skip,
    SourceText,
    declared_encoding,
    iter_text,
    licence_name,
)

if TYPE_CHECKING:
    from pypdf import PdfReader

#: Most characters of a front matter; beyond, the text is taken to begin with a thematic break.
_LONGEST = 1 << 14
_FENCE = re.compile(r"---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY = re.compile(r"^([A-Za-z_][\w-]*):[ \t]+(.+)$", re.MULTILINE)


def read_prose(document: Document, options: ReadOptions, pieces: Iterable[bytes]) -> Iterator[SourceText]:
    """Read a file as one text."""
    parts: Iterator[str] = iter_text(document.label, pieces, options.encoding)
    is_markdown = document.format is Format.MARKDOWN
    stated = DocumentMetadata()
    if is_markdown:
        held: list[str] = []
        while sum(map(len, held)) < _LONGEST and (part := next(parts, None)) is not None:
            held.append(part)
        parts = chain(held, parts)
        if found := _FENCE.match("".join(held), 0, _LONGEST):
            values = {key.lower(): _strip_quotes(value.strip()) for key, value in _KEY.findall(found[1])}
            try:
                stated = DocumentMetadata.of(f"{document.label}, front matter", values)
            except SourceError as error:
                raise DocumentError(Skip.ROW, str(error)) from error
            parts = _blank_start(found.end(), parts)
    yield SourceText(document, 0, parts, stated, headings=is_markdown, has_lines=True)


def _strip_quotes(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _blank_start(size: int, parts: Iterable[str]) -> Iterator[str]:
    """Yield the text with its first `size` characters blank, so that offsets and lines stay those of the file."""
    for part in parts:
        blank = re.sub(r"[^\n]", " ", part[:size])
        yield blank + part[size:]
        size -= len(blank)


#: Most bytes of a page, all of which must be held at once.
LARGEST_PAGE = 20_000_000

_EXTRAS = {Format.HTML: ("html", "trafilatura"), Format.PDF: ("pdf", "pypdf")}
#: What these libraries say of a file is said in our sentences; without a handler Python would print it as well.
_SILENT = NullHandler()
_HEAD = 4_096
_LANG = re.compile(r"""<html\b[^>]{0,500}?\blang\s*=\s*["']?([\w-]{2,35})""", re.IGNORECASE)
_TITLE = re.compile(r"<title\b[^>]{0,200}>([^<]{1,500})<", re.IGNORECASE)
_HREF = r"""\bhref\s*=\s*["']?([^"'\s>]{4,300})"""
_REL = r"""\brel\s*=\s*["']?license\b"""
_LICENCE = re.compile(
    rf"<(?:a|link)\b(?:[^>]{{0,300}}?{_REL}[^>]{{0,300}}?{_HREF}|[^>]{{0,300}}?{_HREF}[^>]{{0,300}}?{_REL})",
    re.IGNORECASE,
)


def check_extra(document: Document) -> None:
    """Raise `SetupError` when the library for this format is not installed."""
    if document.format not in _EXTRAS:
        return
    extra, module = _EXTRAS[document.format]
    if find_spec(module) is None:
        raise SetupError(
            f"{document.label} needs {module}, which is not installed; run {install_extra(extra)}, "
            f"or leave {document.format.upper()} out."
        )


def read_html(document: Document, options: ReadOptions, pieces: Iterable[bytes]) -> Iterator[SourceText]:
    """Read the main text of a page as Markdown, without menus, banners and footers."""
    from trafilatura import extract

    getLogger("trafilatura").addHandler(_SILENT)
    page = _decode_page(document, options, pieces)
    try:
        text = extract(page, output_format="markdown", include_comments=False)
    # A malformed page may raise anything in the parser.
    except Exception as error:
        said = f"cannot be read as HTML ({_describe_error(error)}); give its text as .txt."
        raise document.fault(Skip.CORRUPT, said) from error
    if not text or not text.strip():
        raise document.fault(Skip.EMPTY, "has no main text; give a page with paragraphs, or its text as .txt.")
    yield SourceText(document, 0, (text,), _page_metadata(document, page), headings=True)


def _page_metadata(document: Document, page: str) -> DocumentMetadata:
    title = _TITLE.search(page)
    licence = _LICENCE.search(page)
    return DocumentMetadata(
        language=_parse_hint(document, found[1] if (found := _LANG.search(page, 0, _HEAD)) else None),
        licence=licence_name(unescape(licence[1] or licence[2])) if licence else None,
        title=" ".join(unescape(title[1]).split()) or None if title else None,
    )


def _decode_page(document: Document, options: ReadOptions, pieces: Iterable[bytes]) -> str:
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) > LARGEST_PAGE:
            complaint = f"is larger than {LARGEST_PAGE:,} bytes, too much for one page of HTML; split it."
            raise document.fault(Skip.LONG, complaint)
    # The encoding that a page declares is used where the page is not UTF-8.
    encoding = declared_encoding(bytes(held[:_HEAD])) or options.encoding
    page = "".join(iter_text(document.label, (bytes(held),), encoding))
    if not page:
        raise document.fault(Skip.EMPTY, "is empty; give a file with text in it.")
    return page


def read_pdf(document: Document, options: ReadOptions, *, first: int = 0) -> Iterator[SourceText]:
    """Read one text per page, from page `first` on; pages without text (for example, pictures of text) are counted."""
    reader, pages = _open_pdf(document)
    stated = DocumentMetadata(title=_pdf_title(reader))
    for number in range(max(1, first), pages + 1):
        try:
            text = _page_text(document, reader, number)
        except DocumentError as error:  # the other pages may be whole
            options.skips.add(error)
        else:
            yield SourceText(document, number, (text,), stated, f"#page={number}")


def _open_pdf(document: Document) -> tuple["PdfReader", int]:
    """Open a PDF, and return it with the number of its pages."""
    from pypdf import PdfReader

    getLogger("pypdf").addHandler(_SILENT)
    try:
        reader = PdfReader(document.path or "", strict=False)
        if not reader.is_encrypted or reader.decrypt(""):
            return reader, len(reader.pages)
    # A damaged file may raise anything.
    except Exception as error:
        said = _describe_error(error)
        raise document.fault(Skip.CORRUPT, f"cannot be read as PDF ({said}); fetch or save it anew.") from error
    raise document.fault(Skip.UNREADABLE, "is locked with a password; save it without one.")


def _pdf_title(reader: "PdfReader") -> str | None:
    try:
        title = reader.metadata.title if reader.metadata else None
    except Exception:  # noqa: BLE001  (as above; a title is a courtesy)
        return None
    return _clean_text(title).strip() or None if title else None


def _page_text(document: Document, reader: "PdfReader", number: int) -> str:
    where = f"{document.label}, page {number}"
    try:
        text = reader.pages[number - 1].extract_text()
    except Exception as error:
        said = f"{where} cannot be read ({_describe_error(error)}); save the file anew."
        raise DocumentError(Skip.CORRUPT, said) from error
    if not text.strip():
        raise DocumentError(Skip.ROW, f"{where} has no text, perhaps a picture of it; recognise its letters first.")
    return _clean_text(text)


def _clean_text(text: str) -> str:
    """Replace the characters that a text file cannot hold."""
    return re.sub("[\ud800-\udfff\0]", "\ufffd", text)


def _describe_error(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:120].rstrip(". ")


#: Bytes of one part of a document, unpacked, and of all parts that are read.
_LARGEST_PART, _LARGEST_ALL = 20_000_000, 200_000_000
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
#: Text that stands in a document a second time: for programs that cannot show the first, or where it was moved from.
#: Properties of a paragraph have the stops of its tabs.
_UNREAD = frozenset(
    {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback", f"{_WORD}moveFrom", f"{_WORD}pPr"}
)
#: Parts with text. Those of notes may be missing.
_DOCX_PARTS = ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml")
_BREAKS = {f"{_WORD}tab": "\t", f"{_WORD}br": "\n", f"{_WORD}cr": "\n", f"{_WORD}noBreakHyphen": "-"}
_OPF, _DC = "{http://www.idpf.org/2007/opf}", "{http://purl.org/dc/elements/1.1/}"
#: What a damaged, locked or strange file raises in these libraries.
_FAULTS = (
    *(BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, KeyError, ValueError),
    *(ET.ParseError, UnicodeError),
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
        said = f"cannot be read as {str(document.format).upper()} ({_describe_error(error)})"
        raise document.fault(Skip.CORRUPT, f"{said}; save it anew, without a password.") from error


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
        """A part as a tree. Raises `DocumentError` where it declares entities."""
        data = self.read(name)
        if b"<!ENTITY" in data.replace(b"\0", b""):
            raise self._document.fault(Skip.CORRUPT, f"declares entities in {name!r}, which are not expanded.")
        return ET.fromstring(data)  # noqa: S314 - bounded, and without entities


def _read_docx(document: Document, options: ReadOptions, parts: _Parts, first: int) -> Iterator[SourceText]:
    names = [name for name in _DOCX_PARTS if name in parts.names or name == _DOCX_PARTS[0]]
    text = "".join(chain.from_iterable(_word_text(parts.tree(name)) for name in names))
    if not text.strip():
        raise document.fault(Skip.EMPTY, "has no text; give a document with paragraphs.")
    yield SourceText(document, 0, (text,))


def _word_text(element: ET.Element) -> Iterator[str]:
    """Yield the text of a part of a Word document, one paragraph after the other."""
    if element.tag in _UNREAD:
        return
    yield (element.text or "") if element.tag == f"{_WORD}t" else _BREAKS.get(element.tag, "")
    for inner in element:
        yield from _word_text(inner)
    if element.tag == f"{_WORD}p":
        yield "\n\n"


def _read_epub(document: Document, options: ReadOptions, parts: _Parts, first: int) -> Iterator[SourceText]:
    container = parts.tree("META-INF/container.xml")
    place = next(one.get("full-path", "") for one in container.iter() if one.tag.endswith("}rootfile"))
    book = parts.tree(place)
    stated = DocumentMetadata(
        title=_element_text(book, "title"), language=_parse_hint(document, _element_text(book, "language"))
    )
    hrefs = {item.get("id"): item.get("href", "") for item in book.iter(f"{_OPF}item")}
    for number, reference in enumerate(book.iter(f"{_OPF}itemref"), start=1):
        if number < first:
            continue
        name = posixpath.normpath(
            posixpath.join(posixpath.dirname(place), unquote(hrefs.get(reference.get("idref"), "")))
        )
        try:
            text = _chapter_text(document, parts.read(name))
        except KeyError:
            options.skips.add(document.fault(Skip.CORRUPT, f"names a chapter {name!r} that is not in it."))
            continue
        if text.strip():
            yield SourceText(document, number, (text,), stated, f"#chapter={number}")


def _element_text(book: ET.Element, name: str) -> str | None:
    found = next(book.iter(f"{_DC}{name}"), None)
    return " ".join((found.text or "").split()) or None if found is not None else None


def _parse_hint(document: Document, name: str | None) -> str | None:
    try:
        return parse_language(document.label, {"language": name}) if name else None
    except SourceError:  # a document's own word for its language is a hint
        return None


def _chapter_text(document: Document, data: bytes) -> str:
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
        self._add_border(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self._add_border(tag)

    def handle_endtag(self, tag: str) -> None:
        self._unread = max(0, self._unread - (tag in self._UNREAD))
        self._add_border(tag)

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.held.append(data)

    def _add_border(self, tag: str) -> None:
        if tag not in self._INLINE:
            self.held.append("\n" if tag == "br" else "\n\n")

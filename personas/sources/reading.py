"""The texts of one document, whatever its format."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from .columns import read_columns
from .document import Document, Format
from .pages import check_extra, read_html, read_pdf
from .prose import read_prose
from .skips import DocumentError, Skip
from .tables import read_csv, read_jsonl
from .text import Text, Wishes
from .unpacking import iter_bytes

__all__ = ["read_document"]

#: What files begin with that are no text.
_MARKS = {
    b"PAR1": Format.PARQUET,
    b"ARROW1": Format.ARROW,
    b"\xff\xff\xff\xff": Format.ARROW,
    b"%PDF-": Format.PDF,
}


def read_document(document: Document, wishes: Wishes, *, first: int = 0) -> Iterator[Text]:
    """The texts of `document`; of tables and PDF those from row or page `first` on.

    Raises `DocumentError` for what is wrong with the document, and `SetupError` when it takes an extra that is missing.
    """
    check_extra(document)
    if document.path is not None and document.format is not None and not document.format.is_streamed:
        return _whole(document, wishes, first)
    return _streamed(document, wishes, iter_bytes(document), first)


def _whole(document: Document, wishes: Wishes, first: int) -> Iterator[Text]:
    read = read_pdf if document.format is Format.PDF else read_columns
    return read(document, wishes, first=first)


def _spooled(document: Document, wishes: Wishes, pieces: Iterator[bytes], first: int) -> Iterator[Text]:
    """Standard input in a format that begins at its end: it is put into a file first, which is gone afterwards."""
    check_extra(document)
    with TemporaryDirectory(prefix="populace-") as folder:
        path = Path(folder, "stdin")
        try:
            with path.open("wb") as file:
                file.writelines(pieces)
        except OSError as error:
            raise DocumentError(
                Skip.UNREADABLE,
                f"{document.label} is {document.format}, which is put into a file in {gettempdir()} to be read, and "
                f"that cannot be written ({error.strerror}); make room there, or name a file.",
            ) from error
        yield from _whole(replace(document, path=path, is_stdin=True), wishes, first)


def _streamed(document: Document, wishes: Wishes, pieces: Iterator[bytes], first: int) -> Iterator[Text]:
    if document.format is None:
        document, pieces = _guessed(document, wishes, pieces)
    if document.format is not None and not document.format.is_streamed:
        return _spooled(document, wishes, pieces, first)
    match document.format:
        case Format.JSONL:
            return read_jsonl(document, wishes, pieces, first=first)
        case Format.CSV | Format.TSV:
            return read_csv(document, wishes, pieces, first=first)
        case Format.HTML:
            return read_html(document, wishes, pieces)
    return read_prose(document, wishes, pieces)


def _guessed(document: Document, wishes: Wishes, pieces: Iterator[bytes]) -> tuple[Document, Iterator[bytes]]:
    """Standard input has no ending: its first bytes say what it is, and else it is CSV if a column is wanted."""
    head = next(pieces, b"")
    form = next((form for mark, form in _MARKS.items() if head.startswith(mark)), None)
    if form is not None:
        return replace(document, format=form), chain([head], pieces)
    plain = Format.TEXT if wishes.column is None else Format.CSV
    is_json = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return replace(document, format=Format.JSONL if is_json else plain), chain([head], pieces)

"""The texts of one document, whatever its format."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from .columns import read_columns
from .document import Document, Format
from .pages import check_extra, read_html, read_pdf
from .prose import read_prose
from .tables import read_csv, read_jsonl
from .text import Text, Wishes
from .unpacking import iter_bytes

__all__ = ["read_document"]


def read_document(document: Document, wishes: Wishes, *, first: int = 0) -> Iterator[Text]:
    """The texts of `document`; of tables and PDF those from row or page `first` on.

    Raises `DocumentError` for what is wrong with the document, and `SetupError` when it takes an extra that is missing.
    """
    check_extra(document)
    match document.format:
        case Format.PDF:
            return read_pdf(document, wishes, first=first)
        case Format.PARQUET | Format.ARROW:
            return read_columns(document, wishes, first=first)
    return _streamed(document, wishes, iter_bytes(document), first)


def _streamed(document: Document, wishes: Wishes, pieces: Iterator[bytes], first: int) -> Iterator[Text]:
    if document.format is None:
        document, pieces = _guessed(document, wishes, pieces)
    match document.format:
        case Format.JSONL:
            return read_jsonl(document, wishes, pieces, first=first)
        case Format.CSV | Format.TSV:
            return read_csv(document, wishes, pieces, first=first)
        case Format.HTML:
            return read_html(document, wishes, pieces)
    return read_prose(document, wishes, pieces)


def _guessed(document: Document, wishes: Wishes, pieces: Iterator[bytes]) -> tuple[Document, Iterator[bytes]]:
    """Standard input has no ending: it is JSONL when it begins like an object, and else CSV if a column is wanted."""
    head = next(pieces, b"")
    plain = Format.TEXT if wishes.column is None else Format.CSV
    is_json = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return replace(document, format=Format.JSONL if is_json else plain), chain([head], pieces)

"""From the bytes of a document to its text: decompression and decoding, both streamed.

UTF-8, UTF-16 and UTF-32 with a byte order mark are recognised; other encodings must be named.
"""

import codecs
import io
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import BinaryIO

from ..errors import SetupError
from ..files import DAMAGE, Compression, decompressed, sniff_compression
from .document import Document, DocumentError, Skip

_PIECE = 1 << 17


def iter_bytes(document: Document) -> Iterator[bytes]:
    """The decompressed bytes. Raises `DocumentError` for a file that cannot be opened or is damaged."""
    with ExitStack() as stack:
        raw = _opened(document, stack)
        packing = document.packing or (sniff_compression(raw) if document.path is None else None)
        yield from _pieces(document, decompressed(raw, packing, stack), packing)


def _opened(document: Document, stack: ExitStack) -> BinaryIO:
    if document.path is None:
        if sys.stdin is None:
            raise DocumentError(Skip.UNREADABLE, "Standard input is closed; send texts into it, or name a file.")
        return sys.stdin.buffer
    try:
        return stack.enter_context(document.path.open("rb"))
    except OSError as error:
        raise document.fault(Skip.UNREADABLE, f"cannot be read ({error.strerror}); check its rights.") from error


def _pieces(document: Document, stream: BinaryIO, packing: Compression | None) -> Iterator[bytes]:
    got = 0
    while True:
        try:
            piece = stream.read(_PIECE)
        except DAMAGE as error:
            raise _damage(document, packing, got, error) from error
        if not piece:
            return
        got += len(piece)
        yield piece


def _damage(document: Document, packing: Compression | None, got: int, error: Exception) -> DocumentError:
    why = " ".join(str(error).split()).rstrip(".")
    if packing is None:
        return document.fault(Skip.UNREADABLE, f"could not be read beyond byte {got:,} ({why}); try a copy.")
    if not got:
        complaint = f"is no readable {packing} file ({why}); fetch it again, or rename it if it is none."
    else:
        complaint = f"is damaged: its {packing} breaks off after {got:,} unpacked bytes ({why}); fetch it again."
    return document.fault(Skip.CORRUPT, complaint)


_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_MARK = 4
#: Encodings that write other text than ASCII with bytes of ASCII, or ASCII otherwise: they cannot be told from UTF-8.
_UNLIKE_ASCII = ("utf-16", "utf-32", "utf-7", "iso2022", "hz")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w:.-]{2,40})""", re.IGNORECASE)


def check_encoding(name: str | None) -> None:
    """Raise `SetupError` for an unknown encoding."""
    if name is None:
        return
    try:
        "".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError) as error:
        sentence = f"Encoding {name!r} is none that text is written in; give one such as latin-1, cp1252 or shift_jis."
        raise SetupError(sentence) from error


def declared_encoding(head: bytes) -> str | None:
    """The encoding that an HTML page declares in its head, if it is a known one."""
    found = _CHARSET.search(head)
    if found is None:
        return None
    name = found[1].decode("ascii", "replace")
    try:
        check_encoding(name)
    except SetupError:  # what a page says of itself is a hint, and a wrong one is none
        return None
    return name


def iter_text(label: str, pieces: Iterable[bytes], encoding: str | None = None) -> Iterator[str]:
    """The text of `pieces` with newlines as line ends, without byte order mark.

    Text without a mark is UTF-8, or `encoding` where it is not; each document is judged on its own. Raises
    `DocumentError` with the byte for text that is neither, and for binary files.
    """
    stream = _Decoder(label, encoding)
    for piece in pieces:
        if text := stream.decode(piece):
            yield text
    if text := stream.decode(b"", final=True):
        yield text


class _Decoder:
    def __init__(self, label: str, encoding: str | None) -> None:
        self._label = label
        self._encoding = encoding
        self._decoder: codecs.IncrementalDecoder | None = None
        #: Whether everything so far was ASCII, so that another encoding can still turn out to be the right one.
        self._is_open = False
        self._has_nul = False
        self._newlines = io.IncrementalNewlineDecoder(None, translate=True)
        self._head = b""
        self._bytes = 0
        self._lines = 1

    def decode(self, piece: bytes, *, final: bool = False) -> str:
        """The text of the next bytes, as far as they are complete characters."""
        if self._decoder is None:
            self._head += piece
            if len(self._head) < _LONGEST_MARK and not final:
                return ""
            piece = self._head
            self._decoder = self._begin(piece)
        text = self._newlines.decode(self._decoded(piece, self._decoder, final=final), final=final)
        self._bytes += len(piece)
        self._lines += text.count("\n")
        return text

    def _begin(self, head: bytes) -> codecs.IncrementalDecoder:
        name = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        if name is None and self._encoding and _is_unlike_ascii(self._encoding):
            name = self._encoding
        self._is_open = name is None and self._encoding is not None
        self._has_nul = name is not None and name != "utf-8-sig"
        return codecs.getincrementaldecoder(name or "utf-8")()

    def _decoded(self, piece: bytes, decoder: codecs.IncrementalDecoder, *, final: bool) -> str:
        nul = -1 if self._has_nul else piece.find(b"\0")
        if nul >= 0:
            byte = self._bytes + nul
            raise DocumentError(
                Skip.BINARY, f"{self._label} is a binary file: byte {byte} is NUL; give a text file in UTF-8."
            )
        if self._is_open and not piece.isascii():
            decoder = self._decoder = self._settled(piece)
        held = len(decoder.getstate()[0])
        try:
            return decoder.decode(piece, final)
        except UnicodeError as error:
            raise self._undecodable(error, held) from error

    def _settled(self, piece: bytes) -> codecs.IncrementalDecoder:
        """The decoder, decided at the first bytes beyond ASCII."""
        self._is_open = False
        try:
            codecs.getincrementaldecoder("utf-8")().decode(piece)
        except UnicodeDecodeError:
            return codecs.getincrementaldecoder(self._encoding or "utf-8")()
        return codecs.getincrementaldecoder("utf-8")()

    def _undecodable(self, error: UnicodeError, held: int) -> DocumentError:
        if not isinstance(error, UnicodeDecodeError):
            return DocumentError(Skip.ENCODING, f"{self._label} cannot be decoded ({error}); save it as UTF-8.")
        at, line = error.start, self._lines + error.object.count(b"\n", 0, error.start)
        name = "UTF-8" if error.encoding.lower() in ("utf-8", "utf_8") else error.encoding
        found = f"byte {self._bytes - held + at}, on line {line}, is 0x{error.object[at]:02X}"
        way = "save it as UTF-8, or name what it is in with `populace grow --encoding`"
        return DocumentError(Skip.ENCODING, f"{self._label} is not {name}: {found}; {way}.")


def _is_unlike_ascii(encoding: str) -> bool:
    name = codecs.lookup(encoding).name
    return name.startswith(_UNLIKE_ASCII) or b"text".decode(name, "replace") != "text"

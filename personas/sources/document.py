"""Documents: the files that texts are read from, and by which endings they are known."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path, PurePath

from ..packing import PACKINGS, Packing, packing_of, plain_suffix
from .skips import DocumentError, Skip

__all__ = ["ENDINGS", "STDIN", "Document", "Format", "known_endings", "recognise"]

#: The argument that stands for standard input, and the name of the document that comes from there.
STDIN = "-"

_PROBE = 1 << 16


class Format(StrEnum):
    """How texts lie in a document."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    ARROW = "arrow"

    @property
    def is_streamed(self) -> bool:
        """Whether it is read from front to back, so that it may be compressed or come from a pipe."""
        return self not in (Format.PDF, Format.PARQUET, Format.ARROW)


ENDINGS = {
    ".txt": Format.TEXT,
    ".text": Format.TEXT,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".pdf": Format.PDF,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".parquet": Format.PARQUET,
    ".arrow": Format.ARROW,
    ".arrows": Format.ARROW,
    ".feather": Format.ARROW,
    ".ipc": Format.ARROW,
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is read, or standard input."""

    #: What passages call it: the path from the folder that was given, with slashes.
    name: str
    #: None for standard input.
    path: Path | None
    format: Format | None
    packing: Packing | None
    #: Which of the given sources it belongs to, from 0.
    argument: int = 0
    #: Whether it was given by its own name: then what is wrong with it is an error.
    is_named: bool = True
    #: Whether `path` is only where standard input was put, for a format that is not read from front to back.
    is_stdin: bool = False

    @property
    def label(self) -> str:
        """What messages call it."""
        return "standard input" if self.path is None or self.is_stdin else str(self.path)

    def stamp(self) -> str:
        """A short mark of what the file holds: of its size, its beginning and its end.

        Unlike the time of the last change it survives copying the file elsewhere.
        """
        if self.path is None:
            return ""
        try:
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                mark = blake2b(f"{size}:".encode() + file.read(_PROBE), digest_size=8)
                file.seek(max(0, size - _PROBE))
                mark.update(file.read(_PROBE))
        except OSError as error:
            raise DocumentError(
                Skip.UNREADABLE, f"{self.label} cannot be read ({error.strerror}); check its rights."
            ) from error
        return mark.hexdigest()


def recognise(path: PurePath) -> tuple[Format | None, Packing | None]:
    """Format and compression by the endings of a name; no format where the ending is unknown."""
    return ENDINGS.get(plain_suffix(path)), packing_of(path)


def known_endings() -> str:
    """The endings that texts are read from, for messages."""
    return f"{', '.join(ENDINGS)} (or one of these with {', '.join(PACKINGS)} behind it)"

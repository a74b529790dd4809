"""Reading files row by row: bytes and lines in bounded memory, JSON with exact integers, and rows that are skipped."""

import hashlib
import io
import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from ..errors import SourceError
from ..files import DAMAGE, compression_of, decompressed
from ..inputs import resolve_file

_FIRST = 3


@dataclass(slots=True)
class Skipped:
    """The rows that were left out for one reason."""

    reason: str
    rows: int = 0
    #: Lines or rows of the first few.
    first: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        where = ", ".join(map(str, self.first))
        more = ", ..." if self.rows > len(self.first) else ""
        return f"{self.rows:,} because {self.reason} (line or row {where}{more})"


class SkippedRows:
    """Counts the rows of a file that are left out; rows up to `after` have been counted before.

    With a `way_out` it raises `SourceError` at the first, which says it.
    """

    def __init__(self, file: str, skipped: Iterable[Skipped] = (), *, after: int = 0, way_out: str = "") -> None:
        self._file = file
        self._after = after
        self._way_out = way_out
        self._skipped: dict[str, Skipped] = {}
        self.add(skipped)

    def __iter__(self) -> Iterator[Skipped]:
        return iter(self._skipped.values())

    def __len__(self) -> int:
        return sum(skip.rows for skip in self._skipped.values())

    def count(self, reason: str, row: int) -> None:
        """One more row was left out. Raises `SourceError` where there is a way out to be taken first."""
        if row <= self._after:
            return
        if self._way_out:
            raise SourceError(f"{self._file}, line or row {row}: {reason}; {self._way_out}.")
        self.add([Skipped(reason, 1, [row])])

    def add(self, skipped: Iterable[Skipped]) -> None:
        """Count what was counted elsewhere, behind everything that is counted here."""
        for new in skipped:
            skip = self._skipped.setdefault(new.reason, Skipped(new.reason))
            skip.rows += new.rows
            skip.first = (skip.first + new.first)[:_FIRST]

    def take(self) -> tuple[Skipped, ...]:
        """What has been counted since the last call."""
        taken = tuple(self)
        self._skipped = {}
        return taken


#: orjson reads an integer of more than 64 bits as a float; it has 19 digits at least.
_LONG = re.compile(rb"[0-9]{19}")
#: What a table of floats holds and JSON does not: NaN is how such tables write what is missing.
_WORDS = {"NaN": None, "Infinity": "Infinity", "-Infinity": "-Infinity"}
#: A key, as it stands in the text of an object; within a string the same may stand, so there are at most so many.
_KEY = re.compile(rb'"\s*:')


class UnkeptValueError(ValueError):
    """JSON holds what cannot be kept as it is: the message says what, as a clause."""


def parse_json(data: bytes | str) -> Any:
    """The value that JSON text holds, integers exact.

    Raises `ValueError` for what is no JSON, NaN and Infinity among it, and for numbers that no float holds.
    """
    encoded = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    if _LONG.search(encoded) is None:
        try:
            return orjson.loads(encoded)
        except orjson.JSONDecodeError:
            pass  # the standard library reads half a character, and tells NaN from what is no JSON
    return json.loads(data, parse_constant=_refuse_constant, parse_float=_parse_float)


def parse_row(line: bytes) -> Any:
    """The same of a row, of which each key must say one thing. Raises `ValueError` also for a key that stands twice."""
    row = parse_json(line)
    if len(_KEY.findall(line)) != _count_keys(row):
        json.loads(line, object_pairs_hook=_check_keys)
    return row


def _count_keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_count_keys, value.values()))
    return sum(map(_count_keys, value)) if isinstance(value, list) else 0


def _check_keys(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise UnkeptValueError("one of its keys stands twice")
        seen.add(key)


def _refuse_constant(word: str) -> None:
    raise UnkeptValueError(f"it holds {word}, which is no JSON; write null, or the word between quotes")


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise UnkeptValueError("it holds a number that is too large to be kept")
    return number


def json_text(value: Any) -> str:
    """The value as JSON text; what JSON has no type for is the text that it shows itself as.

    Raises `TypeError`, `ValueError` or `RecursionError` for what JSON cannot hold, such as half a character.
    """
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # an integer of more than 64 bits, or something that JSON cannot hold
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str)
        text.encode()
        return text


def finite(value: Any) -> Any:
    """The value with None for NaN and the words for infinities, however deep they are in it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else _WORDS[json.dumps(value)]
    if isinstance(value, list):
        return [finite(item) for item in value]
    return {name: finite(item) for name, item in value.items()} if isinstance(value, dict) else value


#: Bytes that a line may have. Longer ones are passed over without being held.
MAX_LINE = 16 << 20

_CHUNK = 1 << 20


class RowError(Exception):
    """One row cannot be read, and the next one can; `reason` says why in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_there(path: Path) -> None:
    """Raise `SourceError` when there is no such file, or it cannot be opened."""
    with _refused(path), resolve_file(path).open("rb"):
        pass


def fingerprint(path: Path) -> tuple[str, int]:
    """The SHA-256 of a file's bytes and how many there are. Raises `SourceError` when there is no such file."""
    with _refused(path), resolve_file(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()


class Lines:
    """The lines of a file as bytes, numbered from 1: `number` is that of the line handed out last.

    A line longer than `MAX_LINE` raises `RowError`; the next line follows when the next one is asked for.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.number = 0
        self._path = path
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            line = self._file.readline(MAX_LINE)
            if not line:
                raise StopIteration
            self.number += 1
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                self._pass_over()
        except DAMAGE as error:
            raise SourceError(
                f"{self._path} is corrupt: it can be read to line {self.number:,} and no further ({error}); "
                "get the file again."
            ) from error
        return line.removeprefix(b"\xef\xbb\xbf") if self.number == 1 else line

    def _pass_over(self) -> None:
        while (rest := self._file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
            pass
        raise RowError(f"the line is longer than {MAX_LINE >> 20} MiB")


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed when its name says so. Raises `SourceError` when it cannot be opened."""
    with ExitStack() as stack:
        with _refused(path):
            raw = stack.enter_context(path.open("rb", buffering=_CHUNK))
        packing = compression_of(path)
        yield io.BufferedReader(decompressed(raw, packing, stack), _CHUNK) if packing else raw


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error}); check its rights.") from error

"""GGUF, the file format of llama.cpp's models: what a file's header says of the model in it."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...personas.errors import SetupError

__all__ = ["GgufHeader", "read_gguf"]

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)

#: Sizes in bytes of the types of fixed size, by their numbers in the format.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_WHOLE = {4: "<I", 5: "<i", 10: "<Q", 11: "<q"}
_STRING, _ARRAY = 8, 9

#: Longer strings, and more entries, than any header has: lengths beyond are those of a broken file.
_MOST = 1 << 24


class _BrokenError(Exception):
    """The header does not go on as the format says."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says of its model. What it does not say is None."""

    architecture: str | None = None
    #: The context, in tokens, that the model was trained with.
    context: int | None = None
    #: Whether the file says how embeddings are made of the model's states, as embedding models' files do.
    has_pooling: bool = False


def read_gguf(path: Path) -> GgufHeader:
    """What the header of a GGUF file says. Raises `SetupError` when there is no such file, or it is none."""
    if not path.exists():
        raise SetupError(f"There is no file {str(path)!r}; give the path of a model's GGUF file, as gguf:model.gguf.")
    if path.is_dir():
        raise SetupError(f"{str(path)!r} is a folder; give the path of a GGUF file{_among(path)}.")
    try:
        with path.open("rb") as file:
            return _header(file)
    except _BrokenError as error:
        raise SetupError(
            f"The file {str(path)!r} {error}; give a model's whole GGUF file (its first four bytes are 'GGUF')."
        ) from error
    except OSError as error:
        raise SetupError(f"The file {str(path)!r} cannot be read: {error.strerror}; give one that can.") from error


def _among(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.glob("*.gguf"))
    return f", like its {names[0]!r}" if names else ", and this folder holds none"


def _header(file: BinaryIO) -> GgufHeader:
    magic = file.read(4)
    if magic != _MAGIC:
        raise _BrokenError(f"is no GGUF file: it begins with {magic!r}")
    version = _number(file, "<I")
    if version not in _VERSIONS:
        raise _BrokenError(f"is of GGUF version {version}, and what can be read are versions 2 and 3")
    _number(file, "<Q")  # how many tensors there are
    said = _values(file, _number(file, "<Q"))
    architecture = said.get("general.architecture")
    context = said.get(f"{architecture}.context_length")
    return GgufHeader(
        architecture if isinstance(architecture, str) else None,
        context if isinstance(context, int) and context > 0 else None,
        f"{architecture}.pooling_type" in said,
    )


def _values(file: BinaryIO, entries: int) -> dict[str, str | int | None]:
    values: dict[str, str | int | None] = {}
    for _ in range(_sane(entries)):
        key = _text(file)
        # What follows is the vocabulary: megabytes, and the model's sizes stand before it.
        if key.startswith("tokenizer."):
            break
        values[key] = _value(file, _number(file, "<I"))
    return values


def _value(file: BinaryIO, kind: int) -> str | int | None:
    if kind == _STRING:
        return _text(file)
    if kind in _WHOLE:
        return _number(file, _WHOLE[kind])
    if kind == _ARRAY:
        kind = _number(file, "<I")
        for _ in range(_sane(_number(file, "<Q"))):
            _value(file, kind)
    else:
        _bytes(file, _SIZES.get(kind, 0))
    return None


def _text(file: BinaryIO) -> str:
    return _bytes(file, _sane(_number(file, "<Q"))).decode(errors="replace")


def _number(file: BinaryIO, form: str) -> int:
    (number,) = struct.unpack(form, _bytes(file, struct.calcsize(form)))
    return int(number)


def _bytes(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise _BrokenError("breaks off in its header")
    return found


def _sane(count: int) -> int:
    if count > _MOST:
        raise _BrokenError(f"holds a length of {count} in its header, as no whole file does")
    return count

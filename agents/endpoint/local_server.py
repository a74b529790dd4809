"""A server for one GGUF model file on this machine, started when needed, and what the file's header says."""

import asyncio
import re
import struct
import subprocess
import sys
from collections import deque
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Thread, Timer
from typing import IO, TYPE_CHECKING, BinaryIO

from ...core.errors import EndpointError, SetupError, install_extra
from .llama_process import LISTENING

if TYPE_CHECKING:
    from .http_client import HttpConnection

# The package gguf reads the vocabulary as well, which takes 6.5 s for 128,000 tokens, and .4 s to import.
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)

#: Sizes in bytes of the types of fixed size, by their numbers in the format.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_WHOLE = {4: "<I", 5: "<i", 10: "<Q", 11: "<q"}
_STRING, _ARRAY = 8, 9

#: Longer strings, and more entries, than any header has: lengths beyond are those of a broken file.
_MOST = 1 << 24


class _BrokenError(Exception):
    """The header does not follow the format."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says of its model. What it does not say is None."""

    architecture: str | None = None
    #: The context, in tokens, that the model was trained with.
    context: int | None = None
    #: Whether the file says how embeddings are made of the model's states, as embedding models' files do.
    has_pooling: bool = False


def read_gguf(path: Path) -> GgufHeader:
    """Read the header of a GGUF file. Raises `SetupError` if there is no such file, or it is not a GGUF file."""
    if not path.exists():
        raise SetupError(f"There is no file {str(path)!r}; give the path of a model's GGUF file, as gguf:model.gguf.")
    if path.is_dir():
        raise SetupError(f"{str(path)!r} is a folder; give the path of a GGUF file{_suggest_file(path)}.")
    try:
        with path.open("rb") as file:
            return _read_header(file)
    except _BrokenError as error:
        raise SetupError(
            f"The file {str(path)!r} {error}; give a model's whole GGUF file (its first four bytes are 'GGUF')."
        ) from error
    except OSError as error:
        raise SetupError(f"The file {str(path)!r} cannot be read: {error.strerror}; give one that can.") from error


def _suggest_file(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.glob("*.gguf"))
    return f", like its {names[0]!r}" if names else ", and this folder holds none"


def _read_header(file: BinaryIO) -> GgufHeader:
    magic = file.read(4)
    if magic != _MAGIC:
        raise _BrokenError(f"is no GGUF file: it begins with {magic!r}")
    version = _read_number(file, "<I")
    if version not in _VERSIONS:
        raise _BrokenError(f"is of GGUF version {version}, and what can be read are versions 2 and 3")
    _read_number(file, "<Q")  # how many tensors there are
    said = _read_values(file, _read_number(file, "<Q"))
    architecture = said.get("general.architecture")
    context = said.get(f"{architecture}.context_length")
    return GgufHeader(
        architecture if isinstance(architecture, str) else None,
        context if isinstance(context, int) and context > 0 else None,
        f"{architecture}.pooling_type" in said,
    )


def _read_values(file: BinaryIO, entries: int) -> dict[str, str | int | None]:
    values: dict[str, str | int | None] = {}
    for _ in range(_check_length(entries)):
        key = _read_text(file)
        # What follows is the vocabulary: megabytes, and the model's sizes stand before it.
        if key.startswith("tokenizer."):
            break
        values[key] = _read_value(file, _read_number(file, "<I"))
    return values


def _read_value(file: BinaryIO, kind: int) -> str | int | None:
    if kind == _STRING:
        return _read_text(file)
    if kind in _WHOLE:
        return _read_number(file, _WHOLE[kind])
    if kind == _ARRAY:
        kind = _read_number(file, "<I")
        for _ in range(_check_length(_read_number(file, "<Q"))):
            _read_value(file, kind)
    else:
        _read_bytes(file, _SIZES.get(kind, 0))
    return None


def _read_text(file: BinaryIO) -> str:
    return _read_bytes(file, _check_length(_read_number(file, "<Q"))).decode(errors="replace")


def _read_number(file: BinaryIO, form: str) -> int:
    (number,) = struct.unpack(form, _read_bytes(file, struct.calcsize(form)))
    return int(number)


def _read_bytes(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise _BrokenError("breaks off in its header")
    return found


def _check_length(count: int) -> int:
    if count > _MOST:
        raise _BrokenError(f"holds a length of {count} in its header, as no whole file does")
    return count


#: Requests that a server works on at once, and further ones wait in it; more would be slower each, and take memory.
SLOTS = 8

#: Tokens of context that the slots share: 4 GB for a model of 8 billion parameters (128 KiB a token).
CONTEXT = 32_768

#: Tokens of a slot for embeddings, which are worked on in one piece.
_TEXT = 2_048

#: Seconds for a call of a model on this machine: it may have to be loaded first, and it costs nothing.
PATIENCE = 1800.0

#: How much of what the server says is kept.
_LINES = 50

#: What llama.cpp writes before what it says: a time, E for errors, a place in its code.
_MARKS = re.compile(r"^[\d.]+ (?P<level>[A-Z]) +(?:\S+ +\S+: )?")


class LocalServer:
    """llama.cpp's server for one GGUF file, in a process of its own on a free port of this machine.

    It ends with this process, however that ends. One that crashes is started again by the next call.
    """

    def __init__(self, path: Path, *, embeddings: bool = False, start_within: float = 900.0) -> None:
        """Prepare the server without starting it.

        `embeddings` serves embeddings instead of chat. `start_within` is in seconds. Raises `SetupError` if the extra
        is not installed or the file is not a model.
        """
        header = read_gguf(path)
        if find_spec("xllamacpp") is None:
            raise SetupError(
                f"The model in {str(path)!r} needs the package xllamacpp, which is not installed; "
                f"install it with {install_extra('local')}."
            )
        self.path = path
        self._command = _server_command(path, header, embeddings=embeddings)
        self._start_within = start_within
        self._running: _Running | None = None
        self._connection: HttpConnection | None = None

    @property
    def pid(self) -> int | None:
        """The server's process; None while there is none."""
        return None if self._running is None or self._running.is_over else self._running.pid

    async def started(self) -> str:
        """Return the base URL once calls are taken. The first call starts the server, and the others wait for it.

        Raises `EndpointError` if it could not be started, also for each later call.
        """
        if self._running is None or self._running.has_crashed:
            self._running = _Running(self._command, self.path, self._start_within)
        waiting = asyncio.wrap_future(self._running.address)
        address = await asyncio.shield(waiting)
        if isinstance(address, EndpointError):
            raise EndpointError(str(address))
        return f"{address}/v1"

    async def connect(self) -> "HttpConnection":
        """Return the connections to the server, which the first call starts.

        Raises `EndpointError` if it could not be started.
        """
        from .http_client import HttpConnection

        address = await self.started()
        if self._connection is None or self._connection.endpoint != address:
            before, self._connection = self._connection, HttpConnection(address, timeout=PATIENCE)
            if before is not None:
                await before.aclose()
        return self._connection

    async def aclose(self) -> None:
        """Close the connections and end the server if it runs. The next call starts another one."""
        if self._connection is not None:
            await self._connection.aclose()
        running, self._running = self._running, None
        if running is not None:
            await asyncio.to_thread(running.stop)


def _server_command(path: Path, header: GgufHeader, *, embeddings: bool) -> list[str]:
    share = min(CONTEXT // SLOTS, _TEXT) if embeddings else CONTEXT // SLOTS
    context = min(share, header.context or share)
    # -P: nothing in the folder that we happen to be in is imported instead of a library.
    command = [sys.executable, "-P", "-m", f"{__package__}.llama_process", str(path), str(SLOTS), str(context)]
    if embeddings:
        command += ["--embeddings", *([] if header.has_pooling else ["--mean"])]
    return command


class _Running:
    """One start of the server, and its outcome."""

    def __init__(self, command: list[str], path: Path, start_within: float) -> None:
        self._path = path
        self._within = start_within
        #: Where it listens, or why it does not: as a value, since an exception that is never awaited would be reported.
        self.address: Future[str | EndpointError] = Future()
        self._said: deque[str] = deque(maxlen=_LINES)
        # In a session of its own, so that Ctrl-C at a terminal does not end it before its answers are there.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        self._timer = Timer(start_within, self._give_up)
        self._timer.daemon = True
        self._timer.start()
        assert self._process.stdout is not None  # noqa: S101
        self._listener = Thread(target=self._listen_to_output, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    @property
    def has_crashed(self) -> bool:
        """Whether it did listen, and is gone."""
        return self.is_over and self.address.done() and isinstance(self.address.result(), str)

    def stop(self) -> None:
        """End the process and wait until it is gone."""
        self._fail_start(f"The server of model {str(self._path)!r} was stopped before it was ready; ask again.")
        self._process.kill()
        self._listener.join()

    def _listen_to_output(self, output: IO[bytes]) -> None:
        with self._process:  # closes the pipes and waits
            for line in output:
                self._hear_line(line.decode(errors="replace").strip())
        code = self._process.returncode
        self._fail_start(
            f"The server of model {str(self._path)!r} ended with exit code {code} before it was ready: "
            f"{_find_reason(self._said)}. Check that the file is whole, and that its model fits this machine's memory."
        )

    def _hear_line(self, line: str) -> None:
        if line.startswith(LISTENING):
            self._timer.cancel()
            self._settle_address(line.removeprefix(LISTENING))
        elif line:
            self._said.append(line)

    def _give_up(self) -> None:
        last = _strip_marks(self._said[-1]) if self._said else "nothing"
        self._fail_start(
            f"The server of model {str(self._path)!r} was not ready within {self._within:g} seconds; the last line "
            f"it wrote: {last}. Take a smaller model, or a machine that has room for this one."
        )
        self._process.kill()

    def _fail_start(self, sentence: str) -> None:
        self._timer.cancel()
        self._settle_address(EndpointError(sentence))

    def _settle_address(self, address: str | EndpointError) -> None:
        try:
            self.address.set_result(address)
        except InvalidStateError:
            return  # the first of several reasons stands


def _find_reason(said: deque[str]) -> str:
    """Return the first error of llama.cpp, which causes the later ones. Without an error, return the last line."""
    for line in said:
        marks = _MARKS.match(line)
        if marks is not None and marks["level"] == "E":
            return _strip_marks(line)
    return _strip_marks(said[-1]) if said else "it wrote nothing"


def _strip_marks(line: str) -> str:
    return _MARKS.sub("", line).rstrip(".")

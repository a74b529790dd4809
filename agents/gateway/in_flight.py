"""Requests in flight by their keys, so that equal ones are sent once, by this process and others that share a file."""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

#: On Windows, requests of other processes are not joined.
_HAS_LOCKS = find_spec("fcntl") is not None
if _HAS_LOCKS:
    import fcntl

type _Waiting = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]

#: Seconds between looks at whether another process has its answer: at first, and at most.
_FIRST, _MOST = 0.02, 0.25


class RequestsInFlight:
    """Who sends a request now: one task of this process, told by a table; one process, told by the lock of a byte.

    The kernel gives up the locks of a process that ends, however it does.
    """

    def __init__(self, path: Path) -> None:
        """Take `path`, the file whose bytes are locked.

        It stays empty and exists as long as a process has it open.
        """
        self._path = path
        self._lock = threading.Lock()
        self._waiting: dict[str, list[_Waiting]] = {}
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600) if _HAS_LOCKS else None
        if self._file is not None:
            os.fchmod(self._file, 0o600)  # whatever the umask takes away

    async def claim(self, key: str, is_answered: Callable[[], bool], *, patience: float) -> bool:
        """Wait until the caller may send the request (True).

        Return False if it is answered meanwhile or was waited for too long.
        """
        loop, look = asyncio.get_running_loop(), _FIRST
        until = loop.time() + patience
        while True:
            with self._lock:
                waiting = self._waiting.get(key)
                if waiting is None and self._is_locked(key):
                    self._waiting[key] = []
                    return True
                ended: asyncio.Future[None] = loop.create_future()
                if waiting is not None:
                    waiting.append((loop, ended))
            left = until - loop.time()
            if left <= 0:
                return False
            with suppress(TimeoutError):
                await asyncio.wait_for(ended, left if waiting is not None else min(left, look))
            look = min(_MOST, 2 * look)
            if is_answered():
                return False

    def release(self, key: str, *, keep_lock: bool = False) -> None:
        """End the claim to a request. With `keep_lock`, other processes wait until `unlock`."""
        with self._lock:
            waiting = self._waiting.pop(key, [])
            if not keep_lock:
                self._unlock(key)
        for loop, ended in waiting:
            with suppress(RuntimeError):  # a loop that is closed waits for nothing
                loop.call_soon_threadsafe(_end, ended)

    def unlock(self, key: str) -> None:
        """Let other processes send a request, or find its answer."""
        with self._lock:
            if key not in self._waiting:
                self._unlock(key)

    def close(self) -> None:
        """Give up all locks, and remove their file if no other process has any."""
        if self._file is None:
            return
        with suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who opened it a moment ago locks bytes that nobody sees: at worst, a request is paid for twice.
            self._path.unlink()
        os.close(self._file)
        self._file = None

    def _is_locked(self, key: str) -> bool:
        """Lock the byte of the key for this process. Return whether it is locked now."""
        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except OSError:
            return False
        return True

    def _unlock(self, key: str) -> None:
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(key))


def _place(key: str) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) >> 2


def _end(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)

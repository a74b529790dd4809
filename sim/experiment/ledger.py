"""The ledger of an experiment's calls: what is spent and reserved by all of its runs, in one small file.

    {"spent": [...], "unseen": [...]}     the sums of earlier sessions, as the fields of `Spent`
    {"reserved": 7, "tokens": 812, "cost": 0.004}     written before call 7 is sent
    {"settled": 7, "spent": [...]}        what it took (older ledgers: null for a call that was not sent)

A call that was sent and never settled, because its process was killed or its run interrupted, counts as spent.
"""

import os
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from ...agents.gateway.budget import Spent
from ...agents.gateway.call import Call
from ...core.errors import SetupError, SourceError, StorageError
from ...core.files import whole_file

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # no such module there

_FIELDS = [field.name for field in fields(Spent)]


class ExperimentLedger:
    """The `BudgetLog` of an experiment: one `write` a line, in the order of calls, and no fsync."""

    def __init__(self, path: Path, recorded: Spent) -> None:
        """Open the ledger, or begin it with what the runs have `recorded`.

        Raises `SourceError` for a damaged ledger, and `SetupError` if another process has it open.
        """
        self.path = path
        if path.exists():
            os.close(_locked(path))
        #: What calls of earlier sessions used, and what those may have used whose end was not seen.
        self.spent, self.unseen = _read(path) if path.exists() else (Spent(), Spent())
        if recorded.calls > self.spent.calls + self.unseen.calls:  # a run that was resumed alone has no lines here
            for name in _FIELDS:
                setattr(self.spent, name, max(getattr(self.spent, name), getattr(recorded, name)))
        with whole_file(path.absolute(), replace=True, private=True) as part:
            part.write_bytes(_line({"spent": astuple(self.spent), "unseen": astuple(self.unseen)}))
        self._file = _locked(path)
        self._number = 0

    def reserved(self, tokens: float, cost: float) -> int:
        """Write a reservation right before its call is sent. Raises `StorageError` if it cannot be written."""
        self._number += 1
        self._write({"reserved": self._number, "tokens": round(tokens), "cost": cost})
        return self._number

    def settled(self, number: int, call: Call) -> None:
        """Write what a reserved call used."""
        spent = Spent()
        spent.add(call)
        self._write({"settled": number, "spent": astuple(spent)})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)

    def _write(self, entry: dict[str, Any]) -> None:
        line = _line(entry)
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise StorageError(f"{str(self.path)!r} cannot be written ({error.strerror}); free some space.") from error
        if written < len(line):
            raise StorageError(f"{str(self.path)!r} cannot be written (no space is left); free some space.")


def _locked(path: Path) -> int:
    """Open the ledger for this process alone, if the platform has locks. Raises `SetupError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise SetupError(
                f"The experiment in {str(path.parent)!r} is going in another process; wait for its end."
            ) from error
    return descriptor


def _line(entry: dict[str, Any]) -> bytes:
    return orjson.dumps(entry) + b"\n"


def _read(path: Path) -> tuple[Spent, Spent]:
    """Return what was spent, and what calls may have used that were reserved and never settled."""
    first, *lines = path.read_bytes().split(b"\n")
    if lines:
        lines.pop()  # empty, or cut by a kill in the midst of a write: nothing was sent after it
    try:
        sums = orjson.loads(first)
        spent, unseen = Spent(*sums["spent"]), Spent(*sums["unseen"])
        held: dict[int, tuple[int, float]] = {}
        for line in lines:
            entry = orjson.loads(line)
            if "reserved" in entry:
                held[entry["reserved"]] = entry["tokens"], entry["cost"]
                continue
            del held[entry["settled"]]
            if entry["spent"] is not None:
                add_spent(spent, Spent(*entry["spent"]))
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{str(path)!r} is damaged ({error}); restore it from a copy, or remove it: then what the runs hold counts "
            "as spent, without calls whose answers were lost."
        ) from error
    for tokens, cost in held.values():
        add_spent(unseen, Spent(calls=1, input_tokens=tokens, cost=cost))
    return spent, unseen


def add_spent(spent: Spent, more: Spent) -> None:
    """Add the totals of further calls."""
    for name in _FIELDS:
        setattr(spent, name, getattr(spent, name) + getattr(more, name))

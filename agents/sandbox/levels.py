"""How confined code can be on this machine: found out by trying, best first."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from .seccomp import filter_program

_CHILD = Path(__file__).with_name("child.py")
#: What an interpreter reads beside its own library, where it is there.
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime")
#: `-S` and `-s`: no installed packages; `-P`: no module is found by where the code lies.
_PYTHON = ("-S", "-s", "-P", "-B", "-X", "utf8")


class SandboxLevel(StrEnum):
    """What confines the code, from most to least."""

    #: Namespaces of its own, by the program `bwrap`, and a filter of system calls.
    BUBBLEWRAP = "bubblewrap"
    #: Rules of the kernel for files, and a filter of system calls. Linux 6.2 and later.
    LANDLOCK = "landlock"
    #: A filter of system calls. Linux.
    SECCOMP = "seccomp"
    #: Limits of time, memory and sizes alone.
    LIMITS = "limits"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What code is kept from at a level."""

    level: SandboxLevel

    @property
    def network(self) -> bool:
        """Whether the kernel cuts the network."""
        return self.level is not SandboxLevel.LIMITS

    @property
    def files(self) -> bool:
        """Whether the kernel denies files outside the code's own folder."""
        return self.level in (SandboxLevel.BUBBLEWRAP, SandboxLevel.LANDLOCK)

    @property
    def processes(self) -> bool:
        """Whether the kernel denies new processes, and signals to others."""
        return filter_program() is not None and self.level is not SandboxLevel.LIMITS

    @property
    def sentence(self) -> str:
        """What is confined and what is not, for the terminal and for rows."""
        always = "limited in time, memory and output, with nothing of the environment"
        match self.level:
            case SandboxLevel.BUBBLEWRAP:
                return f"Code runs {always}, without network, other processes or files but Python's own (bubblewrap)."
            case SandboxLevel.LANDLOCK:
                return (
                    f"Code runs {always}, without network, other processes or files but Python's own (seccomp and "
                    "Landlock); it can see which files there are, and its own folder may grow as long as it runs."
                )
            case SandboxLevel.SECCOMP:
                return (
                    f"Code runs {always}, without network or other processes (seccomp); not confined: it can read "
                    "and write the files that you can. Install bubblewrap to confine those."
                )
            case SandboxLevel.LIMITS:
                return (
                    f"Code runs {always}; not confined: it can reach the network and the files that you can. Install "
                    "bubblewrap (Linux), or run this in a container."
                )


def command(confined: Confinement, folder: Path, descriptor: int, folder_bytes: int) -> list[str]:
    """Return the command that runs the code in the folder. Its job is on the descriptor."""
    python = [_interpreter(), *_PYTHON, "-c", _source(), str(descriptor)]
    if confined.level is not SandboxLevel.BUBBLEWRAP:
        return python
    bound = [word for path in (*readable_paths(), _interpreter()) for word in ("--ro-bind", path, path)]
    return [
        *(shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"),
        *bound,
        *("--dev", "/dev", "--size", str(folder_bytes), "--tmpfs", str(folder), "--chdir", str(folder)),
        *python,
    ]


def environment(folder: Path) -> dict[str, str]:
    """Return all environment variables that the code gets."""
    return {"HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}


def job_of(confined: Confinement, rlimits: Mapping[str, int]) -> dict[str, Any]:
    """Return how the child confines itself."""
    program = None if confined.level is SandboxLevel.LIMITS else filter_program()
    # Where no filter denies processes, the limit of their number does: none but this one.
    processes = {"RLIMIT_NPROC": 0} if program is None else {}
    return {
        "rlimits": {**rlimits, "RLIMIT_CORE": 0, **processes},
        "filter": program.hex() if program else "",
        "landlock": confined.level is SandboxLevel.LANDLOCK,
        "readable": readable_paths() if confined.level is SandboxLevel.LANDLOCK else (),
    }


@cache
def readable_paths() -> Sequence[str]:
    """Return the folders of Python's own library and the system's, which confined code may read."""
    base = Path(sys.base_prefix).resolve()
    names = {"base": str(base), "platbase": str(base), "installed_base": str(base), "installed_platbase": str(base)}
    own = (sysconfig.get_path("stdlib", vars=names), sysconfig.get_path("platstdlib", vars=names))
    # Libraries that extension modules are linked with lie beside Python's own, where it does not come with the system.
    paths = dict.fromkeys([*own, str(base / "lib"), *_SYSTEM])
    return tuple(path for path in paths if path and os.path.exists(path))  # noqa: PTH110 - as they are written


@cache
def _interpreter() -> str:
    # That of a virtual environment is a link to this one.
    return str(Path(getattr(sys, "_base_executable", None) or sys.executable).resolve())


@cache
def _source() -> str:
    return _CHILD.read_text(encoding="utf-8")

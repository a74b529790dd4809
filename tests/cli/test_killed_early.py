"""Commands that are killed as they begin: no file under the name that is of no use, and nothing left beside it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from warm_process import WarmProcess

from .conftest import Ask

#: Seconds after the first file was begun.
FIRST_MOMENTS = (0.0, 0.1)
MOMENTS = (0.0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15)
#: How often a command is given until it is killed before its end.
TRIES = 10
RUN = ("run", "village", "--agents", "4", "--hops", "0", "--steps", "1", "--out", "made.duckdb")
GROW = ("grow", "--hub", "made.duckdb", "--hops", "0", "--limit", "4")
IMPORT = ("hub", "import", "people.jsonl", "--hub", "made.duckdb")


def begun(folder: Path, seconds: float) -> Callable[[], bool]:
    """Whether so long ago a file was begun."""
    since: list[float] = []

    def happened() -> bool:
        if not since and any(path.name != "people.jsonl" for path in folder.iterdir()):
            since.append(time.monotonic())
        return bool(since) and time.monotonic() - since[0] >= seconds

    return happened


def kill(warm: WarmProcess, folder: Path, command: tuple[str, ...], moment: float) -> None:
    """Give a command and kill it at that moment; one that ended before is given anew, to be killed earlier."""
    for tried in range(TRIES):
        warm.begin_command("populace", *command, cwd=folder)
        if warm.is_killed_when(begun(folder, moment / 2**tried)):
            return
        (folder / "made.duckdb").unlink()
    raise AssertionError(f"{command[0]} ended {TRIES} times before it was killed")


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name not in ("made.duckdb", "people.jsonl")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "moments"),
    [(RUN, FIRST_MOMENTS), *(pytest.param(one, MOMENTS, marks=pytest.mark.slow) for one in (RUN, GROW, IMPORT))],
)
def test_a_command_killed_in_its_first_moments_is_given_again(
    warm: WarmProcess, ask: Ask, folder: Path, command: tuple[str, ...], moments: tuple[float, ...]
) -> None:
    (folder / "people.jsonl").write_text('{"persona": "A baker who sings."}\n' * 3)
    for moment in moments:
        kill(warm, folder, command, moment)
        again = ask("resume", "made.duckdb") if command == RUN and Path("made.duckdb").exists() else ask(*command)
        assert again.code == 0, again
        assert not leftovers(folder)
        Path("made.duckdb").unlink()

"""The command line, asked in this process, in a folder of its own."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from populace.cli import main
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.society import Society

_PROGRESS = re.compile(r"[\w -]+: \d+ (?:in \d+\.\d s|of \d+.*)")

#: A whole scenario, in ten lines.
ERRANDS = '''from populace.sim import Scenario


class Errands(Scenario):
    """What would people ask an assistant for?"""

    name = "errands"
    world = "It is market day in a small town by a river."
    # Nothing else is needed: everybody acts in every step, and asks for something.
'''


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left: its exit code, its output, and its complaint without the lines of progress."""

    code: int
    out: str
    complaint: str

    def complains(self, code: int, *words: str) -> None:
        """Check that it ended with this code and one sentence that holds these words."""
        assert self.code == code, self
        assert self.complaint.count("\n") == 1, self
        assert self.complaint.startswith("populace: "), self
        for word in words:
            assert word in self.complaint, self


type Ask = Callable[..., Said]


def told(stderr: str) -> str:
    """Standard error without the lines of progress."""
    return "".join(f"{line}\n" for line in stderr.splitlines() if not _PROGRESS.fullmatch(line))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands are given: empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Give a command in this process."""

    def asked(*arguments: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        assert "Traceback" not in shown.err
        return Said(ended.value.code, shown.out, told(shown.err))

    return asked


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A village of eight people that has lived two steps; never to be written to."""
    out = tmp_path_factory.mktemp("lived") / "run.duckdb"
    Society(Village({"lines": 1, "assistant": False}), growth=Growth(agents=8, hops=2), out=out, steps=2).run()
    return out


@pytest.fixture
def run_file(lived: Path, folder: Path) -> Path:
    """A copy of that run: `run.duckdb` in the folder."""
    shutil.copy(lived, folder)
    return Path(lived.name)

"""What is asked for wrongly is answered in one sentence, with exit code 2, and leaves no run file in the way."""

from pathlib import Path

import click
import duckdb
import pytest

from populace.cli.app import cli
from populace.cli.guard import run_guarded

from .conftest import ERRANDS, Ask

VILLAGE = ("run", "village", "--agents", "6", "--hops", "1", "--steps", "1", "--out", "out.duckdb")

FILES: dict[str, str | bytes] = {
    "one.txt": "A baker gets up at three in the morning and lights the oven.",
    "names.csv": "name\nAda\n",
    "text.duckdb": "Nothing but text.\n",
    "import.py": "import nothing_like_it\n",
    "beside.py": "from two import Errands\n",
    "syntax.py": "def :\n",
    "lines.py": "raise ValueError('first\\n  second')\n",
    "none.py": "x = 1\n",
    "two.py": ERRANDS + "\n\nclass More(Errands):\n    name = 'more'\n",
    "exits.py": "import sys\n\nsys.exit()\n",
}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database that is no hub."""
    with duckdb.connect(path := tmp_path_factory.mktemp("other") / "other.duckdb") as con:
        con.execute("CREATE TABLE fruit (name VARCHAR)")
    return path.read_bytes()


@pytest.fixture(autouse=True)
def files(folder: Path, other: bytes) -> None:
    """One file for everything that can be wrong with one."""
    (folder / "texts").mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "other.duckdb").write_bytes(other)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--seeds one.tx", ("no file one.tx", "did you mean one.txt")),
        ("--seeds names.csv", ("names.csv has no column 'text'", "but 'name'")),
        ("--seeds one.txt --hub other.duckdb", ("--seeds and --hub", "leave one out")),
        ("--network ring:3", ("--network is 'ring:3'", "K must be even", "give 2 or 4")),
        ("--network file:ties.csv", ("no file", "ties.csv")),
        ("--hub other.duckdb", ("other.duckdb", "no table personas", "give a hub")),
        ("--hub text.duckdb", ("text.duckdb", "not a DuckDB file", "give a hub")),
        ("--set flod_at=3", ("'flod_at'", "did you mean 'flood_at'")),
        ("--set flood_at", ("--set takes name=value", "'flood_at' was given")),
        ("--set =3", ("--set takes name=value", "'=3' was given")),
        ("--set flood_at=soon", ("'flood_at'", "'soon'", "integer")),
        ("--set visited=7", ("'visited'", "'7'", "less than or equal to 1")),
        ("--agents 0", ("--agents must be at least 1", "0 was given")),
        ("--hops 7", ("hops", "at most 6", "7 was given")),
        ("--steps 0", ("--steps must be at least 1", "0 was given")),
        ("--max-in-flight 0", ("--max-in-flight must be at least 1", "0 was given")),
        ("--rpm 0", ("rpm must be at least 1", "0 was given")),
        ("--tpm -5", ("tpm must be at least 1", "-5 was given")),
        ("--seed x", ("'--seed'", "'x' is not a valid integer", "`populace run --help`")),
        ("--seed -1", ("seed must be from 0", "-1 was given")),
        ("--seed 9223372036854775808", ("'--seed'", "9223372036854775808 is out of range", "to 9223372036854775807")),
        ("--model procedual", ("'procedual'", "Did you mean procedural?")),
        ("--model openai:gpt-9", ("OPENAI_API_KEY is not set", "--base-url")),
        ("--out text.duckdb", ("'text.duckdb' exists", "another path", "populace resume")),
        ("--out texts", ("'texts' is a folder", "'texts/run.duckdb'")),
        ("--out no/run.duckdb", ("no folder 'no'", "another path")),
        ("--step 3", ("'--step'", "--steps")),
    ],
)
def test_a_wrong_option_of_run(ask: Ask, folder: Path, arguments: str, words: tuple[str, ...]) -> None:
    before = sorted(folder.iterdir())
    ask(*VILLAGE, *arguments.split()).complains(2, *words)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("vilage", ("no scenario 'vilage'", "did you mean 'village'?", "path of a script")),
        ("chess", ("no scenario 'chess'", "There are: ")),
        ("./no.py", ("no scenario script 'no.py'", "path of a Python file")),
        ("./texts", ("no scenario script 'texts'",)),
        ("./one.txt", ("'one.txt' is not a Python script",)),
        ("import.py", ("'import.py' fails in line 1 with ModuleNotFoundError", "nothing_like_it")),
        ("beside.py", ("'beside.py' imports 'two', which stands beside it", "`from .two import ...`")),
        ("syntax.py", ("'syntax.py' fails with SyntaxError", "line 1")),
        ("lines.py", ("'lines.py' fails in line 1 with ValueError: first second",)),
        ("none.py", ("'none.py' must define one subclass of Scenario", "it has: none")),
        ("two.py", ("it has: Errands, More",)),
        ("exits.py", ("'exits.py' ends the program", "__main__")),
    ],
)
def test_a_scenario_that_cannot_be_had(ask: Ask, folder: Path, scenario: str, words: tuple[str, ...]) -> None:
    ask("run", scenario).complains(2, *words)
    assert not list(folder.glob("*.duckdb.*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("walk",), ("No such command 'walk'", "`populace --help`")),
        (("run",), ("'SCENARIO'", "`populace run --help`")),
        (("sql", "run.duckdb"), ("'STATEMENT'",)),
        (("list", "tables", "emision"), ("no table or view 'emision'", "did you mean 'emissions'")),
        (("list", "tables", "x"), ("no table or view 'x'", "There are: action_fields, agent")),
        (("list", "prompts", "tun"), ("no prompt 'tun'", "did you mean 'turn'")),
        (("doctor", "--model", "openai:m"), ("populace doctor is now populace check endpoint",)),
        (("split", "run.duckdb"), ("populace split is now populace data split",)),
        (("sql", "caf\udce9.duckdb", "FROM runs"), (r"'caf\udce9.duckdb' is not UTF-8",)),
    ],
)
def test_a_wrong_command(ask: Ask, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    ask(*arguments).complains(2, *words)


def test_what_would_steer_a_terminal_is_written_out(ask: Ask) -> None:
    ask("sql", "\x1b[31mred.duckdb", "FROM runs").complains(2, r"\x1b[31mred.duckdb")


def test_without_a_command_the_help_is_shown(ask: Ask) -> None:
    said = ask()
    assert said.code == 2
    assert "Create:" in said.complaint


def test_each_command_has_a_whole_summary_of_at_most_60_characters() -> None:
    groups = [cli, *(command for command in cli.commands.values() if isinstance(command, click.Group))]
    for command in (command for group in groups for command in group.commands.values()):
        first_line = (command.help or "").splitlines()[0]
        assert len(first_line) <= 61, first_line
        assert command.get_short_help_str(60) == first_line.removesuffix(".") + "." * first_line.endswith(".")


@pytest.mark.parametrize("error", [MemoryError(), duckdb.OutOfMemoryException("Out of Memory Error: failed to pin")])
def test_too_little_memory_is_a_sentence(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def eat() -> None:
        raise error

    assert run_guarded(eat, []) == 1
    assert "There was not enough memory" in capsys.readouterr().err

"""`populace make`: what it shows, what it says of bad input, and a folder of one's own."""

import re
import shutil
from pathlib import Path

import pytest

import populace
from populace.scenarios.instruction import task as instruction

from .conftest import Ask

SMALL = ("--n", "4", "--set", "response=off")
EIGHT = ("--sample", 8)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hub") / "hub.duckdb"
    populace.grow(hub=path, agents=6, hops=1)
    return path


def test_rows_are_made_and_the_next_commands_named(ask: Ask, hub: Path) -> None:
    said = ask("make", "instruction", "--hub", str(hub), *SMALL)
    assert said.code == 0, said
    assert "4 of 4 accepted" in said.out
    assert "populace report instruction.duckdb" in said.out
    assert "not a language model" in said.out


@pytest.mark.parametrize(
    "task",
    [
        "npc",
        "conversation",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("knowledge", "logic", "math", "tool", "tool-code")),
    ],
)
def test_the_export_that_is_recommended_works(ask: Ask, hub: Path, task: str) -> None:
    said = ask("make", task, "--hub", str(hub), "--n", 2, "--out", "made.duckdb")
    (command,) = re.findall(r"populace (export .+)", said.out)
    assert ask(*command.split()).code == 0


def test_what_can_be_made_is_listed_with_its_settings(ask: Ask) -> None:
    assert "instruction: " in ask("make").out
    listed = ask("list", "tasks", "instruction").out
    assert "--set n=100 (whole number, at least 1, at most 1000000000)  Accepted rows wanted" in listed
    assert "neighbours" not in listed


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("instructoin",), 2, ("There is no task 'instructoin' (did you mean 'instruction'?)", "./my_task")),
        (("./nowhere",), 2, ("'nowhere'",)),
        (("instruction", "--n", "0"), 2, ("'--n'", "0", "x>=1")),
        (("instruction", "--n", "5", "--set", "n=6"), 2, ("--set n and --n say the same",)),
        (("instruction", "--language", "klingon!"), 2, ("klingon!", "pt-BR")),
        (("instruction", "--against", "no-such.parquet"), 2, ("no-such.parquet",)),
        (("instruction", "--prompting", "few-shot", "--demonstrations", "none.jsonl"), 2, ("none.jsonl",)),
        (("instruction", "--sample", "5"), 2, ("--estimate",)),
    ],
)
def test_what_cannot_be_made_is_said_before_a_file_is_there(
    ask: Ask, arguments: tuple[str, ...], code: int, words: tuple[str, ...], hub: Path
) -> None:
    ask("make", *arguments, "--hub", str(hub), "--out", "made.duckdb").complains(code, *words)
    assert not Path("made.duckdb").exists()


def test_a_file_that_is_there_is_not_written_over(ask: Ask, hub: Path) -> None:
    Path("made.duckdb").write_text("mine")
    said = ask("make", "instruction", "--hub", str(hub), *SMALL, "--out", "made.duckdb")
    said.complains(2, "made.duckdb")
    assert Path("made.duckdb").read_text() == "mine"


@pytest.mark.slow
def test_more_rows_than_the_people_give_are_said_to_be_missing(ask: Ask, hub: Path) -> None:
    said = ask("make", "instruction", "--hub", str(hub), "--n", "50", "--set", "response=off")
    assert said.code == 4
    assert "6 of 50 rows were accepted: 6 people gave what they could at 1 row each." in " ".join(said.out.split())
    assert "--per-persona" in said.out
    assert "There was nothing to do: the run is finished." in ask("resume", "instruction.duckdb").out


@pytest.mark.slow
def test_what_rejected_rows_is_shown(ask: Ask, hub: Path) -> None:
    first = ("make", "instruction", "--hub", str(hub), "--n", "1", "--agents", "1", "--set", "response=off")
    ask(*first, "--out", "first.duckdb")
    said = ask(*first, "--against", "first.duckdb", "--out", "again.duckdb")
    assert said.code == 0
    assert "(against " in said.out


@pytest.mark.slow
def test_a_folder_that_was_copied_is_a_task(ask: Ask, hub: Path) -> None:
    shutil.copytree(Path(instruction.__file__).parent, "mine", ignore=shutil.ignore_patterns("__pycache__"))
    said = ask("make", "./mine", "--hub", str(hub), *SMALL, "--prompting", "few-shot")
    assert said.code == 0, said
    assert "mine.duckdb" in said.out
    assert "finished" in ask("resume", "mine.duckdb").out


def test_a_demonstration_that_lacks_its_output_is_named(ask: Ask, hub: Path) -> None:
    Path("shown.jsonl").write_text('{"persona": "A clerk."}\n', "utf-8")
    said = ask("make", "instruction", "--hub", str(hub), "--prompting", "few-shot", "--demonstrations", "shown.jsonl")
    said.complains(2, "shown.jsonl", "line 1 has no 'output'")


@pytest.mark.slow
@pytest.mark.parametrize(("accuracy", "words"), [(0.9, "of 12 outputs were accepted"), (0, "Nothing was accepted of ")])
def test_an_estimate_tells_how_many_outputs_were_accepted(ask: Ask, hub: Path, accuracy: float, words: str) -> None:
    given = ("--n", 60, "--per-persona", 12, "--solver", f"procedural:accuracy={accuracy}")
    verify = ("--verify", 0) if accuracy else ()
    said = ask("make", "math", "--hub", str(hub), *given, *verify, "--estimate", "--sample", 12)
    assert words in said.out + said.complaint, said
    assert not Path("math.duckdb").exists()

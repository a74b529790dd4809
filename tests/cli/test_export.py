"""`populace export`: what it says, and what it refuses."""

import shutil
from pathlib import Path

import pytest
from made_run import MadeRun, read_lines

from .conftest import Ask


@pytest.fixture(scope="module")
def made_chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with three answered requests of two people, and one line of dialogue."""
    run = MadeRun(tmp_path_factory.mktemp("chats") / "chats.duckdb")
    baker, clerk = run.person("A baker by the mill."), run.person("A clerk, to be met at the station.", licence=None)
    run.output(baker, "How long does dough rest?", response="Overnight. Or write to mary.miller@example.org.")
    run.output(baker, "Write to the miller.", response="Dear miller ...")
    run.output(clerk, "Make a table of trains.", response="Here it is.")
    run.output(clerk, "Good morning!", "dialogue")
    return run.done()


@pytest.fixture
def chats(made_chats: Path, folder: Path) -> Path:
    """A copy of that run: `chats.duckdb` in the folder."""
    shutil.copy(made_chats, folder)
    return Path(made_chats.name)


def test_an_export_says_what_it_wrote_left_out_and_found(ask: Ask, chats: Path) -> None:
    said = ask("export", chats, "chat.jsonl", "--format", "openai")
    assert said.code == 0
    assert said.out.splitlines() == [
        "3 rows by 2 personas are in 'chat.jsonl' as openai.",
        "Left out: 1 of the kind dialogue, which openai has no place for.",
        "Licences: CC0-1.0 2, unknown 1; this export mixes licences, and the strictest binds the whole.",
        "Personal data were found in 1 row; patterns do not find everything.",
        "The card is in 'chat.jsonl.card.md'.",
    ]
    assert len(read_lines(Path("chat.jsonl"))) == 3


def test_a_preview_shows_rows_writes_nothing_and_needs_no_file(ask: Ask, chats: Path) -> None:
    said = ask("export", chats, "--preview", 2, "--columns", "text")
    assert said.out.startswith("row 1\n  text: How long does dough rest?\n")
    assert "row 2" in said.out
    assert "row 3" not in said.out
    assert [path.name for path in Path().iterdir()] == ["chats.duckdb"]


def test_generated_text_is_exported_with_a_notice(ask: Ask, run_file: Path) -> None:
    said = ask("export", run_file, "rows.csv")
    assert said.code == 0
    assert "not a language model" in said.complaint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chats.duckdb"], ["file or folder to write"]),
        (["chats.duckdb", "rows.txt"], ["rows.txt", "--format"]),
        (["chats.duckdb", "rows.csv", "--format", "jsonl"], ["rows.csv"]),
        (["chats.duckdb", "rows.jsonl", "--format", "huggingface"], ["without ending"]),
        (["chats.duckdb", "rows.jsonl", "--kind", "poem"], ["'poem'", "instruction (3)"]),
        (["chats.duckdb", "rows.jsonl", "--kind", "dialogue", "--format", "alpaca"], ["no response", "--map"]),
        (["chats.duckdb", "rows.jsonl", "--format", "dpo"], ["no preferences", "populace data grade"]),
        (["chats.duckdb", "rows.jsonl", "--format", "tools"], ["no conversations with tools"]),
        (["chats.duckdb", "rows.jsonl", "--columns", "respons"], ["did you mean 'response'"]),
        (["chats.duckdb", "rows.jsonl", "--columns", "licence"], ["in every export"]),
        (["chats.duckdb", "rows.jsonl", "--persona", "in"], ["--persona", "jsonl"]),
        (["chats.duckdb", "rows.jsonl", "--format", "openai", "--map", "prompt=text"], ["response=FIELD"]),
        (["chats.duckdb", "rows.jsonl", "--split", "1.5"], ["--split is 1.5", "between 0 and 1"]),
        (["chats.duckdb", "none/rows.jsonl"], ["no folder", "none"]),
        (["none.duckdb", "rows.jsonl"], ["none.duckdb"]),
    ],
)
def test_wrong_usage_is_refused_in_a_sentence(ask: Ask, chats: Path, arguments: list[str], words: list[str]) -> None:
    ask("export", *arguments).complains(2, *words)
    assert [path.name for path in Path().iterdir()] == ["chats.duckdb"]


def test_holding_out_names_its_own_options(ask: Ask, chats: Path) -> None:
    ask("data", "split", chats, "--train", 1).complains(2, "--train is 1", "between 0 and 1")

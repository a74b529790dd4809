"""Every command and code block of the README and of docs/ is run, in order, and shows what is written there."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_server import OpenAIServer
from warm_process import WarmProcess

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: What the README's Python prints, in its order.
PRINTED = (
    r"(?:[0-9a-f]{32}\n){5}",
    r"(?s).*2 flood The river rose in the night.*",
    r"1 20 procedural\n2 20 procedural\n",
    r"(?:[02] [12] runs/village-\d\.duckdb 2[24] \d\.\d+\n){4}",
)
EXITS = re.compile(r"# exits with (\d+)")


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(README) if kind == language]


def commands(console: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown for it."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def pattern(shown: str) -> re.Pattern[str]:
    """A line `...` stands for any lines, and … for anything within one."""
    lines = [re.escape(line.rstrip()).replace("…", ".+") for line in shown.splitlines()]
    return re.compile("".join(r"(?:.*\n)*?" if line == re.escape("...") else f"{line} *\n" for line in lines))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "110"}


def run(command: list[str], folder: Path) -> str:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment())
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def run_console(console: str, folder: Path, server: OpenAIServer, warm: WarmProcess) -> None:
    """Run the commands of a block, in processes that have imported everything already."""
    for command, shown in commands(console):
        code = EXITS.search(command)
        words = shlex.split(command.replace("http://127.0.0.1:8000/v1", server.base_url), comments=True)
        ended = warm.run(*(words[1:] if words[0] == "python" else words), cwd=folder, env=environment())
        assert ended.returncode == (int(code[1]) if code else 0), ended.stderr
        assert pattern(shown).fullmatch(ended.stdout), f"$ {command}\n{ended.stdout}"


def test_every_block_shows_what_it_says(folder: Path, openai_server: OpenAIServer, warm: WarmProcess) -> None:
    printed = iter(PRINTED)
    for language, text in BLOCK.findall(README):
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", text)
            script = folder / (name[1] if name else "snippet.py")
            script.write_text(text, encoding="utf-8")
            if not name:
                ended = warm.run(script.name, cwd=folder, env=environment())
                assert ended.returncode == 0, ended.stderr
                assert re.fullmatch(next(printed), ended.stdout)
        elif language == "console":
            run_console(text, folder, openai_server, warm)
    assert openai_server.calls > 24


def test_the_command_is_on_the_path(folder: Path) -> None:
    assert run(["populace", "--version"], folder).startswith("populace, version ")


@pytest.mark.slow
@pytest.mark.parametrize("document", sorted(path.stem for path in (ROOT / "docs").glob("*.md")))
def test_every_block_of_the_documents_shows_what_it_says(
    document: str, tmp_path: Path, openai_server: OpenAIServer, warm: WarmProcess
) -> None:
    for language, text in BLOCK.findall((ROOT / "docs" / f"{document}.md").read_text(encoding="utf-8")):
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", text)
            assert name, "every Python block of a document is a file"
            (tmp_path / name[1]).write_text(text, encoding="utf-8")
        elif language == "console":
            run_console(text, tmp_path, openai_server, warm)
    for picture in tmp_path.glob("*.svg"):
        if (shown := ROOT / "docs" / picture.name).exists():
            assert picture.read_text(encoding="utf-8") == shown.read_text(encoding="utf-8"), picture.name


def test_pictures_in_the_documents_are_made_by_their_commands() -> None:
    for picture in (ROOT / "docs").glob("*.svg"):
        page = picture.with_suffix(".md").read_text(encoding="utf-8")
        assert f"Wrote {picture.name}\n" in page
        assert f"]({picture.name})" in page


def test_documents_have_no_blocks_that_nobody_runs() -> None:
    for document in (ROOT / "docs").glob("*.md"):
        languages = {language for language, _ in BLOCK.findall(document.read_text(encoding="utf-8"))}
        assert languages <= {"python", "console", "mermaid"}


def test_files_that_the_documents_name_are_there() -> None:
    for document in (ROOT / "docs").glob("*.md"):
        text = document.read_text(encoding="utf-8")
        for path in re.findall(r"`((?:personas|agents|sim|scenarios|analysis)/[\w/]+\.py)`", text):
            assert (ROOT / path).is_file(), f"{document.name}: {path}"


def test_the_two_commands_are_there(folder: Path) -> None:
    (setup,) = blocks("sh")
    for line in setup.splitlines():
        target = line.partition("#")[0].split()
        assert run([*target, "-n", "-C", str(ROOT)], folder)


def test_every_command_is_in_the_readme_and_nothing_else_is() -> None:
    from populace.cli.app import cli

    assert set(re.findall(r"`populace (\w+)", README)) == set(cli.commands)

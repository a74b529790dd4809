"""Every command and code block of the README and of docs/ is run, in order, and shows what is written there."""

import os
import re
import runpy
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from installed import install_wheel
from openai_server import OpenAIServer
from warm_process import WarmProcess

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: Files by which blocks hang together.
FILES = re.compile(r"[\w-]+\.(?:duckdb|py)\b")
EXITS = re.compile(r"# exits with (\d+)")


@dataclass(frozen=True, order=True, slots=True)
class Block:
    """A block of code of the README."""

    number: int
    language: str
    text: str
    #: The file that it is; "" for a console.
    file: str


def commands(console: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown for it."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def pattern(shown: str) -> re.Pattern[str]:
    """A line `...` stands for any lines, and … for anything within one; nothing shown claims nothing."""
    shown = shown or "...\n"
    lines = [re.escape(line.rstrip()).replace("…", ".+") for line in shown.splitlines()]
    return re.compile("".join(r"(?:.*\n)*?" if line == re.escape("...") else f"{line} *\n" for line in lines))


@pytest.fixture(scope="session")
def warm_wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProcess]:
    """Processes of an environment that has the wheel and the base install, and nothing of what tests need."""
    process = WarmProcess(tmp_path_factory.mktemp("wheel"), str(install_wheel(tmp_path_factory.mktemp("installed"))))
    yield process
    process.close()


def environment(warm: WarmProcess) -> dict[str, str]:
    return {**os.environ, "PATH": f"{warm.bin}:{os.environ['PATH']}", "COLUMNS": "110"}


def run_console(console: str, folder: Path, server: OpenAIServer, warm: WarmProcess) -> None:
    """Run the commands of a block, in processes that have imported everything already; `export` sets a variable."""
    variables = environment(warm)
    for command, shown in commands(console.replace("http://127.0.0.1:8000/v1", server.base_url)):
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            variables[name] = value
            continue
        code = EXITS.search(command)
        words = shlex.split(command, comments=True)
        ended = warm.run(*(words[1:] if words[0] == "python" else words), cwd=folder, env=variables)
        assert ended.returncode == (int(code[1]) if code else 0), ended.stderr
        assert pattern(shown).fullmatch(ended.stdout), f"$ {command}\n{ended.stdout}"


def parts() -> list[list[Block]]:
    """The blocks of the README in parts that share no file: each part can be run without the others."""
    found: list[tuple[set[str], list[Block]]] = []
    code = [(language, text) for language, text in BLOCK.findall(README) if language in ("python", "console")]
    for number, (language, text) in enumerate(code):
        name = re.match(r"# (\w+\.py)\n", text)
        assert name or language == "console", "every Python block is a file"
        files, blocks = set(FILES.findall(text)), [Block(number, language, text, name[1] if name else "")]
        for part in [part for part in found if part[0] & files]:
            found.remove(part)
            files, blocks = files | part[0], part[1] + blocks
        found.append((files, blocks))
    return sorted(sorted(blocks) for _, blocks in found)


@pytest.mark.parametrize("installed", ["warm", pytest.param("warm_wheel", marks=pytest.mark.slow)])
@pytest.mark.parametrize("part", parts(), ids=lambda part: str(part[0].number))
def test_every_block_shows_what_it_says(
    part: list[Block], installed: str, tmp_path: Path, openai_server: OpenAIServer, request: pytest.FixtureRequest
) -> None:
    warm: WarmProcess = request.getfixturevalue(installed)
    for block in part:
        if block.language == "console":
            run_console(block.text, tmp_path, openai_server, warm)
            continue
        (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    asked = any("http://127.0.0.1:8000/v1" in block.text for block in part)
    assert (openai_server.calls > 12) is asked


def test_the_parts_of_the_readme_hold_every_block_once() -> None:
    texts = [text for language, text in BLOCK.findall(README) if language in ("python", "console")]
    assert sorted(block.text for part in parts() for block in part) == sorted(texts)


def test_the_command_is_on_the_path(warm: WarmProcess, tmp_path: Path) -> None:
    ran = subprocess.run(["populace", "--version"], cwd=tmp_path, capture_output=True, text=True, env=environment(warm))
    assert ran.stdout.startswith("populace, version ")


@pytest.mark.slow
def test_the_wheel_is_run_without_what_tests_and_extras_need(warm_wheel: WarmProcess, tmp_path: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    names = [re.split("[<>=]", one)[0].removesuffix("-cpu") for group in extras.values() for one in group]
    code = (
        "import populace\nfrom importlib.util import find_spec\n"
        f"print(populace.__file__, [name for name in {[*names, 'pytest', 'hypothesis']} if find_spec(name)])"
    )
    ran = subprocess.run([warm_wheel.bin / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert ran.stdout.startswith(str(warm_wheel.bin.parent))
    assert ran.stdout.endswith("/site-packages/populace/__init__.py []\n")
    shown = subprocess.run([warm_wheel.bin / "populace", "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert shown.stdout.startswith("populace, version ")


@pytest.mark.slow
@pytest.mark.parametrize("document", sorted(path.stem for path in (ROOT / "docs").glob("*.md")))
def test_every_block_of_the_documents_shows_what_it_says(
    document: str, tmp_path: Path, openai_server: OpenAIServer, warm_wheel: WarmProcess
) -> None:
    for language, text in BLOCK.findall((ROOT / "docs" / f"{document}.md").read_text(encoding="utf-8")):
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", text)
            assert name, "every Python block of a document is a file"
            (tmp_path / name[1]).write_text(text, encoding="utf-8")
        elif language == "console":
            run_console(text, tmp_path, openai_server, warm_wheel)
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


def test_the_two_commands_are_there() -> None:
    (setup,) = [text for language, text in BLOCK.findall(README) if language == "sh"]
    for line in setup.splitlines():
        target = line.partition("#")[0].split()
        assert subprocess.run([*target, "-n", "-C", str(ROOT)], capture_output=True, check=True).stdout


def test_the_command_reference_is_that_of_the_command_line() -> None:
    reference = runpy.run_path(str(ROOT / "docs" / "reference.py"))
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == reference["render"](), "run `make reference`"


def test_every_page_is_in_the_map_and_every_link_leads_somewhere() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert set(re.findall(r"\]\((\w[\w-]*\.md)", index)) == pages - {"index.md"}
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_and_the_changelog_stay_short() -> None:
    assert len(README.splitlines()) <= 155
    assert len((ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()) <= 60

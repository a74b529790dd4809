"""Run files from somebody else: nothing that they name is run, asked, read or written unless it is named again."""

from pathlib import Path

import pytest
from openai_server import OpenAIServer

from .conftest import ERRANDS, Ask

SMALL = ("--agents", "4", "--hops", "0", "--steps", "1")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for state of somebody who has made nothing yet."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture
def server(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-key-of-mine")
    return openai_server


def given_away(ask: Ask, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    """`run.duckdb` and `errands.py`, as they come from somebody else."""
    Path("errands.py").write_text(ERRANDS)
    where = ("--model", "openai:m", "--base-url", server.base_url, "--cache", "answers.sqlite")
    assert ask("run", "errands.py", *SMALL, *where, "--out", "run.duckdb").code == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    with Path("errands.py").open("a") as script:
        script.write("\nfrom pathlib import Path\nPath('was-run').touch()\n")
    server.reset()


@pytest.mark.parametrize(
    "command",
    [
        ("check", "replay"),
        pytest.param(("resume", "--steps", "2"), marks=pytest.mark.slow),
        pytest.param(("fork", "--at", "0", "--out", "f.duckdb"), marks=pytest.mark.slow),
    ],
)
def test_a_script_that_nobody_here_has_named_is_not_run(
    ask: Ask, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, elsewhere: Path, command: tuple[str, ...]
) -> None:
    given_away(ask, server, monkeypatch, elsewhere)
    said = ask(*command, "run.duckdb")
    said.complains(2, "'run.duckdb' was not made here by you", "'errands.py'", "--script errands.py`")
    assert not Path("was-run").exists()
    assert not Path("f.duckdb").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("resume", "--steps", "2"),
        pytest.param(("fork", "--at", "0", "--out", "f.duckdb"), marks=pytest.mark.slow),
    ],
)
def test_nothing_is_sent_to_an_address_that_nobody_here_has_named(
    ask: Ask, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, elsewhere: Path, command: tuple[str, ...]
) -> None:
    given_away(ask, server, monkeypatch, elsewhere)
    name, *options = command
    trusted = ("--script", "errands.py")
    said = ask(name, "run.duckdb", *options, *trusted)
    cache = Path("answers.sqlite").absolute()
    said.complains(2, server.base_url, "with your key", f"--base-url {server.base_url} --cache {cache}`")
    assert server.calls == 0
    assert not Path("was-run").exists()
    said = ask(name, "run.duckdb", *options, *trusted, "--base-url", server.base_url, "--cache", "answers.sqlite")
    assert said.code == 0
    assert (server.calls > 0) == (name == "resume")  # a fork has the answers of the run


@pytest.mark.slow
def test_what_was_named_once_need_not_be_named_again(
    ask: Ask, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    given_away(ask, server, monkeypatch, elsewhere)
    assert ask("check", "replay", "run.duckdb", "--script", "errands.py").code == 0
    assert ask("check", "replay", "run.duckdb").code == 0
    again = ("--base-url", server.base_url, "--no-cache", "--steps", "2")
    assert ask("resume", "run.duckdb", *again).code == 0
    assert ask("resume", "run.duckdb", "--steps", "3").code == 0


def test_a_scenario_whose_name_is_a_path_is_not_run(ask: Ask, run_file: Path) -> None:
    import duckdb

    Path("evil.py").write_text("from pathlib import Path\nPath('was-run').touch()\n")
    with duckdb.connect(run_file) as con:
        con.execute('UPDATE jobs SET spec = json_merge_patch(spec, \'{"scenario": "./evil.py"}\')')
    ask("check", "replay", run_file).complains(2, "There is no scenario './evil.py'")
    assert not Path("was-run").exists()


def test_growth_reads_no_files_that_only_the_hub_names(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    Path("texts.jsonl").write_text('{"text": "The mill by the weir grinds rye for three villages and a town."}\n' * 3)
    grow = ("grow", "texts.jsonl", "--hub", "town.duckdb", "--hops", "1")
    ask(*grow, "--max-calls", "1").complains(3, "budget")
    monkeypatch.setenv("XDG_STATE_HOME", str(elsewhere))
    said = ask("resume", "town.duckdb", "--max-calls", "500")
    said.complains(2, "would read 'texts.jsonl'", "`populace grow texts.jsonl --hub town.duckdb`")
    assert ask(*grow, "--max-calls", "500").code == 0


@pytest.mark.slow
def test_without_a_folder_for_state_everything_is_named(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    (folder / "state").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    Path("errands.py").write_text(ERRANDS)
    assert ask("run", "errands.py", *SMALL).code == 0
    ask("check", "replay", "errands.duckdb").complains(2, "--script errands.py`")
    assert ask("check", "replay", "errands.duckdb", "--script", "errands.py").code == 0

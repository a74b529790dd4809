"""`populace run` from its options to what it shows, and by a script's path."""

import os
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from populace.agents.gateway.client import Gateway

from .conftest import ERRANDS, Ask, told

ROOT = Path(__file__).parents[2]
SMALL = ("--agents", "12", "--hops", "1", "--steps", "1")


@pytest.mark.slow
def test_a_run_shows_its_summary(ask: Ask, folder: Path) -> None:
    said = ask("run", "village", *SMALL, "--set", "flood_at=1", "--seed", 2)
    assert (said.code, said.complaint) == (0, "")
    for words in ("village, seed 2, flood_at=1", "12 agents, ", "not a language model"):
        assert words in said.out
    assert "asked for" not in said.out
    assert (folder / "village.duckdb").is_file()


@pytest.mark.slow
def test_caps_reach_the_gateway_of_a_run_and_of_its_resumption(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def opened(*args: Any, **options: Any) -> Gateway:
        given.append((options["limits"].rpm, options["limits"].tpm))
        return Gateway(*args, **options)

    monkeypatch.setattr("populace.sim.engine.Gateway", opened)
    ask("run", "village", *SMALL, "--rpm", 100_000, "--tpm", 10**9)
    ask("resume", "village.duckdb", "--steps", 2, "--tpm", 10**8)
    assert given == [(100_000, 10**9), (100_000, 10**8)]


def test_people_who_could_not_be_had_are_spoken_of_in_one_line(ask: Ask) -> None:
    Path("one.txt").write_text("A baker gets up at three in the morning and lights the oven.")
    said = ask("run", "village", "--seeds", "one.txt", "--agents", 90, "--hops", 1, "--steps", 1)
    shown = " ".join(said.out.split())
    assert said.code == 4
    assert "of 90 personas came from the texts and 1 hop; give more texts or more hops." in shown
    assert "1 text and 1 persona asked about: " in shown


def test_a_hub_that_is_too_small_is_spoken_of(ask: Ask, run_file: Path) -> None:
    said = ask("run", "village", "--hub", run_file, "--agents", 90, "--steps", 1)
    assert " of 90 personas came from the hub; give a larger hub or more hops." in " ".join(said.out.split())
    assert (said.code, "asked about" in said.out) == (4, False)


def test_a_script_is_run_and_resumed_by_its_path(ask: Ask) -> None:
    Path("errands.py").write_text(ERRANDS)
    assert ask("run", "errands.py", "--agents", 4, "--hops", 0, "--steps", 1).code == 0
    assert "2 steps" in ask("resume", "errands.duckdb", "--steps", 2).out


def test_a_script_may_put_off_its_annotations(ask: Ask) -> None:
    settings = "\n\nclass Mine(Settings):\n    share: Share = 0.5\n\n\nErrands.settings_type = Mine\n"
    script = ERRANDS.replace("import Scenario", "import Scenario, Settings\n\nShare = float")
    Path("later.py").write_text(f"from __future__ import annotations\n\n{script}{settings}")
    assert ask("run", "later.py", *SMALL, "--set", "share=0.1").code == 0


def as_script(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[int, str]:
    script = str(ROOT / "scenarios" / "village.py")
    monkeypatch.setattr(sys, "argv", [script, *options])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(script, run_name="__main__")
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out + told(shown.err)


def test_a_scenario_is_a_command_of_its_own(
    ask: Ask, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, shown = as_script(capsys, monkeypatch, "--help")
    assert code == 0
    assert "A village by a river" in shown
    code, shown = as_script(capsys, monkeypatch, *SMALL, "--out", "mine.duckdb")
    assert (code, "village, seed 0" in shown) == (0, True)
    assert "2 steps" in ask("resume", "mine.duckdb", "--steps", "2").out


def test_a_script_complains_as_the_command_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, shown = as_script(capsys, monkeypatch, "--steps", "0")
    assert (code, shown) == (2, "populace: --steps must be at least 1, but 0 was given.\n")


def test_what_can_be_run_is_told_with_its_settings(ask: Ask) -> None:
    listed = ask("list", "scenarios").out
    assert "village: A village by a river" in listed
    assert "--set" not in listed
    alone = ask("list", "scenarios", "village").out
    assert alone.startswith("village: ")
    assert "--set flood_at=4 (whole number, at least 0)  Step at whose start the flood takes the bridge" in alone
    ask("list", "scenarios", "vilage").complains(2, "did you mean 'village'?")


def test_a_script_tells_its_settings_with_types_and_defaults(ask: Ask) -> None:
    settings = """

class Mine(Settings):
    mode: Literal["open", "secret"] = Field("open", description="How people\\n vote")
    turnout: float = Field(0.8, ge=0, lt=1)
    sure: bool = False
    limit: int | None = None
    seats: int


Errands.settings_type = Mine
"""
    imports = "from typing import Literal\n\nfrom pydantic import Field\n"
    script = ERRANDS.replace("import Scenario", "import Scenario, Settings")
    Path("errands.py").write_text(f"{imports}{script}{settings}")
    lines = ask("list", "scenarios", "errands.py").out.splitlines()
    assert lines[:6] == [
        "errands: What would people ask an assistant for?",
        "    --set mode=open (one of open, secret)  How people vote",
        "    --set turnout=0.8 (number, at least 0, less than 1)",
        "    --set sure=False (true or false)",
        "    --set limit=None (whole number or null)",
        "    --set seats= (whole number, required)",
    ]
    assert lines[6].startswith("    --set neighbours=6 (whole number, at least 0)  Maximum neighbours")


def test_a_run_file_is_named_after_the_script(ask: Ask, folder: Path) -> None:
    (folder / "sub").mkdir()
    Path("sub/market day.py").write_text(ERRANDS)
    said = ask("run", "sub/market day.py", "--agents", 4, "--hops", 0, "--steps", 1)
    assert said.code == 0
    assert (folder / "market day.duckdb").is_file()
    assert "populace sql 'market day.duckdb'" in said.out


def test_what_follows_a_run_fits_it_and_says_how_to_ask_on(ask: Ask) -> None:
    Path("errands.py").write_text(ERRANDS)
    said = ask("run", "errands.py", "--agents", 4, "--hops", 0, "--steps", 1)
    assert "  next       populace report errands.duckdb\n" in said.out


def test_prompts_are_shown_with_their_versions_and_whole(ask: Ask) -> None:
    assert "turn@7: " in ask("list", "prompts").out
    whole = ask("list", "prompts", "turn").out
    assert whole.startswith("# turn@7\n")
    assert "[user]" in whole
    assert ask("list", "prompts", "biography").out.startswith("# biography@3\n")


def test_prompts_of_a_script_and_its_actions_are_shown(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    written = 'name = "ask"\nversion = 2\nabout = "Asks."\nuser = "$world $persona $observation $actions $task"\n'
    (tmp_path / "prompts" / "ask.v2.toml").write_text(written)
    (tmp_path / "asking.py").write_text(
        "from pathlib import Path\n"
        "from populace.agents.actions import Instruction\n"
        "from populace.core.prompt import read_prompt\n"
        "from populace.sim.scenario import Scenario\n"
        "class Asked(Instruction):\n"
        "    prompt = read_prompt(Path(__file__).with_name('prompts') / 'ask.v2.toml')\n"
        "class Asking(Scenario):\n"
        "    name, actions = 'asking', (Asked,)\n"
    )
    script = str(tmp_path / "asking.py")
    listed = ask("list", "prompts", "--scenario", script).out
    assert listed.count("ask@2: Asks.") == 1
    assert ask("list", "prompts", "ask", "--scenario", script).out.startswith("# ask@2\n")
    assert "Asks." not in ask("list", "prompts").out
    ask("run", script, "--agents", 3, "--hops", 0, "--steps", 1, "--out", tmp_path / "asking.duckdb")
    asked = ask("sql", tmp_path / "asking.duckdb", "SELECT DISTINCT prompt FROM emissions")
    assert "ask@2" in asked.out


def test_the_schema_tells_what_every_column_means(ask: Ask) -> None:
    everything, one = ask("list", "tables").out, ask("list", "tables", "emissions").out
    assert one in everything
    assert one.startswith("table emissions: ")
    assert all(": " in line and not line.endswith(": ") for line in everything.splitlines())


@pytest.mark.slow
def test_shared_files_are_as_the_umask_says_and_others_are_private(ask: Ask, run_file: Path) -> None:
    before = os.umask(0o022)
    assert ask("report", run_file, "--out", "mine.html").code == 0
    assert ask("report", run_file, "--out", "ours.html", "--shared").code == 0
    assert ask("report", run_file, "--out", "again.html").code == 0
    assert os.umask(before) == 0o022
    modes = [Path(f"{name}.html").stat().st_mode & 0o777 for name in ("mine", "ours", "again")]
    assert modes == [0o600, 0o644, 0o600]


def test_ctrl_c_within_a_query_leaves_a_paused_run_and_says_how_to_go_on(
    ask: Ask, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take_step(context: object) -> None:
        raise RuntimeError("Query interrupted")  # as DuckDB says it

    with monkeypatch.context() as patched:
        patched.setattr("populace.sim.society.take_step", take_step)
        said = ask("run", "village", "--agents", "4", "--hops", "0", "--steps", "1", "--out", "run.duckdb")
    said.complains(130, "Stopped.", "1 step to come", "go on with `populace resume run.duckdb`")
    assert ask("resume", "run.duckdb").code == 0


def test_minds_are_listed_and_their_stages_drawn(ask: Ask) -> None:
    listed = ask("list", "minds").out
    assert [line.partition(":")[0] for line in listed.splitlines()] == ["one-call", "think", "react", "rule"]
    village = ask("list", "minds", "village").out
    assert village.startswith("graph TD;\n")
    assert "check -.-> answer_request;" in village
    assert "answer_request" not in ask("list", "minds", "one-call").out
    ask("list", "minds", "rule").complains(2, "has no stages to draw")
    ask("list", "minds", "villag").complains(2, "did you mean 'village'?")

"""`populace grow`: from texts to a hub, and on from where it stopped."""

import re
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from openai_server import OpenAIServer

from populace.personas.hub.file import create_hub
from populace.sim.growth import Growth
from populace.sim.runfile.reader import open_run
from populace.sim.scenario import GrowthOnly
from populace.sim.society import Society

type Ask = Callable[..., Any]

GROW = ("grow", "--hub", "town.duckdb", "--hops", 1, "--fan-out", 2)


@pytest.fixture
def texts(folder: Path) -> str:
    """Ten texts in a file of the folder."""
    rows = [orjson.dumps({"body": f"House {n} of our street has a leaking roof."}) for n in range(10)]
    (folder / "texts.jsonl").write_bytes(b"\n".join(rows))
    return "texts.jsonl"


def test_it_says_what_came_of_it_hop_by_hop_and_what_to_do_next(ask: Ask, texts: str) -> None:
    said = ask(*GROW, texts)
    assert said.code == 0
    for words in ("from 10 texts", "not a language model", "populace run village --hub town.duckdb"):
        assert words in said.out
    with open_run(Path("town.duckdb")) as run:
        assert run.query("SELECT hop, asked FROM growth ORDER BY hop").rows == [(0, 10), (1, 10)]


def test_given_again_it_says_that_there_is_nothing_to_do(ask: Ask, texts: str) -> None:
    ask(*GROW, texts)
    for again in ((*GROW, texts), ("resume", "town.duckdb")):
        said = ask(*again)
        assert said.code == 0
        assert "There was nothing to do: growth is finished." in said.out


def test_too_few_people_are_a_warning_with_the_yield_and_an_exit_code_also_when_asked_again(
    ask: Ask, texts: str
) -> None:
    for _ in range(2):
        said = ask(*GROW, texts, "--limit", 90)
        shown = " ".join(said.out.split())
        assert said.code == 4
        assert "of 90 personas came from the texts and 1 hop; give more texts or more hops." in shown
        assert re.search(r"yield 10 texts and 10 personas asked about: [1-9]\d* new, \d+ known", shown)


def test_the_yield_counts_rejections_by_rule_and_failures_by_outcome(
    ask: Ask, texts: str, openai_server: OpenAIServer
) -> None:
    def answer(persona: str) -> dict[str, Any]:
        said = {"role": "assistant", "content": orjson.dumps({"personas": [{"persona": persona}]}).decode()}
        return {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": said}]}

    for persona in ("teacher", "I am a baker who gets up at three and never sees my children awake."):
        openai_server.script(answer(persona))
    where = ("--model", "openai:test", "--base-url", openai_server.base_url, "--max-in-flight", 1)
    shown = " ".join(ask("grow", texts, "--hub", "a.duckdb", "--hops", 0, *where).out.split())
    assert "10 texts and 0 personas asked about: 8 new, 0 known; rejected: 1 first_person, 1 too_short" in shown


def test_given_again_it_goes_on_where_it_was_paused(ask: Ask, texts: str, openai_server: OpenAIServer) -> None:
    command = (*GROW, texts, "--model", "openai:test", "--base-url", openai_server.base_url)
    ask(*command, "--max-calls", 13).complains(3, "budget of 13 calls", "populace resume town.duckdb")
    said = ask(*command, "--max-calls", 20)
    assert "Resuming 'town.duckdb', which stopped after hop 0." in said.out
    assert (said.code, openai_server.calls) == (0, 20)


def test_other_settings_are_named_with_the_way_out(ask: Ask, texts: str) -> None:
    ask(*GROW, texts)
    other = ("grow", "--hub", "town.duckdb", "--hops", 2, "--fan-out", 2, "--seed", 4)
    ask(*other).complains(
        2, "sources texts.jsonl then and none now", "--hops 1 then and 2 now", "--seed 0 then and 4 now", "hub merge"
    )


def test_more_of_the_same_goes_on_from_what_is_there(ask: Ask, texts: str) -> None:
    ask(*GROW, texts)
    said = ask("grow", "--hub", "town.duckdb", "--hops", 2, "--fan-out", 2, texts)
    assert said.code == 0
    assert "is asked for more than was grown; what is there stays" in said.out
    with open_run(Path("town.duckdb")) as run:
        assert run.query("SELECT hop, asked > 0 FROM growth ORDER BY hop").rows == [(0, True), (1, True), (2, True)]


def test_what_was_passed_over_is_named(ask: Ask, texts: str) -> None:
    with Path(texts).open("a") as file:
        file.write('\n{"body": "bro\n{"body": ""}\n')
    said = ask(*GROW, texts)
    assert "2 skipped: 1 rows that cannot be read, 1 rows without a text. Examples:" in " ".join(said.out.split())
    assert "texts.jsonl, line 11: " in said.out
    assert "texts.jsonl, line 12: " in said.out


def test_kinds_may_be_called_by_other_names(ask: Ask, texts: str) -> None:
    assert ask(*GROW, texts, "--kinds", "mentoring,Family", "--acquaintances", 0).code == 0
    with open_run(Path("town.duckdb")) as run:
        assert run.query("SELECT growth_settings->'kinds' FROM runs").rows == [('["teaching","kinship"]',)]


def test_a_hub_that_is_being_grown_can_be_looked_at(ask: Ask, folder: Path, texts: str) -> None:
    growth = Growth.unlimited(sources=(texts,), hops=1, fan_outs=(2,))
    with Society(GrowthOnly(), growth=growth, out="town.duckdb"):
        said = ask("hub", "info", "town.duckdb")
    assert said.code == 0
    then = ask("hub", "info", "town.duckdb")
    assert "growth by procedural, running" in said.out
    assert "growth by procedural, finished" in then.out

    def told(out: str) -> list[str]:
        return [line for line in out.splitlines()[:-1] if "size on disk" not in line and "  job 1" not in line]

    assert told(said.out) == told(then.out)


def test_a_run_of_another_scenario_is_not_grown_into(ask: Ask, run_file: Path) -> None:
    ask("grow", "--hub", run_file).complains(2, "scenario 'village'", "--people run.duckdb")


def test_an_empty_source_leaves_no_hub(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for stdin, words in ((None, "Standard input is closed"), (SimpleNamespace(buffer=BytesIO()), "is empty")):
        monkeypatch.setattr(sys, "stdin", stdin)
        ask("grow", "--hub", "town.duckdb", "-").complains(2, words)
        assert not Path("town.duckdb").exists()


def test_a_hub_that_was_not_grown_is_not_grown_into(ask: Ask, folder: Path) -> None:
    create_hub(folder / "given.duckdb").close()
    ask("grow", "--hub", "given.duckdb").complains(2, "was not grown", "--people given.duckdb", "hub merge")


def test_people_of_a_hub_can_be_what_growth_begins_with(ask: Ask, texts: str) -> None:
    ask(*GROW, texts)
    said = ask("grow", "--people", "town.duckdb", "--hub", "city.duckdb", "--hops", 1)
    assert said.code == 0
    assert "from existing personas" in said.out
    with open_run(Path("city.duckdb")) as run:
        assert run.query("SELECT hop, born > 20, relations > 20 FROM growth ORDER BY hop").rows[0] == (0, True, False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--hops", 7), "--hops must be at most 6"),
        (("--fan-out", "3,x"), "--fan-out takes a number or one a hop, as 5,3,2, but '3,x' was given"),
        (("--kinds", "kinship,envy"), "There is no kind of relations 'envy'; there are kinship, friendship"),
        (("--limit", 0), "at least 1"),
        (("nowhere.txt",), "nowhere.txt"),
        (("texts.jsonl", "--column", "story"), "has no column 'story' but 'body'"),
        (("-", "--people", "town.duckdb"), "leave one out"),
    ],
)
def test_what_cannot_be_grown_is_one_sentence(ask: Ask, texts: str, options: tuple[Any, ...], words: str) -> None:
    ask("grow", "--hub", "town.duckdb", *options).complains(2, words)
    assert not Path("town.duckdb").exists()


def test_an_estimate_asks_nobody_and_holds(ask: Ask, texts: str) -> None:
    said = ask(*GROW, texts, "--estimate")
    assert said.code == 0
    assert not Path("town.duckdb").exists()
    ask(*GROW, texts)
    with open_run(Path("town.duckdb")) as run:
        ((calls,),) = run.query("SELECT count(*) FROM calls").rows
    assert f"│ in all             │ {calls} " in said.out

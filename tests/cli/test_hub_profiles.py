"""`populace hub enrich`, as it is given on the command line."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub_people import make_hub, townsfolk
from openai_server import OpenAIServer

from populace.personas.hub.file import open_hub
from populace.sim.engine import Engine

from .conftest import Ask, Said

PEOPLE = 6

type Give = Callable[..., Said]


@pytest.fixture
def give(folder: Path, ask: Ask) -> Give:
    """Give `populace hub enrich` for a hub of six people, `town.duckdb` in the folder."""
    make_hub(folder / "town.duckdb", *townsfolk(PEOPLE))
    return lambda *arguments: ask("hub", "enrich", "town.duckdb", "--model", "procedural", *arguments)


def test_it_says_what_came_of_it_and_that_no_language_model_was_asked(give: Give) -> None:
    said = give("--wiki")
    assert (said.code, said.complaint) == (0, "")
    assert f"profiles        {PEOPLE} of {PEOPLE}\n" in said.out
    assert f"biographies     {PEOPLE} of {PEOPLE}\n" in said.out
    assert "inconsistencies 0 biographies sent back\n" in said.out
    assert "job             1\n" in said.out
    assert "not a language model" in said.out


@pytest.mark.slow
def test_without_a_profile_it_says_where_the_reasons_are_and_not_to_choose_by_it(
    give: Give, openai_server: OpenAIServer
) -> None:
    openai_server.fail_forever("fill in a profile", "prose")
    said = give("--n", "1", "--model", "openai:test", "--base-url", openai_server.base_url)
    assert said.code == 1
    assert "profiles 0 of 1, 1 without an answer" in " ".join(said.out.split())
    assert "Why there was no answer: `populace sql town.duckdb" in said.out
    assert "Choose by it" not in said.out
    assert "Choose by it" in give("--n", "1").out


@pytest.mark.slow
def test_a_tier_is_kept_with_the_people_who_were_raised(give: Give, folder: Path) -> None:
    assert give("--raise", "chess", "--tier", "1%", "--n", "2").code == 0
    with open_hub(folder / "town.duckdb") as hub:
        assert hub.con.execute("SELECT DISTINCT skill, tier FROM elites").fetchall() == [("chess", "1%")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--raise", "chess"], "takes a skill and a tier"),
        (["--tier", "5"], "Invalid value for '--tier'"),
        (["--where", "shoe_size = 43"], "'shoe_size'"),
        (["--n", "0"], "n must be at least 1"),
        (["--model", "oracle"], "There is no model named 'oracle'"),
    ],
)
def test_wrong_wishes_are_one_sentence(give: Give, folder: Path, arguments: list[str], words: str) -> None:
    give(*arguments).complains(2, words)
    assert [file.name for file in folder.iterdir()] == ["town.duckdb"]


def again(said: Said) -> list[str]:
    """The command that is offered to go on with, without the program's name."""
    return shlex.split(said.complaint.split("`")[1])[1:]


def test_an_interrupted_job_is_paused(give: Give, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    call, calls = Engine.call, iter(range(100))

    def interrupted(self: Engine, work: Any) -> Any:
        if not next(calls):
            raise KeyboardInterrupt
        return call(self, work)

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "call", interrupted)
        said = give("--n", "3")
    said.complains(130, "Stopped.")
    assert again(said) == ["resume", "town.duckdb"]
    assert "enrichment by procedural, paused: It was interrupted." in ask("hub", "info", "town.duckdb").out
    assert ask("resume", "town.duckdb").code == 0


def test_a_model_that_cannot_be_reached_leaves_the_way_free_for_another(give: Give, ask: Ask) -> None:
    said = give("--model", "openai:m", "--base-url", "http://127.0.0.1:9/v1")
    said.complains(1, "What was done is kept: go on with")
    assert give().code == 0
    assert ask("sql", "town.duckdb", "SELECT job, status FROM jobs ORDER BY job", "--csv").out == (
        "job,status\n1,abandoned\n2,finished\n"
    )


@pytest.mark.slow
def test_an_estimate_says_what_an_enrichment_would_take_and_writes_nothing(
    give: Give, folder: Path, openai_server: OpenAIServer
) -> None:
    before = (folder / "town.duckdb").read_bytes()
    said = give(
        "--wiki", "--estimate", "--model", "openai:test", "--base-url", openai_server.base_url, "--price", "1/2"
    )
    assert (said.code, said.complaint) == (0, "")
    for purpose in ("profile", "biography", "in all"):
        assert purpose in said.out
    assert f"in a dry run of {PEOPLE} people." in said.out
    assert openai_server.calls == 0
    assert (folder / "town.duckdb").read_bytes() == before

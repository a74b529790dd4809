"""What the command line says of endpoints that refuse every call; what was done stays, and can be gone on with."""

from functools import partial
from pathlib import Path

import pytest
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Backoff

from .conftest import Ask, Said


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once."""
    monkeypatch.setattr("populace.agents.gateway.client.Backoff", partial(Backoff, base=0.001))


def run(ask: Ask, base_url: str) -> Said:
    options = ("--agents", 6, "--hops", 1, "--steps", 2, "--out", "run.duckdb")
    return ask("run", "village", *options, "--model", "openai:test", "--base-url", base_url)


WAY_ON = "No answer came, so no file is kept"


def test_a_base_url_at_which_there_is_no_api(ask: Ask, openai_server: OpenAIServer) -> None:
    run(ask, openai_server.base_url.removesuffix("/v1")).complains(1, "404", "--base-url", "/v1")


def test_a_failed_run_says_why_and_is_not_written_over(ask: Ask, openai_server: OpenAIServer) -> None:
    openai_server.fault("auth", containing="village")
    run(ask, openai_server.base_url).complains(1, "go on with `populace resume run.duckdb`")
    status = "SELECT status, reason LIKE '%401%' AS told FROM runs"
    assert ask("sql", "run.duckdb", status, "--csv").out == "status,told\nfailed,true\n"
    run(ask, openai_server.base_url).complains(2, "'run.duckdb' exists", "`populace resume run.duckdb`")


def test_the_corrected_command_works_after_a_run_without_answers(
    ask: Ask, openai_server: OpenAIServer, nowhere: str
) -> None:
    run(ask, nowhere).complains(1, f"Nothing answers at {nowhere}", "(Connection refused)", "--base-url", WAY_ON)
    assert not list(Path().glob("run.duckdb*"))
    said = run(ask, openai_server.base_url)
    assert (said.code, said.complaint) == (0, "")
    assert "2 steps" in said.out


def test_a_model_of_which_nobody_comes_leaves_a_run_that_can_go_on(ask: Ask, openai_server: OpenAIServer) -> None:
    openai_server.fault("refusal")
    run(ask, openai_server.base_url).complains(1, "Nobody could be grown from 66 texts", "I cannot help")
    openai_server.reset()
    ask("resume", "run.duckdb").complains(1, "Nobody could be grown")
    assert Path("run.duckdb").is_file()

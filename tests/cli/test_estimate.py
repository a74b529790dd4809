"""`populace run --estimate`, as it is asked."""

import re
from pathlib import Path

import pytest
from openai_server import OpenAIServer

from .conftest import Ask

SMALL = ("run", "village", "--estimate", "--agents", 8, "--hops", 1, "--steps", 2)


def test_the_stand_in_is_said_to_be_free(ask: Ask, folder: Path) -> None:
    said = ask(*SMALL)
    assert said.code == 0, said
    assert "it is free" in said.out
    assert not list(folder.iterdir())


def test_every_purpose_has_a_line_and_all_have_one(
    ask: Ask, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    said = ask(*SMALL, "--model", "openai:test", "--base-url", openai_server.base_url, "--price", "1/2", "--sample", 0)
    assert all(f"│ {name} " in said.out for name in ("text_to_persona", "turn", "in all"))
    assert "Dollars of openai:test: 1 for a million tokens in, 2 for a million out (given)." in said.out
    assert openai_server.calls == 0


def test_a_sample_is_paid_for_and_said_so(ask: Ask, openai_server: OpenAIServer) -> None:
    where = ("--model", "openai:test", "--base-url", openai_server.base_url)
    said = ask(*SMALL, *where, "--sample", 9, "--cache", "answers.sqlite")
    assert said.code == 0, said
    assert openai_server.calls == 9
    assert "The sample of 9 calls used" in said.out
    assert "the answers are kept in" in said.complaint
    assert "the job takes about" in said.out


def test_a_real_model_is_asked_a_sample_by_default_and_what_that_costs_at_most_is_said_first(
    ask: Ask, openai_server: OpenAIServer
) -> None:
    where = ("--model", "openai:test", "--base-url", openai_server.base_url, "--price", "1/2", "--agents", 30)
    said = ask(*SMALL, *where)
    assert said.code == 0, said
    (calls, dollars), *_ = re.findall(r"at most (\d+) calls and \$([\d.]+); the answers are not kept", said.complaint)
    assert 3 <= openai_server.calls <= int(calls) <= 40
    (cost,) = re.findall(r"its cost is \$([\d.]+)", said.out)
    assert 0 < float(cost) <= float(dollars)
    assert "With 90 % certainty the job takes" in said.out


@pytest.mark.parametrize(
    ("option", "words"),
    [(("--price", "free"), "--price 2.5/10"), (("--steps", 0), "at least 1"), (("--sample", 5), "nothing to sample")],
)
def test_what_cannot_be_is_one_sentence(ask: Ask, option: tuple[str, object], words: str) -> None:
    ask(*SMALL, *option).complains(2, words)


def test_where_a_sample_is_too_small_to_tell_the_rest_the_range_is_computed(
    ask: Ask, openai_server: OpenAIServer
) -> None:
    assert ask("grow", "--hub", "town.duckdb", "--limit", 60, "--hops", 1).code == 0
    where = ("--model", "openai:test", "--base-url", openai_server.base_url)
    said = ask(
        "grow", "--hub", "more.duckdb", "--people", "town.duckdb", "--limit", 90, "--hops", 1, *where, "--estimate"
    )
    assert said.code == 0, said
    assert openai_server.calls < 3
    assert f"The sample took {openai_server.calls} calls, too few to tell the rest by" in said.complaint

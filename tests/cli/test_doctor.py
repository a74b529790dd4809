"""`populace check endpoint`: what it shows of an endpoint, and its exit code."""

import pytest
from openai_server import OpenAIServer

from .conftest import Ask


@pytest.mark.parametrize(("model", "reason"), [((), "--model"), (("--model", "procedural"), "no endpoint to check")])
def test_without_an_endpoint_there_is_nothing_to_check(ask: Ask, model: tuple[str, ...], reason: str) -> None:
    said = ask("check", "endpoint", *model)
    assert said.code == 2
    assert reason in said.complaint


def test_a_good_endpoint_is_shown_check_by_check(ask: Ask, openai_server: OpenAIServer) -> None:
    said = ask("check", "endpoint", "--model", "openai:test", "--base-url", openai_server.base_url, "--price", "1/2")
    assert (said.code, said.complaint) == (0, "")
    for check in ("schema", "model", "seed", "usage", "price"):
        assert any(line.split()[:2] == [check, "ok"] for line in said.out.splitlines()), check
    assert "A run could work. For this" in said.out


def test_each_endpoint_has_a_block_of_its_own_and_all_must_work(ask: Ask, openai_server: OpenAIServer) -> None:
    with OpenAIServer(key="another") as locked:
        urls = ("--base-url", openai_server.base_url, "--base-url", locked.base_url)
        said = ask("check", "endpoint", "--model", "openai:test", *urls)
    first, _, second = said.out.partition(locked.base_url)
    assert said.code == 1
    assert "A run could work" in first
    assert "A run would not work" in second


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "opnai:x"), ("no model named", "Did you mean openai:x?")),
        (("--model", "openai:x", "--base-url", "nowhere"), ("'nowhere' is no address",)),
        (("--model", "openai:x", "--base-url", "http://127.0.0.1:9/v1", "--price", "cheap"), ("IN", "'cheap'")),
        (("--timeout", "0"), ("--timeout", "0")),
    ],
)
def test_wrong_usage_is_one_sentence(ask: Ask, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    ask("check", "endpoint", *arguments).complains(2, *words)

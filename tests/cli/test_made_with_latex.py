"""`populace make` with a model that writes LaTeX into JSON without escaping its backslashes, over HTTP."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

import populace

from .conftest import Ask

_TEXT = (
    r"A carpenter in house {n} cuts a board of $\frac{{{n}}}{{4}}$ metres at an angle $\theta$ with $\tan\theta = 2$, "
    r"where \beta is its double and $x \neq 0$.\nFind $\nu = 3 \times x$ as a fraction."
)


@pytest.fixture
def latex_server(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    numbers = itertools.count(3)

    def write(asked: dict[str, Any]) -> str:
        text = _TEXT.format(n=next(numbers))
        return f'{{"kind":"math","plan":"","topic":"fractions","text":"{text}","check":""}}'

    monkeypatch.setenv("OPENAI_API_KEY", "x")
    openai_server.writer = write
    return openai_server


def test_problems_keep_their_latex_and_the_calls_say_what_was_repaired(
    ask: Ask, latex_server: OpenAIServer, folder: Path
) -> None:
    populace.grow(hub="hub.duckdb", agents=3, hops=0)
    given = ("--model", "openai:test", "--base-url", latex_server.base_url, "--out", "made.duckdb")
    ask("make", "math", "--hub", "hub.duckdb", "--n", 3, *given)
    with populace.open_run("made.duckdb") as run:
        texts = [text for (text,) in run.query("SELECT payload->>'text' FROM emissions").rows]
        repairs = {repair for (repair,) in run.query("SELECT repair FROM calls WHERE outcome = 'ok'").rows}
    assert texts
    for text in texts:
        assert r"\theta$ with $\tan\theta = 2$, where \beta is" in text
        assert "\n" + r"Find $\nu = 3 \times x$" in text
    assert repairs == {r"backslashes not escaped: \frac \theta \tan \beta \neq \nu \times"}

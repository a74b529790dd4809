"""The task knowledge: articles and reading material of a length that is asked for."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from openai_server import OpenAIServer

import populace
from populace.scenarios.knowledge.task import WORDS, Article, HasLength, Knowledge

type Made = Callable[..., Path]
type Rows = Callable[[Path, str], Sequence[tuple[Any, ...]]]


@pytest.mark.parametrize(
    "prompting", ["zero-shot", pytest.param("few-shot", marks=pytest.mark.slow), "persona-few-shot"]
)
def test_an_article_has_title_text_and_readers(made: Made, rows: Rows, prompting: str) -> None:
    path = made(Knowledge({"n": 4, "prompting": prompting}))
    found = [json.loads(row[0]) for row in rows(path, "SELECT payload FROM outputs WHERE status = 'accepted'")]
    assert len(found) == 4
    assert all(one["title"] and one["audience"] and len(one["text"].split()) >= 100 for one in found)


@pytest.mark.parametrize("length", ["medium", "long"])
@pytest.mark.parametrize("form", ["article", pytest.param("reading", marks=pytest.mark.slow)])
def test_texts_are_as_long_as_is_asked_for(made: Made, rows: Rows, form: str, length: str) -> None:
    path = made(Knowledge({"n": 3, "length": length, "form": form}), people=20)
    counts = [score for (score,) in rows(path, "SELECT score FROM checks WHERE \"check\" = 'length'")]
    least, most = WORDS[length]
    assert all(0.5 * least <= count <= most for count in counts)


def test_mixed_texts_are_as_long_as_each_request_says(made: Made, rows: Rows) -> None:
    path = made(Knowledge({"n": 12, "length": "mixed"}), people=40)
    bounds = "regexp_extract(text, 'It has [0-9]+ to [0-9]+ words')"
    asked = rows(path, f"SELECT count(DISTINCT {bounds}) FROM requests WHERE purpose = 'knowledge'")
    assert asked == [(3,)]
    counts = sorted(score for (score,) in rows(path, "SELECT score FROM checks WHERE \"check\" = 'length'"))
    assert counts[0] < 300 < counts[-1]
    passed = rows(path, "SELECT count(*) FROM checks WHERE \"check\" = 'length' AND outcome = 'passed'")
    assert passed[0][0] >= 12


def test_articles_are_asked_for_and_read_as_plain_text_over_http(
    tmp_path: Path, rows: Rows, openai_server: OpenAIServer
) -> None:
    text = ("He ties it " + r"with \frac{1}{2} \theta \"turn\"" + " and waits.\n\n") * 35

    def write(asked: dict[str, Any]) -> str:
        return f"title: Knots {asked['seed']}\naudience: Crews\n\n{text}{asked['seed']}"

    openai_server.writer = write
    wanted = {"form": "reading", "length": "medium"}
    (people := tmp_path / "people.jsonl").write_text('{"persona": "A rigger who sings."}\n{"persona": "A clerk."}\n')
    given: Any = {"model": "openai:test", "base_url": openai_server.base_url, "progress": False}
    path = populace.make(Knowledge, 2, settings=wanted, hub=people, out=tmp_path / "articles.duckdb", **given).path
    assert len(openai_server.bodies) >= 2
    for body in openai_server.bodies:
        said = str(body["messages"])
        assert "250 to 600 words" in said
        assert "Write for this person" in said
        assert "response_format" not in body
    found = rows(path, "SELECT payload FROM emissions")
    assert all(json.loads(payload)["text"].startswith(text.rstrip()[:500]) for (payload,) in found)


def test_length_is_counted_in_words_of_any_script() -> None:
    check = HasLength("short")

    def judge(text: str) -> str:
        article = Article(kind="knowledge", title="Über", audience="Alle", text=text)
        return asyncio.run(check.judge(article, cast("Any", None))).outcome

    assert judge("word " * 200) == "passed"
    assert judge("word " * 60) == "failed"
    assert judge("河边的老船工知道水什么时候涨" * 20) == "passed"
    assert judge("河边的老船工知道水什么时候涨" * 60) == "failed"

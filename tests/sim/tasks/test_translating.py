"""Outputs in another language: what is kept of a translation, and why of others none."""

from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from sums import Ask

from populace.core.errors import SetupError
from populace.sim.estimate.jobs import estimate_file_job
from populace.sim.jobs.life import replay_job
from populace.sim.runfile.reader import open_run
from populace.sim.specs import TranslatingSpec
from populace.sim.tasks.translating import TranslatingJob, translate

pytestmark = pytest.mark.usefixtures("impatient")

FRENCH = "Une boîte contient des pommes, et on y met encore d'autres pommes. Combien de pommes contient-elle ?"
ENGLISH = "A box has some apples in it, and then a few more apples are added. How many apples are there in the box now?"
REFUSED = "I'm sorry, but I can't assist with that."


def answers(server: OpenAIServer, *texts: str) -> dict[str, Any]:
    """Have the server say these texts in turn; `original` is the text that is to be translated."""
    given = iter(range(1_000))

    def write(body: dict[str, Any]) -> str:
        text = texts[next(given) % len(texts)]
        original = body["messages"][-1]["content"].split("<original>")[1].split("</original>")[0].strip()
        return original if text == "original" else text

    server.writer = write
    return {"model": "openai:test", "base_url": server.base_url}


def test_what_is_no_translation_is_kept_with_its_reason_and_without_its_text(
    sums: Path, sql: Ask, openai_server: OpenAIServer
) -> None:
    done = translate(sums, "french", **answers(openai_server, FRENCH, ENGLISH, REFUSED, "original"))
    counts = {f"translations {outcome}": 3 for outcome in ("ok", "language", "refusal", "copied")}
    assert (dict(done.counts), done.failed) == (counts, {"translating": 9})
    assert sql("SELECT DISTINCT language, text FROM translations WHERE outcome = 'ok'") == [("fr", FRENCH)]
    assert sql("SELECT count(text), count(*) FILTER (reason = '') FROM translations WHERE outcome <> 'ok'") == [(0, 0)]
    assert sql("SELECT count(*) FROM translations JOIN emissions USING (emission)") == [(12,)]
    assert replay_job(sums, 2).difference == ""


def test_each_language_is_a_job_of_its_own_in_one_table(sums: Path, sql: Ask, openai_server: OpenAIServer) -> None:
    asked = answers(openai_server, FRENCH)
    translate(sums, "fr", **asked)
    translate(sums, "German", **asked)
    assert sql("SELECT language, count(*), count(text) FROM translations GROUP BY ALL ORDER BY ALL") == [
        ("de", 12, 0), ("fr", 12, 12)]  # fmt: skip


def test_the_built_in_generator_translates_nothing_and_leaves_the_file_as_it_was(sums: Path) -> None:
    with pytest.raises(SetupError, match="translates nothing; name a model with `model`"):
        translate(sums, "fr", model="procedural")
    with pytest.raises(SetupError, match="`language` 'Elvish' is no language"):
        translate(sums, "Elvish")
    with open_run(sums) as run:
        assert run.query("SELECT count(*) FROM jobs").rows == [(1,)]
        assert run.query("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'translations'").rows == [(0,)]


def test_an_estimate_counts_a_call_for_each_output(sums: Path, openai_server: OpenAIServer) -> None:
    job = TranslatingJob(TranslatingSpec.given(language="fr"))
    found = estimate_file_job(sums, job, model="openai:test", base_url=openai_server.base_url)
    assert found.calls.low == 12

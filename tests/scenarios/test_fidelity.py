"""A model's agents are measured beside people; answers by chance show no effect, and the stand-in is refused."""

import math
from pathlib import Path

import pytest
from click.testing import CliRunner
from openai_server import OpenAIServer

from populace.agents.endpoint.models import open_model
from populace.cli.app import cli
from populace.core.errors import SetupError
from populace.scenarios.fidelity.suite import (
    FidelityAnswer,
    list_questions,
    measure_anchors,
    measure_fidelity,
    people,
    share_effect,
)


def test_the_built_in_generator_is_refused_in_one_sentence() -> None:
    ended = CliRunner().invoke(cli, ["check", "fidelity", "--model", "procedural"])
    assert isinstance(ended.exception, SetupError)
    assert "procedural is no language model" in str(ended.exception)


def test_everybody_is_shown_each_option_first_once_and_each_anchor_goes_to_half_of_the_people() -> None:
    places = range(len(people().personas))
    asked = [one for one in list_questions() if one.test in {"option order", "agreement"}]
    for name in {one.name for one in asked}:
        twice = [one for one in asked if one.name == name]
        assert all(sorted(one.variant(place) for one in twice) == [0, 1] for place in places)
    anchored = next(one for one in list_questions() if one.test == "anchoring")
    assert sum(anchored.variant(place) for place in places) == len(places) / 2


def test_option_a_is_known_wherever_it_is_shown() -> None:
    game = next(one for one in list_questions() if one.name == "Berk15")
    assert "First: you get 700, the other person gets 200." in game.texts[0]
    assert "Second: you get 700, the other person gets 200." in game.texts[1]
    assert FidelityAnswer(game, 0, "first").is_a
    assert FidelityAnswer(game, 1, "second").is_a


def test_a_share_has_wilsons_interval_and_cohens_h() -> None:
    half = share_effect("t", "w", 25, 50, reference=0.25, source="s")
    assert half.size == pytest.approx(math.pi / 6)
    assert half.differs


def test_an_anchor_that_moves_every_estimate_is_found_and_no_answers_are_no_number() -> None:
    asked = list_questions("anchoring")
    places = range(len(people().personas))
    moved = [FidelityAnswer(one, place, one.anchors[one.variant(place)]) for place in places for one in asked]
    found = measure_anchors(moved, 0)
    assert (found.got, found.low, found.high, found.differs) == (1, 1, 1, True)
    none = measure_anchors([], 0)
    assert (math.isnan(none.got), none.differs) == (True, False)


@pytest.mark.slow
def test_answers_by_chance_show_no_effect_and_are_paid_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with OpenAIServer(procedural=False) as server:
        model = open_model("openai:test", base_url=server.base_url)
        effects = measure_fidelity(model, tmp_path, 0, {})
        calls = server.calls
        again = measure_fidelity(model, tmp_path, 0, {})
        assert server.calls == calls
    assert [one.got for one in again] == [one.got for one in effects]
    assert all(one.answers for one in effects)
    # Of the other 95 % intervals one may miss by chance.
    assert len([one.test for one in effects if one.test != "dictator game" and one.differs]) <= 1

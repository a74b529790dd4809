"""A model's agents are measured beside people; answers by chance show no effect, and the stand-in is refused."""

import math
from pathlib import Path

import pytest
from click.testing import CliRunner
from openai_server import OpenAIServer

from populace.agents.endpoint.models import open_model
from populace.cli.app import cli
from populace.core.errors import SetupError
from populace.scenarios.fidelity.societies import FidelityAnswer, people, questions, weights_of
from populace.scenarios.fidelity.suite import Suite, difference_effect, mean_effect, share_effect


def test_the_built_in_generator_is_refused_in_one_sentence() -> None:
    ended = CliRunner().invoke(cli, ["check", "fidelity", "--model", "procedural"])
    assert isinstance(ended.exception, SetupError)
    assert "procedural is no language model" in str(ended.exception)


def test_everybody_is_shown_each_option_first_once_and_each_anchor_goes_to_half_of_the_people() -> None:
    places = range(len(people().personas))
    asked = [one for one in questions() if one.test in {"option order", "agreement"}]
    for name in {one.name for one in asked}:
        twice = [one for one in asked if one.name == name]
        assert all(sorted(one.variant(place) for one in twice) == [0, 1] for place in places)
    anchored = next(one for one in questions() if one.test == "anchoring")
    assert sum(anchored.variant(place) for place in places) == len(places) / 2


def test_option_a_is_known_wherever_it_is_shown() -> None:
    game = next(one for one in questions() if one.name == "Berk15")
    assert "First: you get 700, the other person gets 200." in game.texts[0]
    assert "Second: you get 700, the other person gets 200." in game.texts[1]
    assert FidelityAnswer(game, 0, "first").is_a
    assert FidelityAnswer(game, 1, "second").is_a


def test_a_share_has_wilsons_interval_and_a_difference_newcombes() -> None:
    half = share_effect("t", "w", 25, 50, reference=0.25, source="s")
    assert half.size == pytest.approx(math.pi / 6)
    assert half.differs
    # Newcombe (1998), table II, example (a): 56/70 and 48/80.
    apart = difference_effect("t", "w", (56, 70), (48, 80), source="s")
    assert [round(one, 4) for one in (apart.got, apart.low, apart.high)] == [0.2, 0.0524, 0.3339]
    assert math.isnan(difference_effect("t", "w", (0, 0), (1, 2), source="s").got)


def test_a_mean_of_nobody_is_no_number_and_does_not_differ() -> None:
    nobody: list[float] = []
    none = mean_effect("t", "w", nobody, sum, reference=0.0, answers=0, source="s", seed=0)
    assert math.isnan(none.got)
    assert not none.differs


def test_weights_of_opinions_are_found_again() -> None:
    moves = [[(own, heard, 5 + 0.6 * own + 0.3 * heard) for own in (0.0, 40.0, 100.0) for heard in (10.0, 70.0)]]
    assert weights_of(moves) == pytest.approx((0.6, 0.3))
    assert all(math.isnan(one) for one in weights_of([]))


@pytest.mark.slow
def test_answers_by_chance_show_no_effect_and_are_paid_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with OpenAIServer(procedural=False) as server:
        model = open_model("openai:test", base_url=server.base_url)
        effects = list(Suite(model, tmp_path).effects())
        calls = server.calls
        again = list(Suite(model, tmp_path).effects())
        assert server.calls == calls
    assert [one.got for one in again] == [one.got for one in effects]
    assert all(one.answers for one in effects)
    by_people = {"dictator game", "convention"}
    assert not [one.test for one in effects if one.test not in by_people and one.differs]

"""The engine obeys laws whose results are known; broken on purpose, in any of several ways, it does not."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from populace.cli.app import cli
from populace.personas import population
from populace.personas.errors import SetupError
from populace.scenarios.laws.law import Finding, society_of
from populace.scenarios.laws.suite import LAWS, check_laws, find_laws, table_of
from populace.sim import effects, observe, step
from populace.sim.seeds import derive_seed

type Patch = pytest.MonkeyPatch


def failed(*names: str) -> set[str]:
    """The laws of these that do not hold."""
    return {one.law for one in check_laws(find_laws(names)) if not one.passes}


def apply_in_reverse(patch: Patch) -> None:
    apply = step.StepPhase.apply
    patch.setattr(step.StepPhase, "apply", lambda self, items, results: apply(self, items[::-1], results[::-1]))


def apply_at_once(patch: Patch) -> None:
    """Agents see what those before them did in the same step."""
    one_by_one = step.StepPhase.results

    async def results(self: step.StepPhase, items: Sequence[Any], executor: Any, engine: Any) -> list[Any]:
        taken: list[Any] = []
        for item in items:
            taken += await one_by_one(self, [item], executor, engine)
            if taken[-1] is not None:
                self._effects.take_turn(taken[-1][0].observation, taken[-1][1])
        return taken

    patch.setattr(step.StepPhase, "results", results)
    patch.setattr(step.StepPhase, "apply", lambda self, items, taken: self._effects.compare())


def seed_without(part: int) -> Callable[[Patch], None]:
    """The seed of a turn does not depend on the run (0), the step (2) or the agent (3)."""

    def broken(patch: Patch) -> None:
        def derive(*purpose: Any) -> int:
            return derive_seed(*(0 if place == part else one for place, one in enumerate(purpose)))

        patch.setattr(step, "derive_seed", derive)

    return broken


def turn_ties_round(patch: Patch) -> None:
    seen_from = population._seen_from

    def turned(persona: str, relation: Any) -> Any:
        tie = seen_from(persona, relation)
        return replace(tie, outgoing=not tie.outgoing)

    patch.setattr(population, "_seen_from", turned)


def change_delivery(changed: Callable[[list[Any]], list[Any]]) -> Callable[[Patch], None]:
    """What was said in the second step arrives changed; all else arrives as it should."""

    def broken(patch: Patch) -> None:
        deliver = effects.Effects.deliver

        def delivered(self: effects.Effects, messages: Sequence[Any]) -> None:
            deliver(self, changed(list(messages)) if self._step == 2 else messages)

        patch.setattr(effects.Effects, "deliver", delivered)

    return broken


def count_each_tie_once(patch: Patch) -> None:
    known = observe._known
    patch.setattr(observe, "_known", lambda other, ties, levels: known(other, ties[:1], levels))


#: Each way to break the engine, and a law that notices it.
BROKEN = {
    "effects in another order": (apply_in_reverse, "serial-dictatorship"),
    "no snapshot": (apply_at_once, "beauty-contest"),
    "agents draw alike": (seed_without(3), "independent-cascade"),
    "steps draw alike": (seed_without(2), "independent-draws"),
    "seeds draw alike": (seed_without(0), "independent-draws"),
    "ties the other way round": (turn_ties_round, "independent-cascade"),
    "a lost message": (change_delivery(lambda said: said[1:]), "public-goods"),
    "a message that comes twice": (change_delivery(lambda said: [*said, said[0]]), "public-goods"),
    "ties of one weight": (count_each_tie_once, "degroot"),
}
#: Whose laws take long, or whose like is tried already.
SLOW = {"steps draw alike", "seeds draw alike", "a message that comes twice", "ties of one weight"}


@pytest.mark.parametrize("name", ["serial-dictatorship", "public-goods"])
def test_a_small_law_holds(name: str) -> None:
    assert not failed(name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 5])
def test_every_law_holds(seed: int) -> None:
    findings = list(check_laws(LAWS, seed=seed))
    assert {one.law for one in findings} == {law.name for law in LAWS}
    assert not [one for one in findings if not one.passes]


@pytest.mark.parametrize("broken", [pytest.param(one, marks=pytest.mark.slow if one in SLOW else ()) for one in BROKEN])
def test_a_broken_engine_breaks_a_law(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    breaks, law = BROKEN[broken]
    breaks(monkeypatch)
    assert failed(law) == {law}


def test_a_number_beyond_its_tolerance_fails_and_so_does_none() -> None:
    def passes(got: float) -> bool:
        return Finding("law", "number", expected=1.0, got=got, tolerance=0.1, source="theory").passes

    assert (passes(1.05), passes(1.2), passes(float("nan"))) == (True, False, False)


def test_a_pair_that_is_named_twice_has_two_ties() -> None:
    assert [tie.label for tie in society_of(2, [(0, 1), (0, 1)]).relations] == ["acquaintance 1", "acquaintance 2"]


def test_an_unknown_law_is_named_with_those_there_are() -> None:
    with pytest.raises(SetupError, match=r"no law 'schellin' \(did you mean 'schelling'\?"):
        find_laws(["schellin"])


def test_the_command_shows_one_table_and_ends_with_1_where_a_law_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    law = "serial-dictatorship"
    apply_in_reverse(monkeypatch)
    ended = CliRunner().invoke(cli, ["validate", "--law", law, "--csv"])
    assert ended.exit_code == 1, ended.exception
    columns, first, *_ = ended.stdout.splitlines()
    assert columns == ",".join(table_of(()).columns)
    assert first.startswith(law)
    assert "NO" in first

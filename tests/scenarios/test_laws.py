"""The engine obeys laws whose results are known; `test_broken_engines.py` breaks it on purpose."""

import pytest
from click.testing import CliRunner
from engine_laws.suite import LAWS, failed

from populace.cli.app import cli
from populace.core.errors import SetupError
from populace.scenarios.laws.law import Measured, society_of
from populace.scenarios.laws.suite import check_laws, find_laws, table_of
from populace.sim import step

type Patch = pytest.MonkeyPatch


def apply_in_reverse(patch: Patch) -> None:
    apply = step.StepPhase.apply
    patch.setattr(step.StepPhase, "apply", lambda self, items, results: apply(self, items[::-1], results[::-1]))


@pytest.mark.parametrize("name", ["serial-dictatorship", "public-goods"])
def test_a_small_law_holds(name: str) -> None:
    assert not list(failed(name))


@pytest.mark.slow
def test_every_law_holds() -> None:
    findings = list(check_laws(LAWS))
    assert {one.law for one in findings} == {law.name for law in LAWS}
    assert not [one for one in findings if not one.passes]


def test_a_number_beyond_its_tolerance_fails_and_so_does_none() -> None:
    def passes(got: float) -> bool:
        return Measured("number", expected=1.0, got=got, tolerance=0.1).passes

    assert (passes(1.05), passes(1.2), passes(float("nan"))) == (True, False, False)


def test_a_pair_that_is_named_twice_has_two_ties() -> None:
    assert [tie.label for tie in society_of(2, [(0, 1), (0, 1)]).relations] == ["acquaintance 1", "acquaintance 2"]


def test_an_unknown_law_is_named_with_those_there_are() -> None:
    with pytest.raises(SetupError, match=r"no law 'schellin' \(did you mean 'schelling'\?"):
        find_laws(["schellin"])


def test_the_command_shows_one_table_and_ends_with_1_where_a_law_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    law = "deffuant"
    apply_in_reverse(monkeypatch)
    ended = CliRunner().invoke(cli, ["check", "engine", "--law", law, "--csv"])
    assert ended.exit_code == 1, ended.exception
    columns, *numbers = ended.stdout.splitlines()
    assert columns == ",".join(table_of(()).columns)
    assert any(number.startswith(law) and ",NO," in number for number in numbers)

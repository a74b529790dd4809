"""What users write may fail: then they are told what, where in their own files, and how to go on."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ballots import Answering, Ballot, Vote

from populace.agents.actions import Action
from populace.core.errors import HookError, RunError, SetupError
from populace.sim.dynamics.declared import Intervention
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.resident import Resident, SocietyView
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.scenario import Scenario, Visit
from populace.sim.society import Society


def broken(*_: Any, **__: Any) -> Any:
    """Fails, whatever it is asked."""
    return dict[str, int]()["nothing"]


class Broken(Vote):
    """Fails when it is emitted."""

    @property
    def emitted_text(self) -> str:
        """Nothing."""
        return str(broken())


class Numbered(Vote):
    """Gives no text now and then."""

    @property
    def emitted_text(self) -> Any:
        """A number where the reason is that of the test's model."""
        return 3 if self.reason == "So." else self.reason


class Unspeakable(Vote):
    """Cannot be remembered."""

    def note(self, to: str = "") -> str:
        """Nothing."""
        return str(broken())


class Forgetful(Vote):
    """Is remembered as nothing."""

    def note(self, to: str = "") -> Any:
        """No text."""
        return None


class Flooded(Ballot):
    """Its intervention fails."""

    interventions = (Intervention(1, "flood", "A flood.", broken),)


def with_(**attributes: Any) -> Scenario:
    return type("Mine", (Ballot,), attributes)()  # type: ignore[no-any-return]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run.duckdb"


def run(scenario: Scenario, out: Path, people: int = 3, **options: Any) -> FinishedRun:
    hub = out.with_name("people.jsonl")
    hub.write_text("".join(f'{{"text": "A voter who keeps {n} hens."}}\n' for n in range(people)))
    given: dict[str, Any] = {"model": Answering(), "steps": 2} | options
    return Society(scenario, growth=Growth(hub=hub, hops=0), out=out, **given).run()


HOOKS = (
    "task",
    "ended",
    "mind",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("active", "visits", "offer", "measures", "described")),
)


@pytest.mark.parametrize("name", HOOKS)
def test_a_method_that_fails_is_named_with_its_class_and_the_users_own_line(name: str, out: Path) -> None:
    with pytest.raises(HookError) as failed:
        run(with_(**{name: broken}), out)
    assert str(failed.value).startswith(f"`{name}` of Mine failed with KeyError: 'nothing'.")
    assert failed.value.frames.count("\n") == 1
    assert "test_hooks.py:" in failed.value.frames
    assert 'return dict[str, int]()["nothing"]' in failed.value.frames


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (with_(interventions=property(broken)), "`interventions` of Mine"),
        (Flooded(), "`interventions: flood` of Flooded"),
        (with_(actions=(Broken,)), "`emitted_text` of Broken"),
        (with_(actions=(Numbered,)), "`emitted_text` of Numbered failed with TypeError: it must give a str"),
        (with_(actions=(Unspeakable,)), "`note` of Unspeakable"),
        (with_(active=lambda *_: None), "`active` of Mine failed with TypeError"),
        (with_(task=lambda *_: None), "`task` of Mine failed with TypeError: it must give a str, and gave None"),
        (with_(measures=lambda *_: {"a": "many"}), "`measures` of Mine failed with ValueError"),
        (
            with_(visits=lambda *_: [Visit("nobody", "Hello.")]),
            "`visits` of Mine failed with ValueError: it gave",
        ),
        (
            with_(visits=lambda *_: [("somebody", "Hello.")]),
            "`visits` of Mine failed with TypeError: it must",
        ),
        (with_(active=lambda *_: [1]), "`active` of Mine failed with TypeError: it must give residents"),
        (with_(measures=lambda *_: {5: 1}), "`measures` of Mine failed with TypeError: it must give a mapping"),
        (with_(mind=lambda *_: None), "`mind` of Mine failed with TypeError: it must give a Mind"),
        (with_(actions=(Forgetful,)), "`note` of Forgetful failed with TypeError: it must give a str, and gave None"),
        (with_(actions=property(broken)), "`actions` of Mine"),
        (with_(interventions=("flood",)), "`interventions` of Mine failed with TypeError: it must hold interventions"),
    ],
)
def test_what_a_method_gives_is_looked_at(scenario: Scenario, words: str, out: Path) -> None:
    with pytest.raises(HookError) as failed:
        run(scenario, out)
    assert str(failed.value).startswith(words)


def test_an_action_that_is_offered_alone_is_looked_at_too(out: Path) -> None:
    def offer(self: Scenario, resident: Resident, observation: object, rng: random.Random) -> tuple[type[Action], ...]:
        return (type("Late", (Vote,), {"remembered": "$choice", "__module__": __name__}),)

    with pytest.raises(SetupError, match="The action Late is remembered as"):
        run(with_(offer=offer), out)


def test_a_run_goes_on_once_the_method_is_mended(out: Path) -> None:
    def measures(self: Scenario, society: Society) -> Mapping[str, float]:
        return {"inverse": 1 / (2 - society.world.step)}

    with pytest.raises(HookError, match=f"Mend it, and go on with `populace resume {out}`"):
        run(with_(measures=measures), out)
    assert Society.resume(out, Ballot, model=Answering()).run().sql("SELECT count(*) FROM steps").rows == [(2,)]


class Silent(Ballot):
    """Nobody gives a vote that can be read."""


def status_of(path: Path) -> tuple[str, str, int]:
    with open_run(path) as stored:
        ((status, reason, steps),) = stored.query("SELECT status, reason, (SELECT count(*) FROM steps) FROM runs").rows
    return status, reason, steps


def test_a_run_whose_every_turn_failed_has_failed_and_can_be_gone_on_with(out: Path) -> None:
    with pytest.raises(RunError, match="All 6 turns failed and nothing was emitted; 6 of them with") as failed:
        run(Silent(), out, model=Answering(answer="no"))
    assert f"`populace resume {out} --steps 3`" in str(failed.value)
    assert status_of(out) == ("failed", str(failed.value), 2)
    with pytest.raises(RunError, match="All 6 turns failed"):
        Society.resume(out, Silent, model=Answering()).run()
    Society.resume(out, Silent, model=Answering(), steps=3).run()
    assert status_of(out)[0] == "finished"


@pytest.mark.slow
def test_no_further_step_is_paid_for_once_everybody_has_failed(out: Path) -> None:
    with pytest.raises(RunError, match="All 9 turns failed"):
        run(Silent(), out, people=9, steps=8, model=Answering(answer="no"))
    assert status_of(out)[2] == 1
    assert replay(out, Silent).difference == ""


def test_one_by_one_a_few_may_fail(out: Path) -> None:
    class OneByOne(Silent):
        def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
            return society.residents[:1]

    answers = iter(["no"] * 6)
    default = Answering().answer
    answering = Answering(answer=lambda _: next(answers, default))
    assert run(OneByOne(), out, people=2, steps=4, model=answering).sql("SELECT count(*) FROM emissions").rows[0][0] > 0


def test_a_world_needs_no_turn_to_have_lived(out: Path) -> None:
    class Asleep(Ballot):
        def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
            return ()

    run(Asleep(), out)
    assert status_of(out)[0] == "finished"


def test_what_is_wrong_with_an_action_is_said_before_there_is_a_file(out: Path) -> None:
    class Nowhere(Action):
        """Nothing."""

        addressed = True

    with pytest.raises(SetupError, match="The action Nowhere is addressed and has no field `to`"):
        run(with_(actions=(Nowhere,)), out)
    assert not out.exists()


def test_a_visit_says_something(out: Path) -> None:
    def visits(self: Scenario, society: Society, rng: random.Random) -> list[Visit]:
        return [Visit(society.residents[0].id, 5)]  # type: ignore[arg-type]

    with pytest.raises(HookError, match="`visits` of Mine failed with TypeError: it must give visits"):
        run(with_(visits=visits), out)


def test_a_scenario_in_which_nobody_could_do_anything_is_refused_before_anything_is_made(out: Path) -> None:
    with pytest.raises(SetupError, match="The scenario Mine has no actions"):
        run(with_(actions=()), out)
    with pytest.raises(SetupError, match=r"has no settings; call `super\(\).__init__\(settings\)`"):
        run(with_(__init__=lambda _self, _settings=None: None), out)
    assert not out.exists()


@pytest.mark.parametrize(("values", "said"), [(broken, "KeyError"), (lambda *_: ["no"], "values by field")])
def test_a_generator_of_the_stand_in_that_fails_is_named(tmp_path: Path, values: Any, said: str) -> None:
    class Generated(Vote):
        """Has a generator of its own."""

        @staticmethod
        def stand_in(*given: Any) -> Any:
            """What is tested."""
            return values(*given)

    class Generating(Ballot):
        actions = (Generated,)

    with pytest.raises(HookError, match=rf"`stand_in` of Generated failed with .*{said}"):
        Society(Generating(), growth=Growth(agents=2, hops=0), out=tmp_path / "run.duckdb", steps=1).run()

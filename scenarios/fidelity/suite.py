"""The suite: its runs, what each gives, and one table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from populace.agents import Limits, ModelHandle
from populace.personas import Hub
from populace.personas.errors import SetupError
from populace.personas.query import Result
from populace.sim import FinishedRun, Growth, Scenario, Society

from .effects import EffectSize, difference_effect, mean_effect, share_effect
from .model_checks import MODEL_CHECKS
from .questionnaire import FidelityAnswer, Questionnaire, people, questions, responses_of
from .societies import FOLLOWERS, ROUNDS, Convention, Move, VerbalOpinions, circle, late_adopters, moves_of, weights_of

_GAMES = "Charness and Rabin 2002"
_FORMATION = "Papachristou and Yuan 2024"
_DEGROOT = "DeGroot 1974; Chuang and others 2024"
_CONVENTION = "Centola and others 2018; Ashery and others 2025"
#: Steps of talk.
_TALK = 5
#: People who are committed to another name, beside those who play by themselves.
COMMITTED = (0, 2, 4)


def check_language_model(model: ModelHandle) -> None:
    """Raise `SetupError` for a model that is none."""
    if not model.is_language_model:
        raise SetupError(
            f"{model.name} is no language model, so there would be nothing to find about people; name a model, as "
            f"--model openai:NAME, or leave --model out to check the engine."
        )


@dataclass(frozen=True, slots=True)
class Suite:
    """The suite for one model, with its run files in one folder."""

    model: ModelHandle
    folder: Path
    seed: int = 0
    #: Further options of each run, as `limits`.
    options: Mapping[str, Any] = field(default_factory=dict)

    def effects(self) -> Iterator[EffectSize]:
        """All effects, as soon as each is known. Raises what a run raises."""
        answers = responses_of(self._run(Questionnaire(), people(), steps=len(questions())))
        yield from self._of_answers(answers)
        yield from self._weights(self._run(VerbalOpinions(), circle(), steps=_TALK))
        yield from self._conventions()

    def _conventions(self) -> Iterator[EffectSize]:
        alone, few, many = (
            late_adopters(self._run(Convention({"committed": committed}), people(), steps=ROUNDS, name=f"-{committed}"))
            for committed in COMMITTED
        )
        what = "share who leave the convention by themselves"
        yield share_effect("convention", what, *alone, reference=0.0, source=_CONVENTION)
        for committed, arm in zip(COMMITTED[1:], (few, many), strict=True):
            part = committed / (FOLLOWERS + committed)
            what = f"further share who do so where {part:.0%} of people are committed to another"
            yield difference_effect("convention", what, arm, alone, source=_CONVENTION)

    def _run(self, scenario: Scenario, hub: Hub, *, steps: int, name: str = "") -> FinishedRun:
        """The run, or what is left to do of it where it was begun before."""
        out = self.folder / f"{scenario.name}{name}.duckdb"
        if out.exists():
            limits = self.options.get("limits", Limits()).model_dump(exclude_unset=True)
            return Society.resume(out, type(scenario), model=self.model, limits=limits).run()
        growth = Growth(agents=None, hops=0)
        return Society(
            scenario, source=hub, growth=growth, steps=steps, seed=self.seed, out=out, model=self.model, **self.options
        ).run()

    def _of_answers(self, answers: Mapping[str, Sequence[FidelityAnswer]]) -> Iterator[EffectSize]:
        for one in MODEL_CHECKS.values():
            yield one.effect(answers.get(one.name, []), self.seed)
        games = answers.get("dictator game", [])
        for game in dict.fromkeys(one.question for one in games):
            chosen = [one.is_a for one in games if one.question == game]
            what, share = f"{game.name}: share who choose the first pair of the paper", game.share or 0.0
            yield share_effect("dictator game", what, sum(chosen), len(chosen), reference=share, source=_GAMES)
        for test, asked in answers.items():
            if asked[0].question.test == asked[0].question.name:
                chosen = [one.is_a for one in asked]
                what = "share who choose the one with more of it"
                yield share_effect(test, what, sum(chosen), len(chosen), reference=0.5, source=_FORMATION)

    def _weights(self, run: FinishedRun) -> Iterator[EffectSize]:
        agents = moves_of(run)
        answers = sum(map(len, agents))
        for what, weight in (("weight of the own opinion", _own), ("weight of what is heard from others", _heard)):
            yield mean_effect(
                "verbal opinions", what, agents, weight,
                reference=0.0, answers=answers, source=_DEGROOT, seed=self.seed,
            )  # fmt: skip


def _own(agents: Sequence[Sequence[Move]]) -> float:
    return weights_of(agents)[0]


def _heard(agents: Sequence[Sequence[Move]]) -> float:
    return weights_of(agents)[1]


def table_of(effects: Sequence[EffectSize]) -> Result:
    """One row for each effect."""
    columns = ("test", "what", "reference", "got", "low", "high", "size", "differs", "answers", "source")
    types = ("VARCHAR", "VARCHAR", *("DOUBLE",) * 5, "VARCHAR", "BIGINT", "VARCHAR")
    rows = [
        (e.test, e.what, e.reference, e.got, e.low, e.high, e.size, "yes" if e.differs else "no", e.answers, e.source)
        for e in effects
    ]
    return Result(columns, types, rows)

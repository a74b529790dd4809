"""What an experiment is: a scenario, arms, replicates, outcomes in SQL, and hypotheses stated beforehand.

An experiment is a Python file with one `Experiment` in it::

    from populace.sim import Experiment, Growth, Hypothesis, OutcomeQuery

    experiment = Experiment(
        "product_launch",
        factors={"price": (4, 6, 8)},
        replicates=5,
        steps=20,
        people=Growth(agents=100, hops=2),
        outcomes=[OutcomeQuery("share", "SELECT count(DISTINCT agent) / (SELECT count(*) FROM agents) FROM emissions")],
        hypotheses=[Hypothesis("share", "price=8", "price=4", direction="less")],
    )

The replicates of one number have the same people and the same seed in every arm: a paired design, in which what differs
between arms is what the arms differ in. Each replicate has people of its own, so that effects are tested against the
differences between people too. With `paired=False` each run has a seed and people of its own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import Any, Literal, get_args

from ...agents.gateway.limits import SAMPLING
from ...core.errors import SetupError
from ...core.inputs import nearest
from ..config import RunConfig
from ..growth import Growth
from ..scenario import Scenario, check_scenario, check_steps
from ..seeds import derive_seed

type Direction = Literal["differs", "more", "less"]
type Correction = Literal["holm", "bonferroni", "fdr_bh", "none"]
#: `new`: each replicate has people of its own. `fixed`: all runs have the same people, so that verdicts concern these
#: people only.
type PeopleDesign = Literal["new", "fixed"]

#: Options of a run that are the same in all arms: who lives there, for how long, and where it is written.
_SHARED = frozenset(
    {"scenario", "settings", "scenario_file", "growth", "seed", "steps", "limits", "prices", "cache", "batch"}
)
#: Names by which people are chosen, which no arm may do.
_PEOPLE = ("people", "growth", "hub", "sample", "draw", "agents", "hops", "seeds", "sources", "seed")
#: Beginnings of the names of models that have no address.
_IN_PROCESS = ("procedural", "gguf:")
_NAME = re.compile(r"[\w][\w .+=,@%:/-]{0,119}")


def run_options() -> tuple[str, ...]:
    """Return the names of the run options that may differ between arms."""
    own = (name for name in RunConfig.model_fields if name not in _SHARED)
    return (*own, *SAMPLING)


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition: its name, and what its runs have otherwise than those of other arms."""

    name: str
    #: Settings of the scenario and options of the run, by name.
    levels: Mapping[str, Any]

    @property
    def slug(self) -> str:
        """The name as a part of a file's name."""
        return re.sub(r"[^\w.=+-]+", "-", self.name)

    def has(self, levels: Mapping[str, str]) -> bool:
        """Return whether the arm has these levels, compared as text."""
        return all(name in self.levels and str(self.levels[name]) == level for name, level in levels.items())


@dataclass(frozen=True, slots=True)
class OutcomeQuery:
    """What is measured of each run, as one statement of SQL that is asked of its file.

    The answer has one row with one number, which is the run's; or a column `value` and perhaps `agent`, `group_name`
    and `weight`: then the run's value is the weighted mean of the rows, in all and by group. Rows without a value are
    left out and counted.
    """

    name: str
    sql: str
    #: What it says, in words; for codebooks.
    description: str = ""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What is expected before the runs: that `arm` differs from `against` in an outcome, in this direction.

    Arms are named; where they come of factors, levels as `price=8` mean all arms that have them.
    """

    outcome: str
    arm: str
    against: str
    direction: Direction = "differs"
    #: For the power: the difference that is expected, and the standard deviation between replicates of the difference
    #: of a pair of runs, or of a run where the design is not paired.
    effect: float | None = None
    sd: float | None = None


@dataclass(frozen=True, slots=True)
class ManipulationCheck:
    """Whether an arm did what it was to do: a number of each run, in SQL, that must lie in a range."""

    name: str
    sql: str
    low: float | None = None
    high: float | None = None
    #: Arms or levels that it is asked of; all unless given.
    arm: str | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment as it is declared. Raises `SetupError`, in one sentence, for what cannot be.

    `factors` are crossed: each combination of their levels is an arm, called as `price=4,model=openai:a`. `arms` name
    them instead, each with its settings. Both hold settings of the scenario, or options of a run (`run_options()`):
    `model`, `temperature`, ... People and seeds of a replicate are the same in all arms.
    """

    #: A scenario's name, the path of its script, or the class itself.
    scenario: str | type[Scenario]
    factors: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Runs of each arm.
    replicates: int = 5
    steps: int = 8
    people: Growth = field(default_factory=Growth)
    #: Whether replicates have new people, and what is tested: see `PeopleDesign`.
    people_design: PeopleDesign = "new"
    seed: int = 0
    #: Settings and options of all arms.
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    paired: bool = True
    outcomes: Sequence[OutcomeQuery] = ()
    hypotheses: Sequence[Hypothesis] = ()
    checks: Sequence[ManipulationCheck] = ()
    alpha: float = 0.05
    correction: Correction = "holm"
    name: str = ""

    def __post_init__(self) -> None:
        check_steps(self.steps)
        _check_numbers(self)
        _check_parts(self)
        if bool(self.factors) == bool(self.arms):
            raise SetupError(
                "An experiment has `factors`, whose levels are crossed, or named `arms`; give one of the two, as "
                "factors={'price': (4, 6)} or arms={'control': {}, 'treated': {'price': 6}}."
            )
        arms = self.all_arms
        if len(arms) < 2:
            raise SetupError(f"An experiment compares arms, and there is but one: {arms[0].name}; give two or more.")
        for arm in arms:
            if told := next((name for name in arm.levels if name in _PEOPLE), None):
                raise SetupError(
                    f"The arm {arm.name!r:.80} has other people than the rest ({told}={arm.levels[told]!r:.80}); the "
                    f"arms of an experiment are run with the same people, so give them by `people`, or make it two "
                    f"experiments."
                )
        _check_slugs(arms)
        for what, named in (("outcome", self.outcomes), ("check", self.checks)):
            names = [one.name for one in named]
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise SetupError(f"The {what} {twice!r} is given twice; give each a name of its own.")
        self._check_hypotheses()
        for check in self.checks:
            self.arms_of(check.arm)

    @property
    def all_arms(self) -> tuple[Arm, ...]:
        """The arms in their order; the first is what others are compared with unless a hypothesis says otherwise."""
        if self.arms:
            return tuple(Arm(name, MappingProxyType(dict(levels))) for name, levels in self.arms.items())
        return tuple(
            Arm(
                ",".join(f"{name}={level}" for name, level in zip(self.factors, levels, strict=True)),
                MappingProxyType(dict(zip(self.factors, levels, strict=True))),
            )
            for levels in product(*self.factors.values())
        )

    def arms_of(self, named: str | None) -> tuple[Arm, ...]:
        """Return the arms of a name, or of levels such as `price=4`. Return all arms for None.

        Raises `SetupError` if there are none.
        """
        arms = self.all_arms
        if named is None:
            return arms
        if found := tuple(arm for arm in arms if arm.name == named):
            return found
        levels = dict(part.split("=", 1) for part in named.split(",") if "=" in part)
        if levels and (found := tuple(arm for arm in arms if arm.has(levels))):
            return found
        known = [arm.name for arm in arms]
        raise SetupError(f"There is no arm {named!r}{nearest(named, known)}. There are: {', '.join(known)}.")

    def _check_hypotheses(self) -> None:
        outcomes = [one.name for one in self.outcomes]
        for hypothesis in self.hypotheses:
            if hypothesis.outcome not in outcomes:
                raise SetupError(
                    f"A hypothesis is about the outcome {hypothesis.outcome!r}{nearest(hypothesis.outcome, outcomes)}; "
                    f"there are: {', '.join(outcomes) or 'none'}."
                )
            against = {one.name for one in self.arms_of(hypothesis.against)}
            if both := [one.name for one in self.arms_of(hypothesis.arm) if one.name in against]:
                raise SetupError(
                    f"A hypothesis compares {hypothesis.arm!r} with {hypothesis.against!r}, and the arm {both[0]!r} is "
                    f"in both; name arms, or levels of one factor, that have none in common."
                )

    def seed_of(self, arm: Arm, replicate: int) -> int:
        """Return the 31-bit seed of a run. It is the same in all arms of a paired design."""
        own = () if self.paired else (arm.name,)
        return derive_seed(self.seed, "replicate", replicate, *own) >> 32

    def people_of(self, arm: Arm, replicate: int) -> str:
        """Return the name of a run's group of personas, which is the same for runs with the same personas.

        It is "" if all runs have the same ones.
        """
        if self.people_design != "new":
            return ""
        return f"r{replicate}" if self.paired else f"{arm.slug}-r{replicate}"

    def people_seed(self, name: str) -> int:
        """Return the seed with which the personas of a name are grown or sampled."""
        return derive_seed(self.seed, "people", name) >> 32 if name else self.seed

    def runs(self) -> Iterator[tuple[Arm, int]]:
        """Yield every run, arm by arm within a replicate. An experiment that stops early is therefore balanced."""
        return ((arm, number) for number in range(1, self.replicates + 1) for arm in self.all_arms)

    def settings_of(self, arm: Arm, scenario: type[Scenario]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return an arm's settings of the scenario and options of the run. Raises `SetupError`."""
        settings, options = dict(self.settings), dict(self.options)
        allowed = run_options()
        own = scenario.settings_type.model_fields
        for name in options:
            if name not in allowed:
                raise SetupError(f"A run has no option {name!r}{nearest(name, allowed)}. It has: {', '.join(allowed)}.")
        for name, level in arm.levels.items():
            if name in own:
                settings[name] = level
            elif name in allowed:
                options[name] = level
            else:
                known = [*own, *allowed]
                raise SetupError(
                    f"The arm {arm.name!r} has {name!r}, which is neither a setting of scenario {scenario.name!r} nor "
                    f"an option of a run{nearest(name, known)}. There are: {', '.join(known)}."
                )
        if "base_url" not in arm.levels and str(arm.levels.get("model", "")).startswith(_IN_PROCESS):
            options.pop("base_url", None)  # the address is that of the models of other arms
        return settings, options

    def check(self, scenario: type[Scenario]) -> None:
        """Raise `SetupError` if the scenario of an arm cannot be made with its settings."""
        for arm in self.all_arms:
            settings, _ = self.settings_of(arm, scenario)
            check_scenario(scenario(settings))

    def design(self, scenario: type[Scenario]) -> dict[str, Any]:
        """Return what the runs depend on, as JSON. A different design makes different runs.

        The addresses of all its models are left out, since they may change before the experiment continues.
        """
        return {
            "scenario": scenario.name,
            "arms": {arm.name: _as_json(dict(arm.levels)) for arm in self.all_arms},
            "steps": self.steps,
            "people": self.people.model_dump(mode="json"),
            "seed": self.seed,
            "settings": _as_json(dict(self.settings)),
            "options": _as_json({name: value for name, value in self.options.items() if name != "base_url"}),
            "paired": self.paired,
            "new_people": self.people_design == "new",
        }


def _as_json(levels: Mapping[str, Any]) -> dict[str, Any]:
    plain = (str, int, float, bool, type(None), list, tuple)
    return {name: value if isinstance(value, plain) else repr(value) for name, value in levels.items()}


def _check_numbers(experiment: Experiment) -> None:
    replicates: object = experiment.replicates
    if isinstance(replicates, bool) or not isinstance(replicates, int) or replicates < 1:
        raise SetupError(f"replicates must be a whole number from 1, but {replicates!r} was given.")
    _check_choice("people_design", experiment.people_design, get_args(PeopleDesign.__value__))
    _check_choice("correction", experiment.correction, get_args(Correction.__value__))
    if experiment.people_design == "new" and not experiment.people.is_rereadable:
        raise SetupError(
            "Each replicate has new people, and standard input cannot be read once for each; give `sources` as files, "
            "or people_design='fixed'."
        )
    if not 0 < experiment.alpha < 1:
        raise SetupError(f"alpha must lie between 0 and 1, but {experiment.alpha!r} was given.")
    for name, levels in experiment.factors.items():
        some: object = levels
        if isinstance(some, str) or not isinstance(some, Sequence) or not some:
            raise SetupError(f"The factor {name!r} must have levels, as {name}=(1, 2), but {levels!r} was given.")
        if len({str(level) for level in levels}) < len(levels):
            raise SetupError(f"The factor {name!r} has a level twice: {', '.join(map(str, levels))}.")


def _check_parts(experiment: Experiment) -> None:
    parts = (
        ("outcomes", OutcomeQuery, "'sold', 'SELECT count(*) FROM emissions'"),
        ("hypotheses", Hypothesis, "'sold', 'price=8', 'price=4'"),
        ("checks", ManipulationCheck, "'some were sold', 'SELECT count(*) FROM emissions', low=1"),
    )
    for name, kind, example in parts:
        for one in getattr(experiment, name):
            if not isinstance(one, kind):
                raise SetupError(f"{name} of an experiment hold {one!r:.80}; give each as {kind.__name__}({example}).")
    for hypothesis in experiment.hypotheses:
        _check_choice("direction", hypothesis.direction, get_args(Direction.__value__))


def _check_choice(name: str, given: str, choices: Sequence[str]) -> None:
    if given not in choices:
        raise SetupError(f"{name} must be {', '.join(choices[:-1])} or {choices[-1]}, but {given!r} was given.")


def _check_slugs(arms: Sequence[Arm]) -> None:
    known: dict[str, str] = {}
    for arm in arms:
        if not _NAME.fullmatch(arm.name):
            raise SetupError(
                f"The arm {arm.name!r} cannot be a part of a file's name; use up to 120 letters, digits, blanks and "
                f"any of . + - = , % @ : /, and name arms by `arms` where levels are longer."
            )
        if (other := known.setdefault(arm.slug.casefold(), arm.name)) != arm.name:
            raise SetupError(f"The arms {other!r} and {arm.name!r} would be files of one name; rename one of them.")

"""Checks of the models of an experiment, asked once before its runs: what they find are properties of the models.

Each language model of the design is asked a few questions whose answers should not depend on how they are put. The
checks themselves are given by the caller (`scenarios.fidelity.model_checks` has them): scenarios stand above this room.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from ...agents.endpoint.models import ModelHandle, open_model
from ...core.errors import SetupError
from ...core.inputs import resolve_file
from ...personas.hub import Hub
from ...personas.network.spec import parse_network
from ..runfile.ledger import SPENT
from ..runfile.reader import FinishedRun, QueryError, open_run
from ..scenario import Scenario
from ..scenario_checks import check_answers, check_interventions, check_surveys
from ..settling import checked_mind, mind_of
from ..society import Society
from .design import Experiment, ModelCheckName

#: Options of a run by which a model is asked, so that with others it is checked anew.
ASKED_BY = ("model", "base_url", "temperature", "top_p", "extra_body")


@dataclass(frozen=True, slots=True)
class EffectSize:
    """One number that was found, with its 95 % interval, beside what is to be expected."""

    test: str
    what: str
    #: What people gave, or what there would be without the effect.
    reference: float
    #: The number; nan where nothing was answered.
    got: float
    low: float
    high: float
    #: Cohen's h for a share, d for a mean: 0.2 is small, 0.5 medium, 0.8 large.
    size: float
    #: Answers that it rests on.
    answers: int
    source: str

    @property
    def differs(self) -> bool:
        """Whether the interval leaves the reference out; where there is none, it does not."""
        return self.reference < self.low or self.reference > self.high


class ModelCheck(Protocol):
    """A check of a model: a scenario of questions, asked of people of its own, and the effect in the answers."""

    @property
    def name(self) -> ModelCheckName:
        """What is checked."""
        ...

    @property
    def scenario(self) -> Scenario:
        """Asks one question a step."""
        ...

    @property
    def people(self) -> Hub:
        """Who is asked: the same people for every model."""
        ...

    @property
    def steps(self) -> int:
        """How many questions there are."""
        ...

    def read(self, run: FinishedRun, seed: int) -> EffectSize:
        """Return the effect in the answers of a run."""
        ...

    def warning(self, model: str, effect: EffectSize) -> str:
        """Return a warning about the model if there is an effect, else ""."""
        ...


_PUT = "SELECT coalesce(sum(active), 0) FROM steps"


@dataclass(frozen=True, slots=True)
class ExperimentModel:
    """A model as arms of an experiment ask it."""

    #: Its name, and how it is asked where that is stated.
    name: str
    options: Mapping[str, Any]
    #: Why it is not checked; empty where it is.
    skipped: str = ""

    def path(self, folder: Path, check: ModelCheckName) -> Path:
        """Return the run file of a check in this folder."""
        told = re.sub(r"[^\w.=+-]+", "-", self.name)[:80]
        return folder / f"{told}-{sha256(self.name.encode()).hexdigest()[:6]}.{check.replace(' ', '-')}.duckdb"


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """What a check of a model found, as a row of the merged file; numbers are None where it was not asked."""

    model: str
    name: str
    what: str
    reference: float | None
    got: float | None
    low: float | None
    high: float | None
    size: float | None
    #: Questions that were put, and those that were answered.
    asked: int
    answers: int
    calls: int
    source: str
    warning: str
    #: Why it was not asked; empty where it was.
    skipped: str


def models_of(experiment: Experiment, scenario: type[Scenario]) -> list[ExperimentModel]:
    """Return the models of the arms, each once. A model that no check is asked of says why."""
    asked = []
    for arm in experiment.all_arms:
        settings, options = experiment.settings_of(arm, scenario)
        by = {name: options[name] for name in ASKED_BY if options.get(name) is not None}
        given = by.pop("model", "procedural")
        handle = given if isinstance(given, ModelHandle) else open_model(given, base_url=by.get("base_url"))
        asked.append((handle, given, by, _skipped(handle, scenario(settings), options.get("mind"))))
    found: dict[str, ExperimentModel] = {}
    for handle, given, by, skipped in asked:
        same = [others for other, _, others, _ in asked if other.name == handle.name]
        varied = [name for name in ASKED_BY if len({repr(others.get(name)) for others in same}) > 1]
        name = ", ".join([handle.name, *(f"{one}={by[one]}" for one in varied if one in by)])
        # A model that decides in some arms is asked, though rules decide in others.
        if name not in found or (found[name].skipped and not skipped):
            found[name] = ExperimentModel(name, MappingProxyType(by | {"model": given}), skipped)
    return list(found.values())


def _skipped(model: ModelHandle, scenario: Scenario, mind: Any) -> str:
    if not model.is_language_model:
        return (
            f"{model.name} is no language model: it answers by rule and seed, so there is nothing to find out about "
            f"it, and it was not asked."
        )
    if (own := mind_of(scenario, mind)) is not None and not hasattr(own, "ainvoke"):
        return f"The agents decide by a rule, so {model.name} decides nothing, and it was not asked."
    return ""


def read_checks(
    models: Sequence[ExperimentModel], checks: Sequence[ModelCheck], folder: Path, seed: int
) -> Iterator[CheckedModel]:
    """Yield what the checks found, from their finished run files in this folder."""
    for model in models:
        for check in checks:
            if model.skipped:
                none = (None,) * 5
                yield CheckedModel(model.name, check.name, "", *none, 0, 0, 0, "", "", model.skipped)
                continue
            path = model.path(folder, check.name)
            with open_run(path) as run:
                calls, *_ = run.query(SPENT, {"job": 1}).rows[0]
                ((asked,),) = run.query(_PUT).rows
            found = check.read(FinishedRun(path, ""), seed)
            numbers = (found.reference, found.got, found.low, found.high, found.size)
            warning = check.warning(model.name, found)
            if found.got != found.got:
                warning = f"{model.name} gave no answer that this could be computed from."
            yield CheckedModel(
                model.name, check.name, found.what, *numbers, asked, found.answers, calls, found.source, warning, ""
            )


#: What the columns of an outcome can be called.
_COLUMNS = {"value", "agent", "group_name", "weight"}


def check_run(society: Society) -> None:
    """Raise `SetupError` or `SourceError` for errors in a run that can be found before it is opened.

    These are interventions and surveys that would never happen, and a mind the scenario does not have. They are also
    rules that answer no survey, and a network whose file does not exist.
    """
    scenario, config = society.scenario, society.config
    scenario.check_readable()
    check_interventions(scenario, config.steps)
    check_surveys(scenario, config.steps)
    mind = checked_mind(scenario, config)
    check_answers(scenario, is_rule=mind is not None and not hasattr(mind, "ainvoke"))
    if (file := parse_network(config.network).file) is not None:
        resolve_file(file)


def check_queries(experiment: Experiment, people: Path) -> None:
    """Raise `SetupError` if the SQL of an outcome or check names something that no run has.

    The queries are run on the file of the personas. It has all tables of a run, and the tables that came with its
    personas.
    """
    asked = [(f"The outcome {one.name!r}", one.sql) for one in experiment.outcomes]
    asked += [(f"The check {one.name!r}", one.sql) for one in experiment.checks]
    with open_run(people) as run:
        for where, sql in asked:
            try:
                found = run.query(sql)
            except QueryError as error:
                raise SetupError(f"{where} cannot be asked of a run: {error}") from error
            check_columns(found.columns, where)


def check_columns(columns: Sequence[str], where: str) -> list[str]:
    """Return the columns of an outcome by their meaning. Raises `SetupError` for other columns."""
    names = ["value"] if len(columns) == 1 else list(columns)
    if "value" not in names or (other := set(names) - _COLUMNS):
        said = "has no column `value`" if "value" not in names else f"has columns {', '.join(sorted(other))} too"
        raise SetupError(f"{where} {said}; its columns are value, and perhaps agent, group_name and weight.")
    return names


def code_hash(script: Path) -> str:
    """Return a hash of a scenario's script without imports, experiments, what only those use, comments and layout.

    Adding a hypothesis or an outcome to the same file later therefore keeps the runs valid.
    """
    tree = ast.parse(script.read_bytes())
    body = [
        node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom) and not _is_experiment(node)
    ]
    while True:
        names = [name for node in body for name in ast.walk(node) if isinstance(name, ast.Name)]
        read = {name.id for name in names if isinstance(name.ctx, ast.Load)}
        kept = [node for node in body if not isinstance(node, ast.Assign) or _bind_names(node) & read]
        if len(kept) == len(body):
            break
        body = kept
    tree.body = body
    return sha256(ast.unparse(tree).encode()).hexdigest()


def _is_experiment(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    made = value.func if isinstance(value, ast.Call) else None
    return getattr(made, "id", getattr(made, "attr", "")) == "Experiment"


def _bind_names(node: ast.Assign) -> set[str]:
    return {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}

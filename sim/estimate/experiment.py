"""What an experiment will ask of its models and cost: its people, checks of each model once, and all its runs."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...agents.gateway.budget import Prices
from ...agents.gateway.limits import Limits
from ...personas.hub import Hub
from ..experiment.design import Experiment, ModelCheckName, check_names
from ..experiment.folder import SAMPLING
from ..experiment.model_checks import ModelCheck, models_of
from ..growth import Growth
from ..scenario import GrowthOnly, Scenario
from ..society import Society
from .estimator import Estimate, estimate
from .report import EstimateTable, figures_of, sentences

_COLUMNS = ("part", "runs", "calls", "tokens in", "tokens out", "reasoning", "dollars")


@dataclass(frozen=True, slots=True)
class ExperimentPart:
    """A part of an experiment, and what one of its runs will take."""

    name: str
    runs: int
    each: Estimate

    @property
    def all(self) -> Estimate:
        """What all its runs will take."""
        return replace(self.each, purposes=tuple(replace(p, calls=p.calls * self.runs) for p in self.each.purposes))


def estimate_experiment(
    experiment: Experiment,
    scenario: type[Scenario],
    *,
    scenario_file: Path | None = None,
    checks: Mapping[ModelCheckName, ModelCheck] = MappingProxyType({}),
    prices: Prices | None = None,
) -> list[ExperimentPart]:
    """What `run_experiment` with the same arguments will ask and cost, part by part; no model is asked.

    The people are grown by the stand-in for it, in a temporary file. Raises what `run_experiment` raises for an
    experiment that cannot be.
    """
    experiment.check(scenario)
    wanted = [checks[name] for name in check_names(experiment.model_checks)]
    models = [one for one in models_of(experiment, scenario) if not one.skipped] if wanted else []
    first, *_ = (experiment.settings_of(arm, scenario)[1] for arm in experiment.all_arms)
    asked = {name: first[name] for name in ("model", "base_url") if name in first}
    people = len({experiment.people_of(*run) for run in experiment.runs()})
    found = [ExperimentPart("people", people, estimate(GrowthOnly(), growth=experiment.people, prices=prices, **asked))]
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            for check in wanted:
                path = Path(folder) / f"{check.name}.duckdb"
                if not path.exists():
                    _settle(path, Growth(agents=None, hops=0), check.people)
                each = _estimated(check.scenario, path, check.steps, prices, model.options)
                found.append(ExperimentPart(f"{check.name} of {model.name}", 1, each))
        settled = Path(folder) / "people.duckdb"
        _settle(settled, experiment.people)
        for arm in experiment.all_arms:
            settings, options = experiment.settings_of(arm, scenario)
            given = options | ({"scenario_file": scenario_file} if scenario_file else {})
            each = _estimated(scenario(settings), settled, experiment.steps, prices, given)
            found.append(ExperimentPart(arm.name, experiment.replicates_of(arm.name), each))
    return found


def experiment_table(parts: Sequence[ExperimentPart]) -> EstimateTable:
    """One row for each part that asks a model or is run, and one for all of them."""
    rows = [(part.name.replace(",", ", "), str(part.runs), *figures_of([part.all])) for part in parts]
    rows.append(("in all", str(sum(part.runs for part in parts)), *figures_of([part.all for part in parts])))
    return EstimateTable(tuple(rows), _COLUMNS, ("VARCHAR",) * len(_COLUMNS))


def experiment_sentences(parts: Sequence[ExperimentPart]) -> list[str]:
    """What the numbers rest on."""
    runs = [part for part in parts if part.runs > 1] or parts
    return list(dict.fromkeys(said for part in runs for said in sentences(part.each)))


def _settle(path: Path, growth: Growth, source: Hub | None = None) -> None:
    Society(GrowthOnly(), growth=growth, source=source, out=path, model="procedural").run()


def _estimated(
    scenario: Scenario, people: Path, steps: int, prices: Prices | None, options: Mapping[str, Any]
) -> Estimate:
    limits = Limits.given(**{name: options[name] for name in SAMPLING if name in options})
    named = {name: value for name, value in options.items() if name not in SAMPLING}
    growth = Growth(hub=people, agents=None, hops=0)
    found = estimate(scenario, growth=growth, steps=steps, limits=limits, prices=prices, **named)
    return replace(found, can_be_sampled=False)

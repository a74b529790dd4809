"""What an experiment will ask of its models and cost: its people, checks of each model once, and all its runs."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...agents.gateway.budget import Prices
from ...personas.hub import Hub
from ..experiment.design import Experiment, ModelCheckName, check_names
from ..experiment.folder import SAMPLING
from ..experiment.model_checks import ModelCheck, models_of
from ..growth import Growth
from ..scenario import GrowthOnly, Scenario
from ..society import Society
from .estimator import SAMPLED_CALLS, Estimate, Sampling
from .purposes import Purpose, add_purposes
from .report import EstimateTable, figures, sentences
from .society import estimate

_COLUMNS = ("part", "runs", "calls", "tokens in", "tokens out", "reasoning", "dollars")
#: Calls of a sample of one part, at least.
_FEWEST = 12


@dataclass(frozen=True, slots=True)
class ExperimentPart:
    """A part of an experiment, and what one of its runs will take."""

    name: str
    runs: int
    each: Estimate

    @property
    def all(self) -> Purpose:
        """What all its runs will take."""
        return self.each.total.times(self.runs)


def estimate_experiment(
    experiment: Experiment,
    scenario: type[Scenario],
    *,
    scenario_file: Path | None = None,
    checks: Mapping[ModelCheckName, ModelCheck] = MappingProxyType({}),
    prices: Prices | None = None,
    sampling: Sampling | None = None,
) -> list[ExperimentPart]:
    """Estimate what `run_experiment` with the same arguments will ask and cost, per part, as 90 % prediction intervals.

    For each part with a language model a sample is asked. The size of `sampling` is that of all parts together. The
    personas for the estimate are grown by the built-in generator, in a temporary file. Raises what `run_experiment`
    raises for an invalid experiment.
    """
    experiment.check(scenario)
    wanted = [checks[name] for name in check_names(experiment.model_checks)]
    models = [one for one in models_of(experiment, scenario) if not one.skipped] if wanted else []
    first, *_ = (experiment.settings_of(arm, scenario)[1] for arm in experiment.all_arms)
    asked: dict[str, Any] = {name: first[name] for name in ("model", "base_url") if name in first}
    people = len({experiment.people_of(*run) for run in experiment.runs()})
    sampling = _for_each(sampling or Sampling(), 1 + len(models) * len(wanted) + len(experiment.all_arms))
    each = _estimated(GrowthOnly(), experiment.people, 1, prices, asked, sampling)
    found = [ExperimentPart("people", people, each)]
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            for check in wanted:
                path = Path(folder) / f"{check.name}.duckdb"
                if not path.exists():
                    _settle(path, Growth(agents=None, hops=0), check.people)
                each = _estimated(check.scenario, _of(path), check.steps, prices, model.options, sampling)
                found.append(ExperimentPart(f"{check.name} of {model.name}", 1, each))
        settled = Path(folder) / "people.duckdb"
        _settle(settled, experiment.people)
        for arm in experiment.all_arms:
            settings, options = experiment.settings_of(arm, scenario)
            given = options | ({"scenario_file": scenario_file} if scenario_file else {})
            each = _estimated(scenario(settings), _of(settled), experiment.steps, prices, given, sampling)
            found.append(ExperimentPart(arm.name, experiment.replicates_of(arm.name), each))
    return found


def experiment_table(parts: Sequence[ExperimentPart]) -> EstimateTable:
    """Return one row for each part that asks a model or is run, and one for the total."""
    rows = [_row(part.name.replace(",", ", "), part.runs, [part]) for part in parts]
    rows.append(_row("in all", sum(part.runs for part in parts), parts))
    return EstimateTable(tuple(rows), _COLUMNS, ("VARCHAR",) * len(_COLUMNS))


def _row(name: str, runs: int, parts: Sequence[ExperimentPart]) -> tuple[str, ...]:
    """Return calls, tokens and dollars of several parts. Tokens are left out if no part has a language model."""
    _, calls, *_ = figures(add_purposes("", [part.all for part in parts]))
    asked = [part.all for part in parts if part.each.is_language_model]
    return name, str(runs), calls, *(figures(add_purposes("", asked))[2:] if asked else ("-", "-", "-", "0"))


def experiment_sentences(parts: Sequence[ExperimentPart]) -> list[str]:
    """Return sentences on what the numbers are based on."""
    runs = [part for part in parts if part.runs > 1] or parts
    found = dict.fromkeys(said for part in runs for said in sentences(part.each))
    if not any(part.each.sample for part in parts):
        return list(found)
    asked = [part for part in parts if part.each.is_language_model]
    worst = add_purposes("", [part.each.computed.times(part.runs) for part in asked])
    dollars = "an unknown number of" if worst.cost is None else f"{worst.cost.high:,.2f}"
    whole = (
        "The intervals of the table hold with 90 % certainty each, and that of all parts together; in the worst case "
        f"all of it takes {worst.calls.high:,.0f} calls and {dollars} dollars. Of one run each:"
    )
    return [whole, *found]


def _for_each(sampling: Sampling, parts: int) -> Sampling:
    if sampling.number == 0:
        return sampling
    return replace(sampling, number=max(_FEWEST, (sampling.number or 2 * SAMPLED_CALLS) // parts))


def _of(hub: Path) -> Growth:
    return Growth(hub=hub, agents=None, hops=0)


def _settle(path: Path, growth: Growth, source: Hub | None = None) -> None:
    Society(GrowthOnly(), growth=growth, source=source, out=path, model="procedural").run()


def _estimated(
    scenario: Scenario,
    growth: Growth,
    steps: int,
    prices: Prices | None,
    options: Mapping[str, Any],
    sampling: Sampling,
) -> Estimate:
    limits = sampling.limits.changed(**{name: options[name] for name in SAMPLING if name in options})
    named = {name: value for name, value in options.items() if name not in SAMPLING}
    asked: dict[str, Any] = {"growth": growth, "steps": steps, "limits": limits, "prices": prices, **named}
    plain = estimate(scenario, sample=0, **asked)
    # What is as small as a sample of it is not asked twice.
    if not sampling.number or not plain.is_language_model or plain.calls.low <= sampling.number:
        return plain
    asked |= {"cache": sampling.cache, "progress": sampling.progress, "announce": sampling.announce}
    return estimate(scenario, sample=sampling.number, **asked)

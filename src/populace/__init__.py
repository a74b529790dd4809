"""Turn texts into personas, connect them into a social network, and put an LLM agent behind each one.

    import populace

    run = populace.run("village", agents=40, steps=3, out="village.duckdb")
    run.sql("SELECT kind, count(*) FROM emissions GROUP BY kind").df()

Names are imported when they are first used, so that `import populace` alone takes no time.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .agents.actions import Action
    from .analysis.export.export import export_outputs as export
    from .data import grade, solve
    from .facade import experiment, grow, make, run, run_async
    from .personas.hub.file import open_hub
    from .personas.persona import Persona
    from .sim.enrichment import enrich
    from .sim.fork import fork
    from .sim.interview import interview as ask
    from .sim.replay import replay
    from .sim.runfile.reader import open_run
    from .sim.scenario import Scenario
    from .sim.society import Society
    from .sim.survey.job import survey_run as survey
    from .sim.tasks.translating import translate

__all__ = [
    "Action",
    "Persona",
    "Scenario",
    "Society",
    "__version__",
    "ask",
    "enrich",
    "experiment",
    "export",
    "fork",
    "grade",
    "grow",
    "make",
    "open_hub",
    "open_run",
    "replay",
    "run",
    "run_async",
    "solve",
    "survey",
    "translate",
]

__version__ = "0.1.0"

#: Where each name is, with the name that it has there if that is another.
_MODULES = {
    "Action": "agents.actions",
    "Persona": "personas.persona",
    "Scenario": "sim.scenario",
    "Society": "sim.society",
    "ask": "sim.interview:interview",
    "enrich": "sim.enrichment",
    "experiment": "facade",
    "export": "analysis.export.export:export_outputs",
    "fork": "sim.fork",
    "grade": "data",
    "grow": "facade",
    "make": "facade",
    "open_hub": "personas.hub.file",
    "open_run": "sim.runfile.reader",
    "replay": "sim.replay",
    "run": "facade",
    "run_async": "facade",
    "solve": "data",
    "survey": "sim.survey.job:survey_run",
    "translate": "sim.tasks.translating",
}

# A checkout on a system without symbolic links has the five packages only at its root.
if not (Path(__file__).parent / "sim").is_dir():
    __path__.append(str(Path(__file__).parents[2]))


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, there = _MODULES[name].partition(":")
    found = globals()[name] = getattr(import_module(f".{module}", __name__), there or name)
    return found


def __dir__() -> list[str]:
    return __all__

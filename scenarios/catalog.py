"""The scenarios that can be run: those that ship with Populace by name, any other by the path of its script."""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import TYPE_CHECKING, cast

from populace.agents.action_schema import form_in_words
from populace.core.errors import PopulaceError, SetupError
from populace.core.inputs import nearest
from populace.core.prompt import Prompt, read_prompt
from populace.sim.scenario import SEEN_SETTINGS, Scenario, Settings
from populace.sim.tasks.task import Task

if TYPE_CHECKING:
    from populace.sim.experiment.design import Experiment
    from populace.sim.survey.survey import Survey

#: The module of a task's folder that holds its class.
_TASK = "task"


def iter_scenarios() -> Iterator[type[Scenario]]:
    """Every scenario that ships with Populace, by name; tasks are apart (`iter_tasks`)."""
    for module in _list_modules(are_packages=False):
        if module != "catalog":
            yield from _scenarios_of(importlib.import_module(f"{__package__}.{module}"))


def iter_tasks() -> Iterator[type[Task]]:
    """Every task that ships with Populace, by name; each is a folder with a `task.py`."""
    for folder in _list_modules(are_packages=True):
        yield _task_in(folder)


def _list_modules(*, are_packages: bool) -> list[str]:
    here = Path(__file__).parent
    found = (module for module in pkgutil.iter_modules([str(here)]) if module.ispkg is are_packages)
    return sorted(one.name for one in found if not are_packages or (here / one.name / f"{_TASK}.py").is_file())


def _task_in(folder: str) -> type[Task]:
    (task,) = _scenarios_of(importlib.import_module(f"{__package__}.{folder}.{_TASK}"))
    return cast("type[Task]", task)


def find_task(name: str) -> tuple[type[Task], Path | None]:
    """The task called `name` and no path, or the one in a folder or script that `name` is a path of, and that path.

    Raises `SetupError` with the nearest names when there is none.
    """
    if name.endswith(".py") or "/" in name or "\\" in name:
        path = Path(name) / f"{_TASK}.py" if Path(name).is_dir() else Path(name)
        found = load_scenario(path)
        if not issubclass(found, Task):
            raise SetupError(f"The scenario in {str(path)!r} is no task; derive it from Task, or use `populace run`.")
        return found, path
    folder = name.replace("-", "_")
    if folder in _list_modules(are_packages=True):
        return _task_in(folder), None
    known = [task.name for task in iter_tasks()]
    raise SetupError(
        f"There is no task {name!r}{nearest(name, known)}. There are: {', '.join(known)}; "
        f"or give the path of a folder, as ./my_task."
    )


def find_scenario(name: str) -> tuple[type[Scenario], Path | None]:
    """The scenario called `name` and no path, or the one in the script that `name` is a path of, and that path.

    Raises `SetupError` with the nearest names when there is none.
    """
    if name.endswith(".py") or "/" in name:
        path = Path(name)
        return load_scenario(path), path
    return shipped_scenario(name), None


def shipped_scenario(name: str) -> type[Scenario]:
    """The scenario of that name which ships with Populace. Raises `SetupError` with the nearest names."""
    if (found := _find_shipped(name)) is None:
        known = [scenario.name for scenario in iter_scenarios()]
        raise SetupError(
            f"There is no scenario {name!r}{nearest(name, known)}. There are: {', '.join(known)}; "
            f"or give the path of a script, as ./my_scenario.py."
        )
    return found


def is_shipped(name: str) -> bool:
    """Whether a scenario or task of that name ships with Populace."""
    return _find_shipped(name) is not None


def _find_shipped(name: str) -> type[Scenario] | None:
    folder = name.replace("-", "_")
    if folder in _list_modules(are_packages=True):
        return _task_in(folder)
    return next((scenario for scenario in iter_scenarios() if scenario.name == name), None)


def load_scenario(path: Path) -> type[Scenario]:
    """The one scenario that the script at `path` defines. Raises `SetupError` when it cannot be had."""
    module = _load_module(path, "scenario script")
    found = list(_scenarios_of(module))
    if len(found) != 1:
        names = ", ".join(scenario.__name__ for scenario in found) or "none"
        raise SetupError(f"The script {str(path)!r} must define one subclass of Scenario with a name; it has: {names}.")
    _check_class(found[0])
    return found[0]


def load_experiment(path: Path) -> "Experiment":
    """The one experiment that the Python file at `path` defines. Raises `SetupError` when it cannot be had."""
    from populace.sim.experiment.design import Experiment  # which loads all that runs need

    found = [value for value in vars(_load_module(path, "experiment")).values() if isinstance(value, Experiment)]
    if len(found) != 1:
        raise SetupError(
            f"The file {str(path)!r} must define one Experiment, as `experiment = Experiment(...)`; it has "
            f"{len(found) or 'none'}."
        )
    return found[0]


def load_surveys(path: Path) -> "list[Survey]":
    """The surveys that the Python file at `path` defines, in their order. Raises `SetupError` when there is none."""
    from populace.sim.survey.survey import Survey

    found = [value for value in vars(_load_module(path, "survey file")).values() if isinstance(value, Survey)]
    if not found:
        raise SetupError(
            f'The file {str(path)!r} defines no Survey; write one, as `council = Survey("council", [...])`.'
        )
    return found


def _load_module(path: Path, kind: str) -> ModuleType:
    """The module that a user's file is. Raises `SetupError`, with the line that fails."""
    if not path.is_file():
        raise SetupError(f"There is no {kind} {str(path)!r}; give the path of a Python file.")
    name = f"populace_scenario_{path.stem}"
    if path.stem == _TASK:  # in a folder of its own, whose modules import one another
        folder = f"populace_task_{path.absolute().parent.name}"
        package = ModuleType(folder)
        package.__path__ = [str(path.absolute().parent)]
        for known in [known for known in sys.modules if known == folder or known.startswith(f"{folder}.")]:
            del sys.modules[known]
        sys.modules[folder] = package
        name = f"{folder}.{_TASK}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SetupError(f"{str(path)!r} is not a Python script; a file ending in .py is expected.")
    module = importlib.util.module_from_spec(spec)
    # As for any import: pydantic and dataclasses look up a class's annotations in its module, by name.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SystemExit as error:
        raise SetupError(
            f"The {kind} {str(path)!r} ends the program when it is read; put what it runs under "
            f'`if __name__ == "__main__":`.'
        ) from error
    except PopulaceError as error:
        raise SetupError(f"The {kind} {str(path)!r} cannot be used: {error}") from error
    except Exception as error:  # a user's script can fail in any way
        other = error.name if isinstance(error, ModuleNotFoundError) else None
        if other and (path.with_name(f"{other}.py").is_file() or path.with_name(other).is_dir()):
            raise SetupError(
                f"The {kind} {str(path)!r} imports {other!r}, which stands beside it: a script is read by itself. "
                f"Write both in one file; or call the script task.py, in a folder with the other, and write "
                f"`from .{other} import ...`."
            ) from error
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == spec.origin]
        where = f" in line {lines[-1]}" if lines else ""
        raise SetupError(f"The {kind} {str(path)!r} fails{where} with {type(error).__name__}: {error}.") from error
    return module


def _check_class(scenario: type[Scenario]) -> None:
    given: object = scenario.settings_type
    if not (isinstance(given, type) and issubclass(given, Settings)):
        raise SetupError(
            f"The scenario {scenario.__name__} has the settings_type {given!r:.80}; give a class derived from Settings."
        )
    try:
        inspect.signature(scenario).bind({})
    except TypeError as error:
        raise SetupError(
            f"The scenario {scenario.__name__} cannot be made from its settings alone ({error}); let its `__init__` "
            f"take `settings=None` and nothing else without a default."
        ) from error


def settings_of(scenario: type[Scenario]) -> Iterator[str]:
    """A line for each setting of a scenario: `name=default (type, bounds)  meaning`; its own settings come first."""
    schema = scenario.settings_type.model_json_schema()
    used = [name for name in schema["properties"] if scenario.observes or name not in SEEN_SETTINGS]
    for name in sorted(used, key=lambda name: name in Settings.model_fields):
        field = scenario.settings_type.model_fields[name]
        default = "" if field.is_required() else _plain_value(field.get_default(call_default_factory=True))
        default = "" if default == () else default
        kind = form_in_words(schema["properties"][name], schema.get("$defs", {}))
        about = " ".join((field.description or "").split())
        yield f"{name}={default} ({kind}{', required' * field.is_required()})  {about}".rstrip()


def prompts_of(scenario: type[Scenario]) -> tuple[Prompt, ...]:
    """The prompts that a scenario brings: the files in `prompts/` beside its script, and those of its actions."""
    folder = Path(inspect.getfile(scenario)).with_name("prompts")
    files = [*folder.glob("*.toml"), *(folder.parent.glob("*.v*.toml") if issubclass(scenario, Task) else ())]
    found = [read_prompt(path) for path in sorted(files)]
    listed: object = scenario.actions  # a property where they follow from the settings
    for action in listed if isinstance(listed, tuple | list) else ():
        if isinstance(action.prompt, Prompt) and action.prompt not in found:
            found.append(action.prompt)
    return tuple(sorted(found, key=lambda prompt: (prompt.name, prompt.version)))


def _plain_value(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def _scenarios_of(module: ModuleType) -> Iterator[type[Scenario]]:
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, Scenario)
            and value.name
            and value.__module__ == module.__name__
        ):
            yield value

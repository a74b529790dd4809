"""The scenarios that can be run: those that ship with Populace by name, any other by the path of its script."""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from populace.personas.errors import SetupError
from populace.sim.choices import nearest
from populace.sim.scenario import Scenario

__all__ = ["find_scenario", "iter_scenarios", "load_scenario", "shipped_scenario"]


def iter_scenarios() -> Iterator[type[Scenario]]:
    """Every scenario that ships with Populace, by name."""
    for module in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda m: m.name):
        if module.name != "catalog":
            yield from _scenarios_of(importlib.import_module(f"{__package__}.{module.name}"))


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
    known = {scenario.name: scenario for scenario in iter_scenarios()}
    if name not in known:
        raise SetupError(
            f"There is no scenario {name!r}{nearest(name, known)}. There are: {', '.join(known)}; "
            f"or give the path of a script, as ./my_scenario.py."
        )
    return known[name]


def load_scenario(path: Path) -> type[Scenario]:
    """The one scenario that the script at `path` defines. Raises `SetupError` when it cannot be had."""
    if not path.is_file():
        raise SetupError(f"There is no scenario script {str(path)!r}; give the path of a Python file.")
    spec = importlib.util.spec_from_file_location(f"populace_scenario_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SetupError(f"{str(path)!r} is not a Python script; a scenario is a file ending in .py.")
    module = importlib.util.module_from_spec(spec)
    # As for any import: pydantic and dataclasses look up a class's annotations in its module, by name.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SystemExit as error:
        raise SetupError(
            f"The scenario script {str(path)!r} ends the program when it is read; put what it runs under "
            f'`if __name__ == "__main__":`.'
        ) from error
    except Exception as error:  # a user's script can fail in any way
        raise SetupError(f"The scenario script {str(path)!r} fails with {type(error).__name__}: {error}.") from error
    found = list(_scenarios_of(module))
    if len(found) != 1:
        names = ", ".join(scenario.__name__ for scenario in found) or "none"
        raise SetupError(f"The script {str(path)!r} must define one subclass of Scenario with a name; it has: {names}.")
    return found[0]


def _scenarios_of(module: ModuleType) -> Iterator[type[Scenario]]:
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, Scenario)
            and value.name
            and value.__module__ == module.__name__
        ):
            yield value

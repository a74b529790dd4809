"""The scenarios that can be run: those that ship with Populace by name, any other by the path of its script."""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from populace.personas.errors import PopulaceError, SetupError
from populace.personas.inputs import nearest
from populace.personas.prompt import Prompt, read_prompt
from populace.sim.scenario import Scenario, Settings

_BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "to {}",
    "exclusiveMaximum": "less than {}",
    "pattern": "like {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or less",
}


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
    except PopulaceError as error:
        raise SetupError(f"The scenario script {str(path)!r} cannot be used: {error}") from error
    except Exception as error:  # a user's script can fail in any way
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == spec.origin]
        where = f" in line {lines[-1]}" if lines else ""
        raise SetupError(
            f"The scenario script {str(path)!r} fails{where} with {type(error).__name__}: {error}."
        ) from error
    found = list(_scenarios_of(module))
    if len(found) != 1:
        names = ", ".join(scenario.__name__ for scenario in found) or "none"
        raise SetupError(f"The script {str(path)!r} must define one subclass of Scenario with a name; it has: {names}.")
    _check_class(found[0])
    return found[0]


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
    for name in sorted(schema["properties"], key=lambda name: name in Settings.model_fields):
        field = scenario.settings_type.model_fields[name]
        default = "" if field.is_required() else _plain(field.get_default(call_default_factory=True))
        kind = _kind(schema["properties"][name], schema.get("$defs", {}))
        about = " ".join((field.description or "").split())
        yield f"{name}={default} ({kind}{', required' * field.is_required()})  {about}".rstrip()


def prompts_of(scenario: type[Scenario]) -> tuple[Prompt, ...]:
    """The prompts that a scenario brings: the files in `prompts/` beside its script, and those of its actions."""
    folder = Path(inspect.getfile(scenario)).with_name("prompts")
    found = [read_prompt(path) for path in sorted(folder.glob("*.toml"))]
    listed: object = scenario.actions  # a property where they follow from the settings
    for action in listed if isinstance(listed, tuple | list) else ():
        if isinstance(action.prompt, Prompt) and action.prompt not in found:
            found.append(action.prompt)
    return tuple(sorted(found, key=lambda prompt: (prompt.name, prompt.version)))


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def _kind(schema: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        return _kind(shared[schema["$ref"].rpartition("/")[2]], shared)
    if "anyOf" in schema:
        return " or ".join(_kind(one, shared) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(str(value) for value in schema.get("enum", [schema.get("const")]))
    bounds = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema]
    kind = {"null": "none", "boolean": "true or false"}.get(schema.get("type", ""), schema.get("type", "any"))
    return ", ".join([kind, *bounds])


def _scenarios_of(module: ModuleType) -> Iterator[type[Scenario]]:
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, Scenario)
            and value.name
            and value.__module__ == module.__name__
        ):
            yield value

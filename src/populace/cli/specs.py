"""Commands with panels of options, which may be the fields of a spec that is imported when it is first needed."""

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import click

from .guard import bound_numbers

_TYPES: dict[Any, Any] = {
    int: click.INT,
    float: click.FLOAT,
    str: click.STRING,
    Path: click.Path(path_type=Path),
}


class PanelCommand(click.Command):
    """A command whose help lists the options by panel, its own first."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a panel for each group of options."""
        panels: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                panels.setdefault(getattr(param, "panel", "Options"), []).append(record)
        for title, records in panels.items():
            with formatter.section(title):
                formatter.write_dl(records)


#: Makes a command of a function.
command = partial(click.command, cls=PanelCommand)


class SpecCommand(PanelCommand):
    """A command with the options of a spec, behind its arguments."""

    def __init__(self, *args: Any, spec: str, **options: Any) -> None:
        """Take the place of the spec, as `populace.sim.tasks.outputs:OutputSpec`."""
        super().__init__(*args, **options)
        self._spec: str | None = spec

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the arguments and options."""
        if self._spec is not None:
            module, _, name = self._spec.partition(":")
            self._spec = None
            arguments = sum(isinstance(one, click.Argument) for one in self.params)
            self.params[arguments:arguments] = _options(getattr(import_module(module), name))
            bound_numbers(self)
        return super().get_params(ctx)


def _options(spec: Any) -> Iterator[click.Option]:
    from populace.core.spec import iter_options

    for name, field, option in iter_options(spec):
        flag = f"--{option.name or name.replace('_', '-')}"
        kind, is_many = _type_of(field.annotation)
        if kind is None:
            yield click.Option([flag, name], is_flag=True, default=None, help=option.help)
            continue
        yield click.Option(
            [flag, name],
            type=kind,
            multiple=is_many,
            required=field.is_required(),
            metavar=option.metavar,
            help=option.help,
        )


def _type_of(annotation: Any) -> tuple[Any, bool]:
    """Return the type of an option for a field's type, None for a flag, and whether it may be given several times."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return _type_of(next(one for one in inner if one is not NoneType))
    if origin is tuple:
        return _type_of(inner[0])[0], True
    if origin is Literal:
        return click.Choice(inner), False
    return (None if annotation is bool else _TYPES.get(annotation, click.STRING)), False

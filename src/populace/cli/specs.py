"""Commands with panels of options, which may be the fields of a spec that is imported when it is first needed."""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import click

from .guard import check_numbers

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from populace.core.model import Option

type Command = Callable[..., Any]

_TYPES: dict[Any, Any] = {
    int: click.INT,
    float: click.FLOAT,
    str: click.STRING,
    Path: click.Path(path_type=Path),
}


class SpecOptions(click.Option):
    """Stands for the options of a spec that one panel lists, until a command is asked for its parameters."""

    def __init__(self, names: Sequence[str], *, spec: str, panel: str) -> None:
        super().__init__(names)
        self._spec, self._panel = spec, panel

    def __iter__(self) -> Iterator[click.Option]:
        from populace.core.model import iter_options

        module, _, name = self._spec.partition(":")
        for field_name, field, option in iter_options(getattr(import_module(module), name)):
            if option.panel == self._panel:
                yield _make_option(field_name, field, option)


def spec_options(spec: str, panel: str = "Options") -> Callable[[Command], Command]:
    """Add the options of a spec, named as `populace.sim.specs:OutputSpec`, that one panel lists."""
    return click.option("--spec", cls=SpecOptions, spec=spec, panel=panel)


class PanelCommand(click.Command):
    """A command whose help lists the options by panel, its own first."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the arguments and options, those of specs among them."""
        if any(isinstance(param, SpecOptions) for param in self.params):
            parts = (list(param) if isinstance(param, SpecOptions) else [param] for param in self.params)
            self.params = [param for part in parts for param in part]
        return super().get_params(ctx)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, once its numbers are known to be some."""
        check_numbers(ctx)
        return super().invoke(ctx)

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


def _make_option(name: str, field: "FieldInfo", option: "Option") -> click.Option:
    flag = f"--{option.name or name.replace('_', '-')}"
    kind, is_many = _type_of(field.annotation)
    default = field.default if isinstance(field.default, int | float) and kind is not None else None
    text = option.help if default is None else f"{option.help}  [default: {default:{'' if kind is click.INT else 'g'}}]"
    made = click.Option(
        [flag, name],
        type=kind,
        is_flag=kind is None,
        default=None,
        multiple=is_many,
        required=field.is_required(),
        metavar=option.metavar,
        help=text,
    )
    made.panel = option.panel  # type: ignore[attr-defined]
    return made


def _type_of(annotation: Any) -> tuple[Any, bool]:
    """Return the type of an option for a field's type, None for a flag, and whether it may be given several times."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return _type_of(next(one for one in inner if one is not NoneType))
    if origin is tuple:
        return _type_of(inner[0])[0], True
    if origin is Literal:
        return click.Choice(inner), False
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return click.Choice([one.value for one in annotation]), False
    return (None if annotation is bool else _TYPES.get(annotation, click.STRING)), False

"""`populace hub`: what is done with a file of people."""

from importlib import import_module
from importlib.util import find_spec

import click

from . import hub_store

__all__ = ["hub"]

#: The other modules of the group: each offers one command.
_OTHERS = ("hub_people", "hub_select", "hub_profiles", "hub_graph")


@click.group()
def hub() -> None:
    """Keep people in one file: import, export, choose, find near-duplicates, and ask."""


for command in hub_store.COMMANDS:
    hub.add_command(command)

for name in _OTHERS:
    if find_spec(f"{__package__}.{name}") is not None:
        module = import_module(f"{__package__}.{name}")
        hub.add_command(getattr(module, module.__all__[0]))

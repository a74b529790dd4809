"""`populace hub`: what is done with a file of people."""

import click

from . import hub_store
from .hub_graph import graph
from .hub_people import check
from .hub_profiles import enrich
from .hub_select import select

__all__ = ["hub"]


@click.group()
def hub() -> None:
    """Keep people in one file: import, export, choose, find near-duplicates, and ask."""


for command in (*hub_store.COMMANDS, check, enrich, graph, select):
    hub.add_command(command)

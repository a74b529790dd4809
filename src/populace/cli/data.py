"""`populace data`: what is done with the outputs of a run."""

import click

from . import diversity, export, grade, solve


@click.group()
def data() -> None:
    """Solve, grade, translate, clean, split and measure outputs."""


for command in (
    *(solve.solve, solve.evaluate, solve.translate, grade.grade, grade.agreement, grade.pairs),
    *(diversity.yield_, diversity.diversity, diversity.coverage, diversity.decontaminate, export.split),
):
    data.add_command(command)

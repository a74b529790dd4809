"""`populace doctor`: what an endpoint can do, before a run depends on it."""

from typing import TYPE_CHECKING

import click

from .show import terminal_width

if TYPE_CHECKING:
    from rich.console import Console

    from populace.agents.doctor.probe import Examination, Finding
    from populace.agents.endpoint.models import ModelHandle
    from populace.agents.gateway.budget import Prices

_STYLES = {"ok": "green", "no": "red", "unknown": "yellow"}


@click.command()
@click.option("--model", default="procedural", show_default=True, help="The model, as `populace run` takes it.")
@click.option("--base-url", multiple=True, help="Endpoint; may be given again.  [default: OPENAI_BASE_URL]")
@click.option("--embeddings", metavar="MODEL", help="An embedding model to try at the same endpoint.")
@click.option("--price", metavar="IN/OUT[/CACHED]", help="Dollars for a million tokens, where they are not known.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True, help="A call's.")
def doctor(model: str, base_url: tuple[str, ...], embeddings: str | None, price: str | None, timeout: float) -> None:
    """Check an endpoint with some fifteen small calls: what it can do, and what a run makes of what it cannot.

    The exit code is 0 when a run could work.
    """
    import asyncio

    from rich.console import Console

    from populace.agents.endpoint.models import open_model
    from populace.agents.gateway.budget import given_prices, known_prices
    from populace.agents.procedural import PROCEDURAL_NOTICE

    handle = open_model(model, base_url=base_url or None, timeout=timeout)
    if not handle.is_language_model:
        click.echo(f"Model {handle.name} needs no endpoint, so there is nothing to check. {PROCEDURAL_NOTICE}")
        return
    prices = given_prices(price) if price is not None else known_prices(handle)
    console = Console(width=terminal_width(), highlight=False)
    examinations = asyncio.run(_all(handle, console, timeout, embeddings, prices))
    if not all(examination.works for examination in examinations):
        raise click.exceptions.Exit(1)


async def _all(
    handle: "ModelHandle", console: "Console", within: float, embeddings: str | None, prices: "Prices | None"
) -> "list[Examination]":
    from dataclasses import replace
    from functools import partial

    from populace.agents.doctor.doctor import examine

    examinations = []
    try:
        for endpoint in handle.all:
            one = replace(endpoint, more=())
            console.print(f"\n{one.name} at {one.endpoint or 'a server of our own'}", style="bold", markup=False)
            found = partial(_show, console)
            examinations.append(await examine(one, within=within, embeddings=embeddings, prices=prices, found=found))
            _conclude(console, examinations[-1])
    finally:
        await handle.aclose()
    return examinations


def _show(console: "Console", finding: "Finding") -> None:
    from rich.table import Table
    from rich.text import Text

    from populace.analysis.table import visible

    row = Table.grid(padding=(0, 2))
    row.add_column(width=28)
    row.add_column(width=7)
    row.add_column()
    style = _STYLES[finding.health]
    row.add_row(f"  {finding.check}", Text(finding.health, style=style), Text(visible(finding.said)))
    console.print(row)


def _conclude(console: "Console", examination: "Examination") -> None:
    for fallback in examination.fallbacks:
        console.print(f"  {fallback}", markup=False, style="italic")
    verdict = "A run could work" if examination.works else "A run would not work"
    cost = "1 call was made" if examination.calls == 1 else f"{examination.calls} calls were made"
    tokens = f", {examination.tokens:,} tokens counted" if examination.tokens else ""
    console.print(f"  {verdict}. For this {cost}{tokens}.", markup=False, style="bold")

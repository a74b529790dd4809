"""The second stage of `populace hub dedup`: its options, and what it says."""

from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .options import bound_options, limits_of

if TYPE_CHECKING:
    from populace.personas.hub.vectors import EmbeddedReport
    from populace.sim.embedding import HubVectors

__all__ = ["meaning_of", "meaning_options", "resume_embedding"]

type Command = Callable[..., Any]

_OPTIONS = (
    click.option("--embeddings", metavar="MODEL", help="Then compare by meaning, with this model: openai:NAME."),
    click.option("--embeddings-url", metavar="URL", help="Its endpoint.  [default: OPENAI_BASE_URL]"),
    click.option("--embeddings-price", metavar="IN", type=float, help="Dollars for a million of its tokens."),
    click.option(
        "--cosine",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.9,
        show_default=True,
        help="Least cosine of two vectors.",
    ),
    click.option("--exact", is_flag=True, help="Compare everybody with everybody, however many there are."),
    click.option("--cache", type=click.Path(path_type=Path), help="File that shares paid vectors with other jobs."),
)


class _Stopped(click.ClickException):
    exit_code = 130


def meaning_options(command: Command) -> Command:
    """The command with the options of comparing by meaning."""
    command = bound_options(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def meaning_of(options: Mapping[str, Any]) -> Callable[[Path], None] | None:
    """What compares a hub's people by meaning and says what came of it; None without an embedding model.

    Raises `SetupError` for a model that there is not.
    """
    if options["embeddings"] is None:
        return None
    from populace.agents.embedding.models import open_embedder
    from populace.agents.gateway.prices import given_prices
    from populace.personas.errors import SetupError

    if not 0 < options["cosine"] <= 1:  # which nan is not either
        raise SetupError(f"--cosine is a similarity above 0 and up to 1, but {options['cosine']} was given.")

    limits, price = limits_of(options), options["embeddings_price"]
    handle = open_embedder(options["embeddings"], base_url=options["embeddings_url"], timeout=limits.timeout)
    wishes = {
        "threshold": options["cosine"],
        "limits": limits,
        "prices": None if price is None else given_prices(f"{price}/0"),
        "cache": options["cache"],
        "exact": options["exact"] or None,
    }
    return lambda hub: _compare(hub, handle, wishes)


def resume_embedding(hub: Path, job: int, given: Mapping[str, Any]) -> None:
    """Go on with an unfinished job for the vectors of a hub, as `populace resume` does."""
    from populace.sim.embedding import resume_embedding as resumed

    from .panel import Panel

    _work(hub, lambda: resumed(hub, job, progress=Panel(), **given))


def _compare(hub: Path, handle: Any, wishes: Mapping[str, Any]) -> None:
    from populace.sim.embedding import dedup_by_meaning

    from .panel import Panel

    _work(hub, lambda: dedup_by_meaning(hub, handle, progress=Panel(), **wishes))


def _work(hub: Path, work: "Callable[[], tuple[HubVectors, EmbeddedReport | None]]") -> None:
    """Do the job and say what came of it; when it stops before its end, say how to go on."""
    from populace.personas.errors import EndpointError, PausedError

    way_on = f"What was fetched is kept: go on with `populace resume {quote(str(hub))}`."
    try:
        fetched, report = work()
    except KeyboardInterrupt:
        raise _Stopped(f"Stopped. {way_on}") from None
    except PausedError as error:
        raise PausedError(f"Paused. {error} {way_on}") from error
    except EndpointError as error:
        sentence = str(error).replace("--base-url", "--embeddings-url")
        raise EndpointError(f"{sentence} {way_on}") from error
    _say(hub, fetched, report)


def _say(hub: Path, fetched: "HubVectors", report: "EmbeddedReport | None") -> None:
    if fetched.job is not None:
        click.echo(
            f"{fetched.fetched:,} of {fetched.missing:,} texts got a vector; the calls are in {hub}, as job "
            f"{fetched.job}."
        )
    if report is None:
        return
    index = "" if report.is_exact else ", by an index that may overlook a few in a thousand"
    click.echo(
        f"{report.marked:,} of {report.judged:,} people were marked as near-duplicates by {report.model} at a cosine "
        f"of {report.threshold:g}{index}."
    )
    if report.without:
        click.echo(f"{report.without:,} people have no vector and were not compared by meaning.")

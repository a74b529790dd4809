"""`populace hub`: what is in a hub, near-duplicates by words and by meaning, undoing and merging."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from .hub_files import export, import_
from .hub_people import check, enrich
from .hub_select import graph, sample
from .jobs import fetch_errors, fetching_options, say_fetched
from .options import limits_of, meaning_options, shared_option
from .show import show_facts
from .specs import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from populace.personas.hub.dedup import EmbeddedReport
    from populace.sim.embedding import HubVectors


def show_done(hub: Path, kind: object, done: "tuple[HubVectors, EmbeddedReport | None]") -> None:
    """Say what came of fetching vectors, and of comparing by them."""
    fetched, report = done
    for job in fetched.abandoned:
        click.echo(
            f"Job {job} of {hub} was not finished and asked for something else; it is abandoned, and what it fetched "
            "stays."
        )
    say_fetched(hub, fetched)
    if report is None:
        return
    index = "" if report.is_exact else ", by an index that may overlook a few in a thousand"
    click.echo(
        f"{report.marked:,} of {report.judged:,} people were marked as near-duplicates by {report.model} at a cosine "
        f"of {report.threshold:g}{index}."
    )
    if report.without:
        click.echo(f"{report.without:,} people have no vector and were not compared by meaning.")


_PATH = click.Path(path_type=Path)


@command("info")
@click.argument("hub_path", type=_PATH, metavar="HUB")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def info(hub_path: Path, as_json: bool) -> None:
    """Summarise the personas and what is known of them.

    Works while the hub is growing.
    """
    from populace.core.model import PROCEDURAL_NOTICE
    from populace.sim.jobs.life import hub_in_numbers, jobs_in

    described = hub_in_numbers(hub_path)
    jobs = jobs_in(hub_path)
    notice = PROCEDURAL_NOTICE if described.by_stand_in else None
    if as_json:
        import orjson

        click.echo(orjson.dumps(described.as_dict() | {"jobs": jobs, "notice": notice}).decode())
        return
    reasons = {job.job: f": {job.reason}" if job.reason else "" for job in jobs}
    told = [(f"job {job.job}", f"{job.kind} by {job.model}, {job.status}{reasons[job.job]}") for job in jobs]
    show_facts([*described.as_rows(), *told], str(hub_path))
    if notice:
        click.echo(notice)


@command("dedup")
@click.argument("hub_path", type=_PATH, metavar="HUB")
@click.option(
    "--threshold",
    type=click.FloatRange(0.1, 1.0),
    default=0.9,
    show_default=True,
    help="Least similarity; below 0.5 with --method minhash.",
)
@click.option("--anew", is_flag=True, help="Withdraw earlier verdicts first, as for another threshold.")
@click.option(
    "--method",
    type=click.Choice(["exact", "minhash"]),
    default="exact",
    show_default=True,
    help="How candidates are found: all of them, or by the paper's MinHash (128 permutations).",
)
@click.option(
    "--ngram", type=click.IntRange(1, 20), default=1, show_default=True, help="Words in each n-gram compared."
)
@meaning_options
@click.option(
    "--cosine",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.9,
    show_default=True,
    help="Least cosine of two vectors.",
)
@click.option("--exact", is_flag=True, help="Compare everybody with everybody by meaning, however many there are.")
@shared_option
def dedup(
    hub_path: Path,
    threshold: float,
    anew: bool,
    method: Literal["exact", "minhash"],
    ngram: int,
    **options: Any,
) -> None:
    """Mark near-duplicate personas; nothing is deleted.

    The first persona to arrive stays. Earlier verdicts are kept, so another threshold or method needs --anew, and what
    was undone stays undone. Both methods decide by the exact Jaccard similarity of two texts; MinHash finds 99.5 % of
    the pairs at the threshold and more of those above it. With --embeddings, the remaining personas are compared by
    meaning too. `populace hub undo` takes verdicts back.
    """
    from populace.agents.embedding.models import open_embedder
    from populace.personas.dedup import DedupMethod
    from populace.personas.hub.dedup import dedup_hub
    from populace.personas.hub.file import describe_hub, open_hub
    from populace.sim.embedding import dedup_by_meaning

    model = options["embeddings"]
    timeout = limits_of(options).timeout
    handle = model and open_embedder(model, base_url=options["embeddings_url"], timeout=timeout)
    with open_hub(hub_path, write=True) as hub:
        report = dedup_hub(hub, threshold=threshold, anew=anew, method=DedupMethod(method, ngram))
    click.echo(
        f"{report.marked:,} of {report.judged:,} people were marked as near-duplicates at {threshold:g}; "
        f"{report.marked_before:,} were marked before{' and judged anew' if anew else ''}, "
        f"and {report.undone:,} verdicts are undone."
    )
    if handle:
        with fetch_errors(hub_path):
            done = dedup_by_meaning(
                hub_path,
                handle,
                threshold=options["cosine"],
                exact=options["exact"] or None,
                **fetching_options(options),
            )
        show_done(hub_path, None, done)
    with open_hub(hub_path) as hub:
        stages = describe_hub(hub).stages
    if stages:
        click.echo(f"By stage: {', '.join(f'{stage} {times:,}' for stage, times in stages)}.")
    if not handle:
        click.echo("Only the lexical stage ran: texts that say the same in other words are not found by it.")


@command("undo")
@click.argument("hub_path", type=_PATH, metavar="HUB")
@click.option("--persona", metavar="ID", help="The verdicts that mark this person.")
@click.option("--all-stage", metavar="STAGE", help="All verdicts of a stage.")
@click.option("--rule", metavar="RULE", help="Whom this rule rejected, and the descriptions it rewrote.")
@click.option("--redo", is_flag=True, help="Let the verdicts hold again instead.")
def undo(hub_path: Path, redo: bool, **given: Any) -> None:
    """Undo near-duplicate verdicts or the results of a rule.

    Personas that were left out count again. A description that a rule rewrote is restored, with all that refers to it,
    unless the original was not kept. Restored personas are compared with the others if near-duplicates were searched
    for before.
    """
    from populace.personas.hub.file import open_hub
    from populace.personas.hub.rewrites import count_rejected, undo_persona, undo_rule, undo_stage

    ways: dict[str, Callable[..., int]] = {"persona": undo_persona, "all_stage": undo_stage, "rule": undo_rule}
    said = {name: value for name, value in given.items() if value is not None}
    if len(said) != 1:
        ways_out = "--persona ID, --all-stage STAGE or --rule RULE"
        raise click.UsageError(f"Say which verdicts are meant, in one way: {ways_out}.")
    ((name, value),) = said.items()
    with open_hub(hub_path, write=True) as hub:
        changed = ways[name](hub, value, redo=redo)
        state = count_rejected(hub, value) if name == "rule" else None
    click.echo(_describe_undone("verdict" if state is None else "rule result", changed, redo=redo))
    if state is not None:
        gone = f"; {state.gone:,} more cannot come back, for their descriptions were not kept" if state.gone else ""
        click.echo(f"Of {state.people:,} people whom {value} has rejected, {state.retained:,} are retained now{gone}.")


@command("merge")
@click.argument("hubs", nargs=-1, required=True, type=_PATH, metavar="HUB HUB...")
@click.option("--out", required=True, type=_PATH, help="The new hub.")
@shared_option
def merge(hubs: tuple[Path, ...], out: Path) -> None:
    """Merge hubs into a new one.

    Equal texts become one persona, with everything that is known about it.
    """
    from populace.personas.hub.merge import merge_hubs

    report = merge_hubs(hubs, out)
    facts: dict[str, object] = {
        "people": sum(report.people),
        "texts met again": report.equal,
        "different people": report.personas,
        "relations": report.relations,
        "relations left out": report.dangling and f"{report.dangling:,}: they name somebody who is in none of the hubs",
        "verdicts": report.verdicts,
        "vectors": report.vectors,
        "rows not taken over": ", ".join(f"{what} {rows:,}" for what, rows in report.left_out),
    }
    show_facts(facts.items(), str(out))
    if report.returned:
        click.echo(
            f"{report.returned:,} people whom a check had removed or rewritten in one of the hubs came again from "
            f"another; judge them with: populace hub check {out}"
        )
    click.echo(f"Whoever is nearly equal across them is found by: populace hub dedup {out}")


def _describe_undone(what: str, changed: int, *, redo: bool) -> str:
    if not changed:
        return f"All of these {what}s {'hold' if redo else 'are undone'} already."
    if changed == 1:
        return f"1 {what} {'holds again' if redo else 'is undone'}."
    return f"{changed:,} {what}s {'hold again' if redo else 'are undone'}."


@click.group()
def hub() -> None:
    """Import, clean, sample and merge personas.

    A hub is one DuckDB file with personas, relations, profiles, sources and licences.
    """


for one in (import_, export, info, dedup, undo, merge, check, enrich, graph, sample):
    hub.add_command(one)

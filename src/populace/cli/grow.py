"""`populace grow`: people from texts, and the people around them, into a hub."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .guard import option
from .options import (
    add_options,
    asked_of,
    changed_limits,
    check_sample,
    estimate_options,
    key_option,
    limit_options,
    limits_of,
    sampling_options,
    shared_option,
)
from .specs import Command, command

if TYPE_CHECKING:
    from populace.sim.growth import Growth


_TEXTS = (
    click.option("--column", help="Column of tables that holds the text.  [default: text, content, body or passage]"),
    click.option("--licence", help="Licence of texts that do not state theirs (SPDX)."),
    click.option("--text-language", metavar="TAG", help="Language of texts that do not state theirs (BCP 47)."),
    click.option("--encoding", help="Encoding of texts that are not UTF-8."),
    click.option("--format", help="Format of a source whose name does not tell, as jsonl for standard input."),
    click.option("--passage-words", type=int, help="Words of a passage, at most.  [default: 200]"),
    click.option("--strict", is_flag=True, help="Stop at the first file or row that cannot be read."),
)

_PEOPLE = (
    click.option(
        "--verb",
        default="read",
        show_default=True,
        help="Who is likely to read, write, like or dislike (or anything else) the text; any for all of them.",
    ),
    click.option("--per-text", type=int, default=1, show_default=True, help="People inferred from each passage."),
    click.option(
        "--granularity",
        default="specific",
        show_default=True,
        help="How closely people are described: broad, general, specific, 'very specific' or detailed.",
    ),
    click.option("--structured", is_flag=True, help="Text-to-Persona describes people in named parts, not in prose."),
    click.option(
        "--language",
        help="Language that people are described in (BCP 47); a limit takes bundled texts in it first.  [default: en]",
    ),
    click.option(
        "--quality/--no-quality",
        default=True,
        help="Reject descriptions that are too short, a refusal, in the first person, ...  [default: --quality]",
    ),
    click.option(
        "--personal",
        type=click.Choice(["keep", "pseudonymise", "drop", "ignore"]),
        default="keep",
        show_default=True,
        help="What becomes of personal data, as far as patterns find them: flagged, replaced, or not let in.",
    ),
)

_HOPS = (
    click.option("--hops", type=int, default=6, show_default=True, help="Hops of Persona-to-Persona, 0 to 6."),
    click.option(
        "--fan-out", default="3", show_default=True, help="Relations asked for at each person, or by hop: 5,3,2."
    ),
    click.option("--kinds", help="Kinds of relations that are wanted: kinship,care,mentoring.  [default: all]"),
    click.option(
        "--low-visibility/--any-visibility",
        default=True,
        show_default=True,
        help="Remind the model of people of whom little is written.",
    ),
    click.option(
        "--acquaintances",
        type=int,
        default=3,
        show_default=True,
        help="People already there who are offered as relations, so that circles close; 0 as in the paper.",
    ),
    click.option(
        "--frontier",
        type=click.Choice(["novelty", "chance"]),
        default="novelty",
        show_default=True,
        help="Whom a hop asks about, where a limit leaves a choice; by novelty the newest come first.",
    ),
    click.option("--limit", type=int, help="Maximum number of people; further texts are used before deeper hops."),
    click.option(
        "--until-novelty",
        type=float,
        metavar="SHARE",
        help="Stop when less than this share of the latest 500 newcomers is somebody new.",
    ),
)

_MODEL = (
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice."),
    click.option(
        "--model",
        default="procedural",
        show_default=True,
        help="procedural, openai:NAME for any OpenAI-compatible endpoint, or gguf:PATH.",
    ),
    click.option("--batch", is_flag=True, help="Send requests through the endpoint's batches."),
    estimate_options,
)


def _grow_options(command: Command) -> Command:
    for options, panel in ((_TEXTS, "Texts"), (_PEOPLE, "People"), (_HOPS, "Growth"), (_MODEL, "Options")):
        command = add_options(command, options, panel)
    return command


@command()
@click.argument("sources", nargs=-1)
@click.option("--hub", type=click.Path(path_type=Path), required=True, help="The hub that people are grown into.")
@click.option("--people", type=click.Path(path_type=Path), help="Grow from the people of this hub, not from texts.")
@_grow_options
@limit_options
@sampling_options
@key_option
@shared_option
def grow(sources: tuple[str, ...], hub: Path, **options: Any) -> None:
    """Grow personas from texts, and personas around them.

    SOURCES are files (text, Markdown, HTML, PDF, DOCX, EPUB, JSONL, CSV, Parquet, Arrow; also compressed), folders,
    or - for standard input. Without SOURCES the bundled texts are read. The same command on an existing hub continues
    where it stopped, and grows further with more --hops, a higher --limit or more sources.
    """
    from populace.core.database import is_made
    from populace.core.errors import name_parameters
    from populace.personas.rules.personal import use_key

    named = partial(option, agents="--limit", form="--structured")
    click.get_current_context().with_resource(name_parameters(named))
    growth = _make_growth(sources, options)
    if options["key"]:
        use_key(hub, options["key"])
    check_sample(options)
    if options["estimate"]:
        from populace.sim.scenario import GrowthOnly

        from .make import estimate

        estimate(GrowthOnly(), growth, options)
    elif is_made(hub):
        _go_on(hub, growth, options)
    else:
        _begin_growth(hub, growth, options)


def _begin_growth(hub: Path, growth: "Growth", options: dict[str, Any]) -> None:
    from populace.sim.scenario import GrowthOnly
    from populace.sim.society import Society

    from .make import live
    from .panel import ProgressPanel

    society = Society(
        GrowthOnly(),
        growth=growth,
        **asked_of(options),
        out=hub,
        progress=ProgressPanel(),
    )
    live(society)


def _go_on(hub: Path, growth: "Growth", options: dict[str, Any]) -> None:
    from populace.sim.growth.stored import ask_again

    from .resume import resume

    progress = ask_again(hub, growth, seed=options["seed"], model=options["model"], limits=limits_of(options))
    if progress is None:
        click.echo(f"{str(hub)!r} is asked for more than was grown; what is there stays.")
    elif progress:
        click.echo(f"Resuming {str(hub)!r}, which stopped {progress}.")
    given = {name: options[name] for name in ("base_url", "cache", "price")} | changed_limits(options)
    # The command has named the sources, which are those that the hub was grown from.
    click.get_current_context().invoke(resume, file=hub, sources_named=True, **given)


def _make_growth(sources: tuple[str, ...], options: dict[str, Any]) -> "Growth":
    """The growth that is asked for. Raises `SetupError`."""
    from populace.sim.growth import Growth

    reading = {name: options[name] for name in ("column", "licence", "encoding", "format", "strict")}
    reading |= {"language": options["text_language"], "length": options["passage_words"]}
    same = ("verb", "granularity", "language", "low_visibility", "acquaintances", "frontier", "until_novelty")
    return Growth.unlimited(
        sources=sources or None,
        hub=options["people"],
        reading={name: value for name, value in reading.items() if value is not None},
        agents=options["limit"],
        hops=options["hops"],
        fan_outs=_parse_fan_outs(options["fan_out"]),
        per_passage=options["per_text"],
        form="structured" if options["structured"] else "plain",
        kinds=_parse_kinds(options["kinds"]),
        quality=options["quality"],
        personal=None if options["personal"] == "ignore" else options["personal"],
        **{name: options[name] for name in same},
    )


def _parse_fan_outs(written: str) -> tuple[int, ...]:
    from populace.core.errors import SetupError

    try:
        return tuple(int(part) for part in written.split(","))
    except ValueError:
        raise SetupError(f"--fan-out takes a number or one a hop, as 5,3,2, but {written!r} was given.") from None


def _parse_kinds(written: str | None) -> tuple[str, ...] | None:
    from populace.core.errors import SetupError
    from populace.personas.persona import RelationKind
    from populace.personas.text_to_persona import kind_of

    wanted: dict[RelationKind, None] = {}
    for word in written.split(",") if written is not None else ():
        kind = kind_of(word)
        if kind is None:
            raise SetupError(f"There is no kind of relations {word.strip()!r}; there are {', '.join(RelationKind)}.")
        wanted[kind] = None
    return tuple(wanted) if written is not None else None

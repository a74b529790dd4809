"""The options that several commands share, and what is made of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from populace.agents.gateway.budget import Prices
    from populace.agents.gateway.limits import Limits
    from populace.sim.config import RoleModel
    from populace.sim.estimate import Sampling
    from populace.sim.growth import Growth

type Command = Callable[..., Any]

#: Options of how the model samples.
SAMPLING = ("temperature", "top_p", "extra_body")

#: Options that bound a run, by the names that its limits have.
LIMITS = (
    *("max_in_flight", "rpm", "tpm", "max_calls", "max_tokens", "max_cost", "max_error_rate", "timeout", "wait"),
    *("max_rejected", "min_yield", "max_response_bytes", "retry_refusals", *SAMPLING),
)

_SOCIETY = (
    click.option(
        "--seeds",
        type=click.Path(path_type=Path),
        help="Seed texts (JSONL, text or Markdown); default: the corpus that ships.",
    ),
    click.option(
        "--hub",
        type=click.Path(path_type=Path),
        help="People who exist already: a run file, or personas as JSONL, CSV or Parquet.",
    ),
    click.option("--select", metavar="NAME", help="Of the hub's people only those of a selection that it keeps."),
    click.option(
        "--draw",
        type=click.Choice(["snowball", "ego", "community", "random"]),
        help="How they are drawn from a hub that has more: along ties, around one person, by communities, or by "
        "chance.  [default: snowball]",
    ),
    click.option("--agents", type=int, help="How many people there are to be, at most, also of a hub.  [default: 240]"),
    click.option("--hops", type=int, help="Hops of Persona-to-Persona, 0 to 6.  [default: 3; 0 with --hub]"),
    click.option(
        "--network",
        metavar="SPEC",
        help="Who is tied to whom: grown, complete, ring:K, watts-strogatz:K,P, barabasi-albert:M, configuration, "
        "stochastic-block:P_IN,P_OUT, homophily:COLUMN or file:PATH (docs/people-and-networks.md).  [default: grown]",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice."),
    click.option(
        "--model",
        default="procedural",
        show_default=True,
        help="procedural, openai:NAME for any OpenAI-compatible endpoint, or gguf:PATH.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="A setting of the scenario; may be given again.",
    ),
)

_STEPS = click.option("--steps", type=int, default=8, show_default=True, help="Steps to run.")

_COUNT = click.IntRange(min=1)

#: Options of `populace make`, by the settings of a task that they give.
_TASK = (
    click.option("--n", "task_n", type=_COUNT, metavar="ROWS", help="Accepted rows wanted.  [default: 100]"),
    click.option(
        "--per-persona",
        type=_COUNT,
        metavar="K",
        help="Accepted rows of one person, at most.  [default: 1]",
    ),
    click.option(
        "--prompting",
        type=click.Choice(["zero-shot", "few-shot", "persona-few-shot"]),
        help="Show no demonstrations, demonstrations, or those with a persona each.  [default: zero-shot]",
    ),
    click.option("--shots", type=click.IntRange(min=1, max=32), help="Demonstrations in a request.  [default: 3]"),
    click.option("--demonstrations", metavar="FILE", help="JSONL of your own instead of the task's."),
    click.option(
        "--language", metavar="NAME", help="Language to write in, as Chinese or zh.  [default: the person's own]"
    ),
    click.option(
        "--until-novelty",
        type=click.FloatRange(min=0, max=1, min_open=True),
        metavar="SHARE",
        help="End when less than this share of the latest 500 outputs was new.",
    ),
    click.option(
        "--against",
        multiple=True,
        metavar="FILE",
        help="Runs, hubs, Parquet or JSONL whose texts must not be nearly repeated; may be given again.",
    ),
    click.option(
        "--verify",
        type=click.IntRange(min=0, max=64),
        metavar="N",
        help="Of a problem: solutions by the solver of which most must find its answer; 0 for none.  [default: 1]",
    ),
    click.option(
        "--tools", metavar="FILE", help="Run of tool or tool-code, or PersonaHub's JSONL, with the tools to use."
    ),
    click.option(
        "--execute",
        is_flag=True,
        default=None,
        help="Run the code that is written, in a sandbox; what that confines is said first.",
    ),
)
_TASK_SETTINGS = (
    *("per_persona", "prompting", "shots", "demonstrations", "language", "until_novelty", "against"),
    *("tools", "execute", "verify"),
)

_PLACES = (
    click.option(
        "--base-url",
        multiple=True,
        help="Endpoint of the model; given again, further ones share the load.  [default: OPENAI_BASE_URL]",
    ),
    click.option(
        "--cache",
        type=click.Path(path_type=Path),
        help="File that shares paid answers with other runs.",
    ),
    click.option("--price", metavar="IN/OUT[/CACHED]", help="Dollars for a million tokens."),
)

_EMBEDDINGS = (
    click.option("--embeddings", metavar="MODEL", help="Embedding model to remind agents by meaning, as openai:NAME."),
    click.option("--embeddings-url", metavar="URL", help="Its endpoint, when it is not the model's."),
    click.option("--embeddings-price", metavar="IN", type=float, help="Dollars for a million of its tokens."),
)

_MIND = click.option(
    "--mind",
    metavar="NAME",
    help="How agents decide: one-call, think, react (with the scenario's tools) or rule (no model).  [default: the "
    "scenario's own, or one-call]",
)

_ARCHETYPES = click.option(
    "--archetypes",
    metavar="K|COLUMN",
    help="Ask one agent for all that are alike: in K clusters, by a column of profiles, or by `group`.",
)

_ROLES = tuple(
    option
    for role, does in (("solver", "solve problems"), ("grader", "check and grade"))
    for option in (
        click.option(f"--{role}", metavar="MODEL", help=f"Model of the stages that {does}.  [default: --model]"),
        click.option(f"--{role}-url", multiple=True, metavar="URL", help="Its endpoint, when it is not the model's."),
        click.option(f"--{role}-price", metavar="IN/OUT[/CACHED]", help="Dollars for a million of its tokens."),
    )
)

_BOUNDS = (
    click.option("--max-in-flight", type=int, help="Model calls under way at once, at most.  [default: 64]"),
    click.option("--rpm", type=int, help="Model calls begun within any minute, at most."),
    click.option("--tpm", type=int, help="Tokens used within any minute, at most, asked and answered."),
    click.option("--max-calls", type=int, help="Budget of the whole run in calls; when it is spent, the run pauses."),
    click.option("--max-tokens", type=int, help="The same in tokens, asked and answered."),
    click.option("--max-cost", type=float, help="The same in dollars."),
    click.option(
        "--max-error-rate",
        type=float,
        help="Share of the latest calls that may fail before the run pauses; 1 for never.  [default: 0.8]",
    ),
    click.option(
        "--max-rejected",
        type=float,
        help="Share of a task's first 20 answers that one check may reject before the run pauses; 1 for any.  "
        "[default: 0.8]",
    ),
    click.option(
        "--min-yield",
        type=float,
        help="Share of a task's outputs that must be accepted, or the run pauses once 50 show that fewer are; 0 for "
        "any.  [default: 0.1]",
    ),
    click.option("--timeout", type=float, help="Seconds a call may take.  [default: 120]"),
    click.option(
        "--wait",
        type=float,
        metavar="SECONDS",
        help="How long to wait for an endpoint that is gone before the run pauses; 0 not at all.  [default: 300]",
    ),
    click.option(
        "--max-response-bytes", type=int, help="Bytes of a response that are read at most.  [default: 16777216]"
    ),
)

_REFUSALS = click.option(
    "--retry-refusals",
    type=int,
    metavar="N",
    help="Ask again with another seed when the model refuses, so many times.  [default: 0]",
)

_SAMPLING = (
    click.option("--temperature", type=float, help="Sent with every request.  [default: the endpoint's own]"),
    click.option("--top-p", type=float, help="Sent with every request.  [default: the endpoint's own]"),
    click.option("--extra-body", metavar="JSON", help="Further parameters of every request, as '{\"top_k\": 40}'."),
)

_BENCHMARK = (
    click.option(
        "--benchmark",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="People's own answers to items of its surveys, as JSONL or CSV (item, value, n, group), to compare with.",
    ),
    click.option(
        "--margin",
        type=float,
        metavar="DISTANCE",
        help="Distance from people's answers that is near enough: answers shown to be within it are equivalent.",
    ),
)


def bound_options(command: Command) -> Command:
    """The command with the options that bound calls and costs."""
    return _with(command, _BOUNDS)


def limit_options(command: Command) -> Command:
    """The command with the options that bound calls and costs, and say where the model is."""
    return _with(command, (*_PLACES, *_BOUNDS, _REFUSALS))


def sampling_options(command: Command) -> Command:
    """The command with the options of how the model samples."""
    return _with(command, _SAMPLING)


def benchmark_options(command: Command) -> Command:
    """The command with the options that compare answers with people's."""
    return _with(command, _BENCHMARK)


def check_benchmark(benchmark: Path | None, margin: float | None) -> None:
    """Raise `SetupError` for a margin without people to compare with."""
    from populace.personas.errors import SetupError

    if margin is not None and benchmark is None:
        raise SetupError("--margin says which distance from people is near enough; give their answers by --benchmark.")


def embedding_options(command: Command) -> Command:
    """The command with the options that name an embedding model."""
    return _with(command, _EMBEDDINGS)


def role_options(command: Command) -> Command:
    """The command with the options that name the models of other roles."""
    return _with(command, _ROLES)


def society_options(command: Command) -> Command:
    """The command with the options that say which society there is to be."""
    return _with(command, _SOCIETY)


def run_options(command: Command) -> Command:
    """The command with all options of `populace run`."""
    return _STEPS(_MIND(_ARCHETYPES(_shared_by_runs(command, "SCENARIO"))))


def make_options(command: Command) -> Command:
    """The command with all options of `populace make`."""
    return _with(_shared_by_runs(command, "TASK"), _TASK)


def _shared_by_runs(command: Command, name: str) -> Command:
    said = "Send work without a next step, as growth and surveys, through the endpoint's batches."
    batch = click.option("--batch", is_flag=True, help=said)
    out = click.option(
        "--out",
        type=click.Path(path_type=Path),
        default=None,
        help=f"The run file.  [default: {name}.duckdb]",
    )
    return society_options(
        limit_options(sampling_options(role_options(embedding_options(batch(out(shared_option(command)))))))
    )


def shared_option(command: Command) -> Command:
    """The command with the option that lets others read the files that it makes."""
    return click.option(
        "--shared",
        is_flag=True,
        expose_value=False,
        callback=_share,
        help="Make files that others may read, as the umask says.  [default: yours alone, mode 0600]",
    )(command)


def key_option(command: Command) -> Command:
    """The command with the option that gives a hub or a run the key that its pseudonyms are drawn with."""
    return click.option(
        "--key",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Draw pseudonyms with the key in this file (made when there is none), so that a name has the same one in "
        "every hub with this key.  [default: a key of its own, in HUB.key]",
    )(command)


def _share(context: click.Context, parameter: click.Parameter, is_shared: bool) -> None:
    if is_shared:
        from populace.personas.files import share_files

        context.with_resource(share_files())


def growth_of(options: Mapping[str, Any]) -> "Growth":
    """How the people come about, by the options of a society. Raises `SetupError`."""
    from populace.sim.growth import Growth

    return Growth.given(
        seeds=options["seeds"],
        hub=options["hub"],
        select=options["select"],
        draw=_draw_of(options),
        agents=options["agents"],
        hops=options["hops"],
    )


def _draw_of(options: Mapping[str, Any]) -> str | None:
    from populace.personas.errors import SetupError

    if options["draw"] is not None and options["hub"] is None:
        raise SetupError(f"--draw {options['draw']} is for people of a hub; say of which with --hub, or leave it out.")
    return options["draw"]  # type: ignore[no-any-return]


def settings_of(options: Mapping[str, Any]) -> dict[str, str]:
    """The scenario's settings by name, as they were written. Raises `SetupError`."""
    from populace.personas.errors import SetupError

    settings = {}
    for item in options["settings"]:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise SetupError(f"--set takes name=value, as --set {name.strip() or 'memory'}=3, but {item!r} was given.")
        if name.strip() in settings:
            raise SetupError(f"--set {name.strip()} was given twice; give each setting one value.")
        settings[name.strip()] = value.strip()
    return settings


def task_settings_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a task: those with options of their own, and those given by `--set`. Raises `SetupError`."""
    from populace.personas.errors import SetupError

    given = {name: options[name] for name in _TASK_SETTINGS if options[name] not in (None, ())}
    if options["task_n"] is not None:
        given["n"] = options["task_n"]
    named = settings_of(options)
    if twice := sorted(given.keys() & named.keys()):
        raise SetupError(f"--set {twice[0]} and --{twice[0].replace('_', '-')} say the same; leave one out.")
    return given | named


def asked_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Which model is asked, and within what limits. Raises `SetupError`."""
    same = {name: options[name] for name in ("seed", "model", "base_url", "cache", "batch")}
    same |= {"network": options["network"]} if "network" in options else {}
    return same | {"limits": limits_of(options), "prices": prices_of(options)}


def limits_of(options: Mapping[str, Any]) -> "Limits":
    """The bounds of a run. Raises `SetupError`."""
    from populace.agents.gateway.limits import Limits

    return Limits.given(**changed_limits(options))


def changed_limits(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those bounds that were given."""
    return {name: options[name] for name in LIMITS if options.get(name) is not None}


#: How many an estimate asks a real model about.
SAMPLE_OPTION = click.option(
    "--sample",
    type=click.IntRange(min=0),
    metavar="N",
    help="With --estimate: ask the model about N items (outputs, people, problems; of a run N calls), which is paid "
    "for; 0 asks nobody.  [default: a quarter, 20 items or 40 calls at most; 0 for the stand-in]",
)


def sampling_of(options: Mapping[str, Any]) -> "Sampling":
    """How an estimate asks for its sample; what that may cost is said on standard error. Raises `SetupError`."""
    from populace.sim.estimate import Sampling

    from .panel import ProgressPanel

    return Sampling(options["sample"], options["cache"] or None, limits_of(options), announce_sample, ProgressPanel())


def check_sample(options: Mapping[str, Any], *, is_estimated: bool) -> None:
    """Refuse --sample where nothing is estimated."""
    if options["sample"] is not None and not is_estimated:
        raise click.UsageError("--sample is for --estimate; add it, or leave --sample out.")


def announce_sample(said: str) -> None:
    """Say what a sample may cost."""
    click.echo(said, err=True)


def prices_of(options: Mapping[str, Any]) -> "Prices | None":
    """The prices that were given, if any. Raises `SetupError`."""
    from populace.agents.gateway.budget import given_prices

    return given_prices(options["price"]) if options["price"] is not None else None


def embeddings_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Name, endpoint and price of the embedding model. Raises `SetupError`."""
    from populace.agents.gateway.budget import given_prices

    price = options["embeddings_price"]
    return {
        "embeddings": options["embeddings"],
        "embeddings_url": options["embeddings_url"],
        "embeddings_prices": None if price is None else given_prices(f"{price}/0"),
    }


def roles_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The models of other roles, with endpoints and prices. Raises `SetupError`."""
    return {role: _role_of(role, options) for role in ("solver", "grader")}


def _role_of(role: str, options: Mapping[str, Any]) -> "RoleModel | None":
    from populace.agents.gateway.budget import given_prices
    from populace.personas.errors import SetupError
    from populace.sim.config import RoleModel

    model, urls, price = (options[name] for name in (role, f"{role}_url", f"{role}_price"))
    if model is None:
        for option, value in (("url", urls), ("price", price)):
            if value:
                raise SetupError(f"--{role}-{option} is given, but no {role} is named; add --{role} MODEL.")
        return None
    return RoleModel(model=model, base_url=urls, prices=None if price is None else given_prices(price))


def _with(command: Command, options: tuple[Command, ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command

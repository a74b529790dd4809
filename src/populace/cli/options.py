"""The options that several commands share, and what is made of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .specs import Command, spec_options

if TYPE_CHECKING:
    from populace.agents.gateway.limits import Limits, Prices
    from populace.sim.estimate import Sampling
    from populace.sim.growth import Growth
    from populace.sim.specs import RoleModel

_LIMITS = "populace.agents.gateway.limits:Limits"

_PEOPLE = (
    click.option(
        "--seeds",
        type=click.Path(path_type=Path),
        help="Seed texts: JSONL, text or Markdown.  [default: the bundled texts]",
    ),
    click.option(
        "--hub",
        type=click.Path(path_type=Path),
        help="Use existing personas: a hub, a run file, JSONL, CSV or Parquet.",
    ),
    click.option("--select", metavar="NAME", help="Use only this saved sample of the hub (`populace hub sample`)."),
    click.option(
        "--draw",
        type=click.Choice(["snowball", "random"]),
        help="How to sample a hub that has more personas: along ties, or at random.  [default: snowball]",
    ),
    click.option(
        "--agents", type=int, help="Maximum number of agents, including those sampled from --hub.  [default: 240]"
    ),
    click.option("--hops", type=int, help="Hops of Persona-to-Persona, 0 to 6.  [default: 3; 0 with --hub]"),
    click.option(
        "--network",
        metavar="SPEC",
        help="Network of ties: grown, woven, complete, ring:K, watts-strogatz:K,P, barabasi-albert:M, configuration, "
        "stochastic-block:P_IN,P_OUT, homophily:COLUMN or file:PATH (docs/people-and-networks.md).  [default: grown]",
    ),
)

_SOCIETY = (
    click.option("--seed", type=int, default=0, show_default=True, help="Random seed."),
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
        help="Change a setting of the scenario; repeatable.",
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
        help="Maximum accepted rows per persona.  [default: 1]",
    ),
    click.option(
        "--prompting",
        type=click.Choice(["zero-shot", "few-shot", "persona-few-shot"]),
        help="Show no demonstrations, demonstrations, or demonstrations with a persona each.  [default: zero-shot]",
    ),
    click.option("--shots", type=click.IntRange(min=1, max=32), help="Demonstrations per request.  [default: 3]"),
    click.option("--demonstrations", metavar="FILE", help="Your own demonstrations, as JSONL."),
    click.option(
        "--language", metavar="NAME", help="Output language, for example Chinese or zh.  [default: the persona's]"
    ),
    click.option(
        "--until-novelty",
        type=click.FloatRange(min=0, max=1, min_open=True),
        metavar="SHARE",
        help="Stop when less than this share of the latest 500 outputs is new.",
    ),
    click.option(
        "--against",
        multiple=True,
        metavar="FILE",
        help="Reject near-duplicates of texts in this run, hub, Parquet or JSONL file; repeatable.",
    ),
    click.option(
        "--verify",
        type=click.IntRange(min=0, max=64),
        metavar="N",
        help="Keep a problem only if most of N solver attempts agree with its answer; 0 skips this.  [default: 1]",
    ),
    click.option("--tools", metavar="FILE", help="Tools to use: a tool or tool-code run, or PersonaHub's JSONL."),
    click.option(
        "--execute",
        is_flag=True,
        default=None,
        help="Run generated code in a sandbox; prints its restrictions first.",
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
        help="Endpoint of the model; repeat to share the load.  [default: OPENAI_BASE_URL]",
    ),
    click.option(
        "--cache",
        type=click.Path(path_type=Path),
        help="File that shares answers between runs.",
    ),
    click.option("--price", metavar="IN/OUT[/CACHED]", help="Price in USD per million tokens."),
)

_EMBEDDINGS = (
    click.option(
        "--embeddings", metavar="MODEL", help="Embedding model for recall by meaning, for example openai:NAME."
    ),
    click.option("--embeddings-url", metavar="URL", help="Its endpoint.  [default: --base-url]"),
    click.option("--embeddings-price", metavar="IN", type=float, help="Its price in USD per million tokens."),
)

_MEANING = (
    click.option(
        "--embeddings", metavar="MODEL", help="Compare by meaning with this model: wordllama, openai:NAME, gguf:PATH."
    ),
    click.option("--embeddings-url", metavar="URL", help="Its endpoint.  [default: OPENAI_BASE_URL]"),
    click.option("--embeddings-price", metavar="IN", type=float, help="Dollars for a million of its tokens."),
    click.option("--cache", type=click.Path(path_type=Path), help="File that shares paid vectors with other jobs."),
)

_MIND = click.option(
    "--mind",
    metavar="NAME",
    help="How agents decide: one-call, think, react (with the scenario's tools) or rule (no model)."
    "  [default: the scenario's, or one-call]",
)

_ARCHETYPES = click.option(
    "--archetypes",
    metavar="K|COLUMN",
    help="Ask one agent per cluster: K clusters, a profile column, or `group`.",
)

_PLAY = click.option("--play", metavar="AGENT", help="Take the turns of this agent, by name or id, at the terminal.")

_ROLES = tuple(
    option
    for role, does in (("solver", "solve problems"), ("grader", "check and grade"))
    for option in (
        click.option(f"--{role}", metavar="MODEL", help=f"Model of stages that {does}.  [default: --model]"),
        click.option(f"--{role}-url", multiple=True, metavar="URL", help="Its endpoint.  [default: --base-url]"),
        click.option(f"--{role}-price", metavar="IN/OUT[/CACHED]", help="Its price in USD per million tokens."),
    )
)

_BENCHMARK = (
    click.option(
        "--benchmark",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Compare with answers of real respondents: JSONL or CSV with item, value, n, group.",
    ),
    click.option(
        "--margin",
        type=float,
        metavar="DISTANCE",
        help="Distance from people's answers below which answers count as equivalent.",
    ),
)


_ESTIMATE = (
    click.option("--estimate", is_flag=True, help="Estimate calls, tokens and cost; do nothing else."),
    click.option(
        "--sample",
        type=click.IntRange(min=0),
        metavar="N",
        help="With --estimate: number of items to ask the model first (calls for a run); 0 sends no calls."
        "  [default: a quarter, at most 20 items or 40 calls; 0 for procedural]",
    ),
)

_JOB = (
    click.option("--seed", type=int, help="Random seed.  [default: 0; of a survey the run's]"),
    click.option("--batch", is_flag=True, help="Use the batch API."),
    click.option("--anew", is_flag=True, help="Repeat a finished job, or abandon another unfinished one."),
)


def estimate_options(command: Command) -> Command:
    """Add the options of an estimate."""
    return add_options(command, _ESTIMATE, "Estimate")


def job_options(command: Command) -> Command:
    """Add the options of a job on a file: its estimate, seed and limits, and where its model is."""
    return add_options(add_options(limit_options(sampling_options(command)), _ESTIMATE, "Estimate"), _JOB)


def bound_options(command: Command) -> Command:
    """The command with the options that bound calls and costs."""
    return spec_options(_LIMITS, "Limits")(command)


def limit_options(command: Command) -> Command:
    """The command with the options that bound calls and costs, and say where the model is."""
    return add_options(spec_options(_LIMITS, "Model")(bound_options(command)), _PLACES, "Model")


def sampling_options(command: Command) -> Command:
    """The command with the options of how the model samples."""
    return spec_options(_LIMITS, "Sampling")(command)


def benchmark_options(command: Command) -> Command:
    """The command with the options that compare answers with people's."""
    return add_options(command, _BENCHMARK, "Respondents")


def check_benchmark(benchmark: Path | None, margin: float | None) -> None:
    """Raise `SetupError` for a margin without people to compare with."""
    from populace.core.errors import SetupError

    if margin is not None and benchmark is None:
        raise SetupError("--margin says which distance from people is near enough; give their answers by --benchmark.")


def embedding_options(command: Command) -> Command:
    """The command with the options that name an embedding model."""
    return add_options(command, _EMBEDDINGS, "Other models")


def meaning_options(command: Command) -> Command:
    """Add the options of comparing by meaning, with vectors that are fetched as a job in the file."""
    return add_options(bound_options(command), _MEANING, "Comparing by meaning")


def role_options(command: Command) -> Command:
    """The command with the options that name the models of other roles."""
    return add_options(command, _ROLES, "Other models")


def society_options(command: Command) -> Command:
    """The command with the options that say which society there is to be."""
    return add_options(add_options(command, _PEOPLE, "People"), _SOCIETY)


def run_options(command: Command) -> Command:
    """The command with all options of `populace run`."""
    return _STEPS(_MIND(_ARCHETYPES(_PLAY(_shared_by_runs(command, "SCENARIO")))))


def make_options(command: Command) -> Command:
    """The command with all options of `populace make`."""
    return add_options(_shared_by_runs(command, "TASK"), _TASK)


def _shared_by_runs(command: Command, name: str) -> Command:
    batch = click.option("--batch", is_flag=True, help="Use the batch API for work that nothing waits on.")
    out = click.option(
        "--out",
        type=click.Path(path_type=Path),
        default=None,
        help=f"The run file.  [default: {name}.duckdb]",
    )
    return society_options(
        limit_options(
            sampling_options(role_options(embedding_options(batch(estimate_options(out(shared_option(command)))))))
        )
    )


def shared_option(command: Command) -> Command:
    """The command with the option that lets others read the files that it makes."""
    return click.option(
        "--shared",
        is_flag=True,
        expose_value=False,
        callback=_share_created,
        help="Create files with your umask instead of mode 0600.",
    )(command)


def key_option(command: Command) -> Command:
    """The command with the option that gives a hub or a run the key that its pseudonyms are drawn with."""
    return click.option(
        "--key",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Key file for pseudonyms, created if missing; hubs with the same key give a name the same pseudonym."
        "  [default: HUB.key]",
    )(command)


def _share_created(context: click.Context, parameter: click.Parameter, is_shared: bool) -> None:
    if is_shared:
        from populace.core.files import share_files

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
    from populace.core.errors import SetupError

    if options["draw"] is not None and options["hub"] is None:
        raise SetupError(f"--draw {options['draw']} is for people of a hub; say of which with --hub, or leave it out.")
    return options["draw"]  # type: ignore[no-any-return]


def settings_of(options: Mapping[str, Any]) -> dict[str, str]:
    """The scenario's settings by name, as they were written. Raises `SetupError`."""
    from populace.core.errors import SetupError

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
    from populace.core.errors import SetupError

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
    from populace.agents.gateway.limits import Limits
    from populace.core.model import given_fields

    return given_fields(Limits, options)


def sampling_of(options: Mapping[str, Any]) -> "Sampling":
    """How an estimate asks for its sample; what that may cost is said on standard error. Raises `SetupError`."""
    from populace.sim.estimate import Sampling

    from .panel import ProgressPanel

    return Sampling(options["sample"], options["cache"] or None, limits_of(options), announce_sample, ProgressPanel())


def check_sample(options: Mapping[str, Any]) -> None:
    """Refuse --sample where nothing is estimated."""
    if options["sample"] is not None and not options["estimate"]:
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

    price = options.get("embeddings_price")
    return {
        "embeddings": options.get("embeddings"),
        "embeddings_url": options.get("embeddings_url"),
        "embeddings_prices": None if price is None else given_prices(f"{price}/0"),
    }


def roles_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The models of other roles, with endpoints and prices. Raises `SetupError`."""
    return {role: _role_of(role, options) for role in ("solver", "grader")}


def _role_of(role: str, options: Mapping[str, Any]) -> "RoleModel | None":
    from populace.agents.gateway.budget import given_prices
    from populace.core.errors import SetupError
    from populace.sim.specs import RoleModel

    model, urls, price = (options[name] for name in (role, f"{role}_url", f"{role}_price"))
    if model is None:
        for option, value in (("url", urls), ("price", price)):
            if value:
                raise SetupError(f"--{role}-{option} is given, but no {role} is named; add --{role} MODEL.")
        return None
    return RoleModel(model=model, base_url=urls, prices=None if price is None else given_prices(price))


def add_options(command: Command, options: tuple[Command, ...], panel: str = "Options") -> Command:
    """Add options to a command, in a panel of its help."""
    for option in reversed(options):
        command = option(command)
        command.__click_params__[-1].panel = panel  # type: ignore[attr-defined]
    return command

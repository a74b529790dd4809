"""`populace scenarios` and `populace prompts`: what can be run, and what models are told."""

import click

__all__ = ["prompts", "scenarios"]


@click.command()
@click.argument("scenario", required=False)
def scenarios(scenario: str | None) -> None:
    """What can be run, and each scenario's settings; or those of SCENARIO, a name or the path of a script."""
    from populace.analysis.table import visible
    from populace.scenarios.catalog import find_scenario, iter_scenarios, settings_of

    for found in iter_scenarios() if scenario is None else (find_scenario(scenario)[0],):
        click.echo(visible(f"{found.name}: {found.summary()}"))
        for setting in settings_of(found):
            click.echo(visible(f"    --set {setting}"))


@click.command()
@click.argument("name", required=False)
def prompts(name: str | None) -> None:
    """Every prompt with its version, or the whole of the one called NAME."""
    from populace.personas.errors import SetupError
    from populace.personas.prompt import iter_prompts
    from populace.sim.choices import nearest

    known = {p.name: p for room in ("personas", "agents") for p in iter_prompts(f"populace.{room}")}
    if name is None:
        for prompt in known.values():
            click.echo(f"{prompt.name}@{prompt.version}: {' '.join(prompt.about.split())}")
    elif name not in known:
        raise SetupError(f"There is no prompt {name!r}{nearest(name, known)}. There are: {', '.join(known)}.")
    else:
        prompt = known[name]
        click.echo(f"# {prompt.name}@{prompt.version}\n# {' '.join(prompt.about.split())}")
        for role, text in (("system", prompt.system), ("user", prompt.user)):
            if text:
                click.echo(f"\n[{role}]\n{text.strip()}")
        for slot, phrases in prompt.choices.items():
            for word, phrase in phrases.items():
                click.echo(f"\n[{slot} = {word}]\n{phrase.strip()}")

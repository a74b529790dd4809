"""`populace scenarios` and `populace prompts`: what can be run, and what models are told."""

import click

__all__ = ["prompts", "scenarios"]


@click.command()
def scenarios() -> None:
    """What can be run, and each scenario's settings."""
    from populace.scenarios.catalog import iter_scenarios

    for scenario in iter_scenarios():
        click.echo(f"{scenario.name}: {scenario.summary()}")
        for name, field in scenario.settings_type.model_fields.items():
            click.echo(f"    --set {name}={field.default}  {field.description}")


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

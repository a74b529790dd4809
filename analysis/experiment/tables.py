"""What an experiment found, as tables."""

from ...core.result import Estimate, Note, Result, make_result
from .effects import NO_P, SECTIONS, Effect, Findings

_EFFECT = ("outcome", "arm", "against", "in", "difference", "p", "p_corrected", "runs", "verdict")


def describe_findings(found: Findings) -> Result:
    """Describe the means of arms, the effects, and the checks."""
    seeds = "paired by seed" if found.paired else "seeds of their own"
    notes = [Note("scope", found.scope)] + [Note("no_p", NO_P)] * found.unvaried
    return make_result(
        f"{found.name}: means of arms over {found.replicates} runs, {seeds}; intervals of {1 - found.alpha:.0%}",
        ("outcome", "arm", "mean", "runs"),
        [(one.outcome, one.arm, Estimate(one.mean, one.low, one.high), one.replicates) for one in found.means],
        notes=notes,
        parts=[
            *describe_effects(found),
            make_result("Manipulation checks", ("check", "arm", "runs", "passed", "least", "greatest"), found.checks),
            found.model_checks,
        ],
    )


def describe_effects(found: Findings) -> list[Result]:
    """Describe the effects of each kind."""
    return [
        make_result(title, _EFFECT, [_describe_effect(one, found.alpha) for one in found.effects if one.kind in kinds])
        for title, kinds in SECTIONS.items()
    ]


def _describe_effect(one: Effect, alpha: float) -> tuple[object, ...]:
    expected = {"more": " (more)", "less": " (less)"}.get(one.direction, "")
    difference = Estimate(one.estimate, one.low, one.high)
    names = (one.outcome, f"{one.arm}{expected}", one.against, one.group)
    return (*names, difference, one.p, one.p_adjusted, one.replicates, one.verdict(alpha))

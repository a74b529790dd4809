"""What to say when growth has come to nobody at all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["nobody"]

_PERSONAL = "personal_data"


def nobody(origin: str, failures: Sequence[str], described: int, rules: Mapping[str, int], *, hub: Path) -> str:
    """Why nobody could be grown from `origin` (as `3 texts`) into a hub, and the way out.

    `failures` are the reasons of questions without an answer; of those who were described, `rules` turned so many away.
    """
    said = f"Nobody could be grown from {origin}."
    reasons = " ".join(dict.fromkeys(failures[:3]))
    if described:
        return " ".join(filter(None, [said, _turned_away(described, rules, hub), reasons]))
    return f"{said} {reasons or 'No answer held a persona.'} Try another model or other texts."


def _turned_away(described: int, rules: Mapping[str, int], hub: Path) -> str:
    people = "1 person was" if described == 1 else f"{described:,} people were"
    by = ", ".join(f"{rule} {number:,}" for rule, number in rules.items())
    ways = []
    quality = [rule for rule in rules if rule != _PERSONAL]
    if quality:
        ways.append(f"`populace hub undo {hub} --rule {quality[0]}` and then `populace resume {hub}` take them in")
        ways.append("--no-quality, with another --hub, lets all in")
    if _PERSONAL in rules:
        ways.append("--personal keep, with another --hub, lets in those with personal data")
    return f"{people} described and turned away: {by}; {', and '.join(ways)}."

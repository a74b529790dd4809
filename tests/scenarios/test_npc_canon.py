"""What the check of a character's world finds, measured on sheets that were labelled by hand (`npc_worlds`)."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from populace.agents.checks import CheckOutcome, CheckResult
from populace.scenarios.npc import task
from populace.scenarios.npc.registry import KeepsToCanon, find_world, read_world
from populace.scenarios.npc.task import Sheet

WORLDS = Path(__file__).with_name("npc_worlds")
CHECKS = {
    name: KeepsToCanon(read_world(find_world(name) if name in ("canal-city", "mining-moon") else WORLDS / f"{name}.md"))
    for name in ("canal-city", "mining-moon", "kestrel_road", "salzgrund", "lantern_ferry")
}
#: Sheets of which nothing is wrong, to change one field of.
BASES: dict[str, dict[str, Any]] = {
    "canal-city": {"name": "Ann Quay", "people": "Quaysider", "place": "the Reeds", "role": "barge captain"},
    "mining-moon": {"name": "Suli Jarvi", "people": "Rockborn", "place": "Old Camp", "role": "repairer"},
    "kestrel_road": {"name": "Bram Oake", "people": "Roadfolk", "place": "Hollin Cross", "role": "porter"},
    "salzgrund": {"name": "Veit Lindner", "people": "Sole", "place": "das Siedehaus", "role": "Sieder"},
    "lantern_ferry": {"name": "阿满", "people": "渡人", "place": "纸桥", "role": "守灯人"},
}
BARKS = dict.fromkeys(("greeting", "farewell", "idle", "busy", "alarm", "refusal", "thanks"), "…!")


@dataclass(frozen=True)
class Labelled:
    world: str
    label: str
    field: str
    text: str
    sheet: Sheet

    @property
    def result(self) -> CheckResult:
        return CHECKS[self.world].review(self.sheet, "p")


def labelled(file: str) -> Iterator[Labelled]:
    for line in (WORLDS / file).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            world, label, field, text, names = (part.strip() for part in line.split("|"))
            world = world if world in CHECKS else world.replace("-", "_")
            yield Labelled(world, label, field, text, sheet_with(world, field, text, names))


def sheet_with(world: str, field: str, text: str, names: str) -> Sheet:
    fields: dict[str, Any] = {"background": "…" * 50, "speech": "… … …", "players": "… … …", "barks": dict(BARKS)}
    fields |= BASES[world]
    if field == "hook":
        fields["knows"] = [{"persona": "p", "relation": "on the bus", "kind": "other", "text": text}]
    elif field.startswith("barks."):
        fields["barks"] |= {field.removeprefix("barks."): text}
    else:
        fields["role" if field == "class" else field] = text
    used = re.findall(r"(\+?)([^=,]+)=(\w+)", names)
    fields["names"] = [{"name": name.strip(), "kind": kind, "is_new": bool(new)} for new, name, kind in used]
    return Sheet.from_payload(fields)


SHEETS = list(labelled("sheets.txt"))


def outcomes(label: str) -> Counter[CheckOutcome]:
    return Counter(one.result.outcome for one in SHEETS if one.label == label)


def test_sound_sheets_pass_and_bad_ones_fail() -> None:
    """The figures of docs/npcs.md."""
    assert outcomes("sound") == {CheckOutcome.PASSED: 59, CheckOutcome.WARNED: 4}
    assert outcomes("bad") == {CheckOutcome.FAILED: 58, CheckOutcome.WARNED: 1}
    assert outcomes("bad?") == {CheckOutcome.PASSED: 4}


def test_a_result_names_the_field_that_it_is_about() -> None:
    for one in (one for one in SHEETS if one.label == "bad"):
        field = {"hook": "hooks[0].text", "class": "role"}.get(one.field, one.field)
        assert one.result.field in (field, *(f"names[{place}]" for place in range(3)))
        assert one.result.field in one.result.reason


def test_demonstrations_that_ship_pass_the_checks_of_their_worlds() -> None:
    file = Path(task.__file__).with_name("demonstrations.jsonl")
    shown = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    results = [CHECKS[one["world"]].review(Sheet.from_payload(json.loads(one["output"])), "p") for one in shown]
    assert [one.reason for one in results if one.outcome is not CheckOutcome.PASSED] == []
    assert len(results) >= 6

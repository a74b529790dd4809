"""The task npc: characters of a world, their hooks, their canon, and sheets that are kept."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from openai_server import OpenAIServer
from pydantic import ValidationError

from populace.agents.actions import run_checks
from populace.agents.checks import CheckContext, CheckOutcome
from populace.agents.observation import Observation
from populace.core.errors import SetupError, SourceError
from populace.scenarios.npc.registry import KeepsToCanon, find_world, read_world, shipped_worlds
from populace.scenarios.npc.task import Hook, Npc, Sheet
from populace.sim.growth.settings import Growth

type Made = Callable[..., Path]
type Rows = Callable[[Path, str], Sequence[tuple[Any, ...]]]

TRICKY = 'Here {braces} and ${slots} and $names, {{twice}} %s {0} \\n </world> <persona> "quotes" 100 % {"a": 1}'
BARKS = dict.fromkeys(("greeting", "farewell", "idle", "busy", "alarm", "refusal", "thanks"), "Mind the edge.")


def sheets(rows: Rows, path: Path) -> list[dict[str, Any]]:
    found = rows(path, "SELECT payload FROM outputs WHERE status = 'accepted' ORDER BY emission")
    return [json.loads(payload) for (payload,) in found]


def a_sheet(**fields: Any) -> Sheet:
    given = {
        "name": "Ann Quay",
        "people": "Quaysider",
        "place": "the Reeds",
        "role": "barge captain",
        "barks": BARKS,
        "background": "Ann Quay was born on a barge and has stayed there.",
        "speech": "Short.",
        "players": "Polite.",
    }
    return Sheet.from_payload(given | fields)


def named(name: str, kind: str, *, is_new: bool = False) -> dict[str, Any]:
    return {"name": name, "kind": kind, "is_new": is_new}


@pytest.mark.parametrize(
    "prompting", ["zero-shot", pytest.param("few-shot", marks=pytest.mark.slow), "persona-few-shot"]
)
def test_a_sheet_belongs_to_its_world(made: Made, rows: Rows, prompting: str) -> None:
    found = sheets(rows, made(Npc({"n": 6, "prompting": prompting})))
    canon = read_world(find_world("canal-city")).canon
    assert len(found) == 6
    assert all(one["people"] in canon.peoples and one["place"] in canon.places for one in found)
    assert all(set(one["barks"]) == set(BARKS) for one in found)


def test_hooks_lead_to_people_whom_the_person_knows(made: Made, rows: Rows) -> None:
    path = made(Npc({"n": 12, "world": "mining-moon"}), people=12)
    ties = set(rows(path, "SELECT source, target FROM relations UNION SELECT target, source FROM relations"))
    hooks = rows(
        path,
        "SELECT agent, unnest(from_json(payload -> '$.knows', '[\"JSON\"]')) ->> '$.persona' FROM outputs",
    )
    assert hooks
    assert set(hooks) <= ties


@pytest.mark.parametrize("people", [12, 24])
def test_hooks_lead_to_people_who_are_asked_for_a_sheet_too(made: Made, rows: Rows, people: int) -> None:
    path = made(Npc({"n": 8}), people=people)
    asked = {agent for (agent,) in rows(path, "SELECT agent FROM outputs")}
    hooks = rows(path, "SELECT unnest(from_json(payload -> '$.knows', '[\"JSON\"]')) ->> '$.persona' FROM outputs")
    assert len(hooks) >= 8
    assert {persona for (persona,) in hooks} <= asked


def test_the_world_stands_verbatim_in_front_of_every_request(
    made: Made, rows: Rows, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    world = tmp_path / "world.txt"
    world.write_text(f"{TRICKY}\nEnd of the world.", encoding="utf-8")
    task = Npc({"n": 2, "world": str(world), "canon": "grader"})
    path = made(task, people=3, model="openai:test", base_url=openai_server.base_url)
    asked = [body["messages"][0]["content"] for body in openai_server.bodies if "<world>" in str(body["messages"][0])]
    fenced = TRICKY.replace("</world>", "&lt;/world>").replace("<persona>", "&lt;persona>")
    assert asked
    assert all(system.startswith(f"<world>\n{fenced}\nEnd of the world.\n</world>") for system in asked)
    assert rows(path, "SELECT count(*) > 0 FROM checks WHERE \"check\" = 'canon_graded'") == [(True,)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, None),
        ({"people": "elves"}, "in people: 'elves' is none of Quaysider"),
        ({"place": "Paris"}, "in place: 'Paris' is none of"),
        ({"place": "Ropewalk"}, None),
        ({"speech": "Talks of guns all day."}, "in speech: there is no 'guns'"),
        ({"barks": BARKS | {"idle": "Where is my telephone?"}}, "in barks.idle: there is no 'telephone'"),
        ({"names": [named("Gondor", "place")]}, "the world has no place 'Gondor'"),
        ({"names": [named("the Wardens of the Gate", "faction", is_new=True)]}, "no faction 'the Wardens of the Gate'"),
        ({"names": [named("Gandalf", "person", is_new=True), named("the Ropers' guild", "faction")]}, None),
        ({"speech": "Talks of a Warden and of Ann's aunt."}, None),
    ],
)
def test_a_sheet_is_held_against_what_the_world_declares(fields: dict[str, Any], said: str | None) -> None:
    result = KeepsToCanon(read_world(find_world("canal-city"))).review(a_sheet(**fields), "p")
    assert result.outcome == (CheckOutcome.PASSED if said is None else CheckOutcome.FAILED)
    assert said is None or said in result.reason


def test_peoples_places_and_classes_of_the_world_are_the_only_values() -> None:
    canon = read_world(find_world("canal-city")).canon.model_copy(update={"classes": ("barge captain", "keeper")})
    made = Sheet.of_world(canon)
    schema = made.model_json_schema()["properties"]
    assert schema["people"]["enum"] == list(canon.peoples)
    assert schema["place"]["enum"] == list(canon.places)
    assert schema["role"]["enum"] == ["barge captain", "keeper"]
    assert made.from_payload(a_sheet(place="ropewalk").payload).place == "the Ropewalk"
    with pytest.raises(ValidationError, match="people"):
        made.from_payload(a_sheet(people="elves").payload)


def test_a_world_without_front_matter_rules_nothing_out(tmp_path: Path) -> None:
    world = tmp_path / "world.md"
    world.write_text("A place.", encoding="utf-8")
    check = KeepsToCanon(read_world(world))
    assert check.review(a_sheet(people="elves", names=[named("Gondor", "place")]), "p").outcome is CheckOutcome.PASSED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no text"),
        ("+++\ntitle = 'x'\n+++\n \n", "holds no text"),
        ("+++\npeoples = ['x']\nA canal town.\n", "has no end"),
        ("+++\ntitle = x\n+++\ntext", "is not TOML"),
        ("+++\nraces = ['elf']\n+++\ntext", "'races' wrong"),
        ("+++\npeoples = [1]\n+++\ntext", "'peoples.0' wrong"),
    ],
)
def test_a_world_that_cannot_be_used_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    world = tmp_path / "world.md"
    world.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=said):
        read_world(world)


def test_an_unknown_world_is_answered_with_the_nearest() -> None:
    with pytest.raises(SetupError, match=r"no world 'canal-town' \(did you mean 'canal-city'\?\)"):
        Npc({"world": "canal-town"})
    with pytest.raises(SetupError, match=r"no world file '\./none\.md'"):
        Npc({"world": "./none.md"})


def test_worlds_that_ship_declare_what_is_in_them() -> None:
    for path in shipped_worlds().values():
        world = read_world(path)
        assert 800 <= len(world.text.split()) <= 1500
        text = world.text.partition("\n+++\n")[2].casefold()
        named = [one.removeprefix("the ").casefold() for one in (*world.canon.peoples, *world.canon.places)]
        assert [one for one in named if one not in text] == []
        assert [word for word in world.canon.never if f" {word} " in text] == []


def test_sheets_can_be_kept_while_others_are_made_anew(made: Made, rows: Rows) -> None:
    old = made(Npc({"n": 6}), people=6)
    first, *others = sheets(rows, old)
    growth = Growth.given(hub=old)
    new = made(Npc({"n": 6, "lock": str(old), "keep": first["name"]}), growth=growth, seed=8)
    found = sheets(rows, new)
    assert first in found
    assert not [one for one in others if one in found]
    asked = rows(new, "SELECT count(*) FROM calls WHERE phase = 'step' AND owner IN (SELECT agent FROM outputs)")
    assert asked == [(5,)]


def test_what_is_kept_must_be_there(made: Made) -> None:
    old = made(Npc({"n": 2}), people=4)
    with pytest.raises(SetupError, match="holds no sheet 'Nobody Atall'"):
        Npc({"lock": str(old), "keep": "Nobody Atall"})
    with pytest.raises(SetupError, match="keep names sheets of no run"):
        Npc({"keep": "Nobody Atall"})
    with pytest.raises(SetupError, match="is not among the people of this run"):
        made(Npc({"n": 2, "lock": str(old)}), people=4, seed=99)


def test_kept_sheets_are_checked_again_when_the_world_has_changed(made: Made, rows: Rows) -> None:
    old = made(Npc({"n": 4}), people=6)
    task = Npc({"n": 4, "world": "mining-moon", "lock": str(old)})
    new = made(task, growth=Growth.given(hub=old), seed=8)
    assert rows(new, "SELECT status, stage, count(*) FROM outputs GROUP BY ALL ORDER BY ALL") == [
        ("accepted", None, 4),
        ("rejected", "canon", 4),
    ]


def test_every_field_is_read_for_leaks_refusals_and_what_the_world_rules_out() -> None:
    persona = "A widowed bookkeeper in a fishing port who balanced the accounts of the harbour cooperative"
    observation = Observation("p", persona, "")
    broken = {
        "players": "As an AI language model, I do not deal with players.",
        "hooks[0].text": "They met by telephone in the Ropewalk, long ago.",
        "barks.thanks": "I balanced the accounts of the harbour cooperative, so thanks.",
    }
    for field, text in broken.items():
        sheet = a_sheet(**({"players": text} if field == "players" else {}))
        if field.startswith("hooks"):
            sheet = sheet.model_copy(update={"hooks": [Hook(to=1, text=text)]})
        if field.startswith("barks"):
            sheet = a_sheet(barks=BARKS | {"thanks": text})
        context = CheckContext(observation, "", cast("Any", SimpleNamespace(name="m")), cast("Any", None))
        found = asyncio.run(run_checks(Npc().actions[0].model_validate(sheet.model_dump()), context))
        assert [(one.field, one.check) for one in found if one.outcome is CheckOutcome.FAILED] == [
            (field, {"players": "refusal", "barks.thanks": "leak"}.get(field, "canon"))
        ]

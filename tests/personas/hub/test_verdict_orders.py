"""Dedup, check, undo and import in any order: who is retained, and that verdicts and rule results agree."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import strategies as st
from properties import holds

from populace.core.text import words
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import HubFile
from populace.personas.hub.check import judge_people
from populace.personas.hub.dedup import dedup_hub
from populace.personas.hub.file import describe_hub, make_hub_schema
from populace.personas.hub.queries import REJECTED, RETAINED
from populace.personas.hub.rewrites import TEXT_HASHES, undo_persona, undo_rule, undo_stage
from populace.personas.persona import content_id
from populace.personas.rules import Policy

LEAST = 0.8
STEM = "nurse who walks home at dawn and keeps a list of birds heard"
#: Two families of near-duplicates at 0.78 to 1, of which rules reject some, rewrite some, and find personal data.
TEXTS = (
    f"A {STEM}",
    f"A {STEM}.",
    f"A {STEM} here",
    f"A {STEM} here today",
    f"A {STEM} here today in spring",
    f"I am a {STEM}",
    f"I am a {STEM}. I love it",
    f"Sure, here is the persona: A {STEM}",
    f"A {STEM} [insert name]",
    f"A {STEM} at clay@example.org",
    f"A {STEM} at clay@example.com",
    "A potter of the northern bay who sells blue bowls to the ferry captain",
    "A potter of the northern bay who sells blue bowls to the ferry captains",
    "You are a potter of the northern bay who sells blue bowls to the ferry captain",
    "I am a potter of the northern bay. I sell blue bowls to the ferry captain",
)
#: What removes people for good, or puts them together, is left out where all must come back.
CHECKS: tuple[dict[str, Any], ...] = (
    {},
    {"personal": None},
    {"personal": Policy.PSEUDONYMISE},
)
COMMANDS = st.one_of(
    st.just(("dedup", None)),
    st.tuples(st.just("check"), st.sampled_from(CHECKS)),
    st.tuples(st.just("import"), st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4, unique=True)),
    st.tuples(
        st.sampled_from(("undo", "redo")),
        st.sampled_from(("first_person", "template_leak", "second_person", "personal_data", "stage", "persona")),
    ),
)


@contextmanager
def hub_of(folder: Path, texts: Sequence[str]) -> Iterator[HubFile]:
    # In memory: a file each would take most of the time.
    with HubFile(folder / "hub.duckdb", duckdb.connect(config={"threads": 1})) as hub:
        make_hub_schema(hub.con)
        bring(hub, texts)
        yield hub


def bring(hub: HubFile, texts: Sequence[str]) -> None:
    table = hub.path.with_name("rows.jsonl")
    ((number,),) = hub.con.execute("SELECT count(*) FROM imports").fetchall()
    table.write_text("\n".join(json.dumps({"persona": text, "n": number}) for text in texts))
    list(import_files(hub, [table], ImportOptions(personal="ignore")))


def do(hub: HubFile, command: str, what: Any) -> None:
    if command == "dedup":
        dedup_hub(hub, threshold=LEAST)
    elif command == "check":
        judge_people(hub, **what)
    elif command == "import":
        bring(hub, what)
    else:
        undo(hub, what, redo=command == "redo")


def undo(hub: HubFile, what: str, *, redo: bool) -> None:
    marked = hub.con.execute("SELECT persona, stage FROM duplicates ORDER BY persona").fetchall()
    rules = hub.con.execute("SELECT 1 FROM rule_results WHERE rule = ? AND text IS NOT NULL", [what]).fetchall()
    if what == "stage" and marked:
        undo_stage(hub, marked[0][1], redo=redo)
    elif what == "persona" and marked:
        undo_persona(hub, marked[0][0], redo=redo)
    elif rules:
        undo_rule(hub, what, redo=redo)


def rows(hub: HubFile, query: str) -> list[Any]:
    return hub.con.execute(query).fetchall()


def retained(hub: HubFile) -> set[str]:
    return {text for (text,) in rows(hub, f"SELECT text FROM personas WHERE {RETAINED}")}


def everything(hub: HubFile) -> dict[str, list[str]]:
    tables = ("personas", "duplicates", "rule_results", "imports", "relations", "rewritten_people", "comparisons")
    return {table: sorted(map(repr, rows(hub, f"FROM {table}"))) for table in tables}


def near(one: str, other: str) -> bool:
    mine, theirs = set(words(one)), set(words(other))
    return len(mine & theirs) >= LEAST * len(mine | theirs) - 1e-9


def check_sound(hub: HubFile) -> None:
    """What holds after any command."""
    hashes = rows(hub, f"SELECT text_hash, text FROM personas JOIN ({TEXT_HASHES}) USING (id)")
    assert all(found == content_id(text) for found, text in hashes)
    ids = {found for (found,) in rows(hub, "SELECT id FROM personas")}
    verdicts = rows(hub, 'SELECT persona, "of", undone FROM duplicates')
    assert {found for (found,) in rows(hub, "SELECT persona FROM imports")} <= ids
    assert {found for persona, of, _ in verdicts for found in (persona, of)} <= ids
    stand = {found for (found,) in rows(hub, f"SELECT id FROM personas WHERE {RETAINED}")}
    away = {found for (found,) in rows(hub, REJECTED)}
    assert not [1 for persona, of, undone in verdicts if not undone and {persona, of} <= stand]
    # A person who is left out is rejected, or repeats somebody who stands.
    for persona in ids - stand - away:
        assert {of for p, of, undone in verdicts if p == persona and not undone} & stand
    figures = describe_hub(hub)
    assert (figures.retained, figures.rejected) == (len(stand), len(away & ids))
    assert figures.retained + figures.rejected + figures.near_duplicates == figures.personas


@holds(
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=12, unique=True),
    st.lists(COMMANDS, max_size=6),
    few=3,
    many=10,
)
def test_in_any_order_one_of_each_near_duplicates_stands_unless_rules_turned_all_away(
    tmp_path: Path, texts: list[str], commands: list[tuple[str, Any]]
) -> None:
    with hub_of(tmp_path, texts) as hub:
        for command, what in commands:
            do(hub, command, what)
            check_sound(hub)
            if command != "import":
                before = everything(hub)
                do(hub, command, what)
                assert everything(hub) == before, f"{command} {what} twice"


@holds(
    st.lists(st.sampled_from(TEXTS), min_size=2, max_size=12, unique=True),
    st.sampled_from(CHECKS),
    st.booleans(),
    few=3,
    many=10,
)
def test_dedup_before_check_and_after_it_leave_the_same_people(
    tmp_path: Path, texts: list[str], options: dict[str, Any], is_undone: bool
) -> None:
    found = []
    for order in (("dedup", "check"), ("check", "dedup")):
        with hub_of(tmp_path, texts) as hub:
            for command in order:
                do(hub, command, options)
            if is_undone:
                undo(hub, "first_person", redo=False)
            found.append(retained(hub))
    assert found[0] == found[1]
    if not is_undone:
        assert not [pair for pair in combinations(found[0], 2) if near(*pair)]


@holds(
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=12, unique=True),
    st.sampled_from(("first_person", "second_person")),
    few=3,
    many=10,
)
def test_an_undone_rule_leaves_nothing_of_what_it_did_and_redone_does_it_again(
    tmp_path: Path, texts: list[str], rule: str
) -> None:
    with hub_of(tmp_path, texts) as hub:
        dedup_hub(hub, threshold=LEAST)
        judge_people(hub, personal=None)
        checked = rows(hub, "SELECT id, text, ordinal FROM personas ORDER BY id"), retained(hub)
        said = rows(hub, f"SELECT persona FROM rule_results WHERE rule = '{rule}' AND outcome <> 'kept'")
        undo(hub, rule, redo=False)
        there = {text for (text,) in rows(hub, "SELECT text FROM personas")}
        assert {text for text in texts if content_id(text) in {persona for (persona,) in said}} <= there
        undo(hub, rule, redo=True)
        assert (rows(hub, "SELECT id, text, ordinal FROM personas ORDER BY id"), retained(hub)) == checked
        check_sound(hub)


def test_a_duplicate_stands_when_the_person_it_repeats_is_rejected(tmp_path: Path) -> None:
    leak = f"A {STEM} [insert name]"
    with hub_of(tmp_path, [leak, f"A {STEM} inserts"]) as hub:
        dedup_hub(hub, threshold=LEAST)
        assert retained(hub) == {leak}
        judge_people(hub)
        assert retained(hub) == {f"A {STEM} inserts"}

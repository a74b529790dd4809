from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import duckdb
import pytest

from populace.agents.gateway.call import Call
from populace.core.model import Outcome
from populace.personas.hub.tables import DuplicateRow, PersonaRow, RelationRow
from populace.sim.runfile.database import make_schema
from populace.sim.runfile.job_rows import FailureRow, JobRow
from populace.sim.runfile.rows import AgentRow, EmissionRow, MessageRow
from populace.sim.runfile.writer import Inserts

PEOPLE = ("ada", "ben", "ben2", "ben3", "eve")


def persona(name: str, place: int) -> PersonaRow:
    return PersonaRow(name, place, f"{name} of the village", "persona", 1, "ada", "en", None, None, "m", "p@1")


def same(later: str, earlier: str, *, undone: bool = False) -> DuplicateRow:
    return DuplicateRow("persona", None, later, earlier, None, None, "minhash", 0.95, undone)


def emission(number: int, step: int, agent: str, kind: str = "tool") -> EmissionRow:
    return EmissionRow(number, step, agent, kind, f"text {number}", "{}", False, "m", "turn@1")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        make_schema(con)
        Inserts(con).write([persona(name, place) for place, name in enumerate(PEOPLE, start=1)])
        yield con


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return con.execute(sql).fetchall()


def test_a_chain_of_duplicates_ends_with_the_one_who_survives(con: duckdb.DuckDBPyConnection) -> None:
    Inserts(con).write([same("ben3", "ben2"), same("ben2", "ben"), same("eve", "ada", undone=True)])
    survivors = dict(con.execute("FROM survivors").fetchall())
    assert survivors == {"ada": "ada", "ben": "ben", "ben2": "ben", "ben3": "ben", "eve": "eve"}


def test_relations_follow_duplicates_and_lose_loops(con: duckdb.DuckDBPyConnection) -> None:
    ties = [("ada", "ben3"), ("ben2", "eve"), ("ben", "ben3")]
    Inserts(con).write([same("ben3", "ben2"), same("ben2", "ben")])
    Inserts(con).write([RelationRow(n, a, b, "work", "colleague", 1) for n, (a, b) in enumerate(ties, start=1)])
    assert rows(con, "SELECT ordinal, source, target FROM living_relations ORDER BY ordinal") == [
        (1, "ada", "ben"),
        (2, "ben", "eve"),
    ]


def test_an_undone_verdict_is_not_followed(con: duckdb.DuckDBPyConnection) -> None:
    Inserts(con).write([same("ben2", "ben", undone=True), RelationRow(1, "ada", "ben2", "work", "colleague", 1)])
    assert rows(con, "SELECT target FROM living_relations") == [("ben2",)]


def test_a_thread_keeps_its_root_through_branches(con: duckdb.DuckDBPyConnection) -> None:
    answers = {1: None, 2: 1, 3: 2, 4: 1, 5: None, 6: 5}
    Inserts(con).write([MessageRow(n, n, "ada", "ben", "x", n, to) for n, to in answers.items()])
    assert rows(con, "SELECT message, thread, depth FROM threads ORDER BY message") == [
        (1, 1, 0),
        (2, 1, 1),
        (3, 1, 2),
        (4, 1, 1),
        (5, 5, 0),
        (6, 5, 1),
    ]


def test_who_spoke_to_whom_counts_lines_once_and_names_the_tie(con: duckdb.DuckDBPyConnection) -> None:
    Inserts(con).write(
        [
            RelationRow(1, "ben", "ada", "care", "nurse", 1),
            RelationRow(2, "ada", "ben3", "teaching", "pupil", 1),
            RelationRow(3, "ada", "ben", "work", "colleague", 1),
            same("ben3", "ben"),
            MessageRow(1, 2, "ada", "ben", "x", 1, None),
            MessageRow(2, 5, "ada", "ben", "y", 2, None),
            MessageRow(3, 3, "eve", "player", "z", 3, None),
            MessageRow(4, 3, "ben", "ada", "z", 4, 1),
        ]
    )
    assert rows(con, "FROM spoke_to ORDER BY sender") == [
        ("ada", "ben", "teaching", "pupil", True, 2, 2, 5),
        ("ben", "ada", "care", "nurse", True, 1, 3, 3),
        ("eve", "player", None, None, None, 1, 3, 3),
    ]


def test_a_tie_of_the_other_direction_is_marked(con: duckdb.DuckDBPyConnection) -> None:
    tie = RelationRow(1, "ada", "ben", "teaching", "pupil", 1)
    Inserts(con).write([tie, MessageRow(1, 1, "ben", "ada", "x", 1, None)])
    assert rows(con, "SELECT kind, label, outgoing FROM spoke_to") == [("teaching", "pupil", False)]


def test_said_marks_near_duplicates_unless_undone(con: duckdb.DuckDBPyConnection) -> None:
    verdict = DuplicateRow("tool", 2, "ben", "ada", 2, 1, "minhash", 0.93, False)
    Inserts(con).write([emission(n, n, who) for n, who in enumerate(("ada", "ben", "eve"), start=1)])
    Inserts(con).write([verdict, replace(verdict, emission=3, undone=True)])
    assert rows(con, "SELECT emission, persona_text, parent, near_duplicate, of_emission FROM said ORDER BY 1") == [
        (1, "ada of the village", "ada", False, None),
        (2, "ben of the village", "ada", True, 1),
        (3, "eve of the village", "ada", False, None),
    ]


def test_novelty_and_mix_count_by_kind(con: duckdb.DuckDBPyConnection) -> None:
    Inserts(con).write([emission(1, 1, "ada"), emission(2, 1, "ben"), emission(3, 1, "ben", "dialogue")])
    Inserts(con).write([DuplicateRow("tool", 1, "ben", "ada", 2, 1, "minhash", 0.93, False)])
    assert rows(con, "FROM novelty ORDER BY kind") == [(1, "dialogue", 1, 0, 1.0), (1, "tool", 2, 1, 0.5)]
    assert rows(con, "SELECT kind, emissions, agents, near_duplicates FROM mix ORDER BY kind") == [
        ("dialogue", 1, 1, 0),
        ("tool", 2, 2, 1),
    ]


def test_people_sum_up_what_each_did(con: duckdb.DuckDBPyConnection) -> None:
    Inserts(con).write(
        [
            AgentRow("ada", 1),
            AgentRow("eve", 2),
            RelationRow(1, "ada", "ben", "work", "colleague", 1),
            emission(1, 1, "ada", "dialogue"),
            MessageRow(1, 1, "ada", "eve", "x", 1, None),
        ]
    )
    counts = "SELECT agent, relations, emissions, lines_spoken, lines_heard FROM people ORDER BY agent"
    assert rows(con, counts) == [("ada", 1, 1, 1, 0), ("eve", 0, 0, 0, 1)]


def test_failures_are_counted_by_reason(con: duckdb.DuckDBPyConnection) -> None:
    lost = FailureRow("step", 2, 2, "ada", "ada", "turn", "timeout", "No answer in 120 s.", 6)
    Inserts(con).write([lost, replace(lost, number=4, attempts=5), replace(lost, reason="Another.")])
    assert rows(con, "FROM failure_reasons ORDER BY failures DESC") == [
        (1, "step", "turn", "timeout", "No answer in 120 s.", 2, 11, 2, 4),
        (1, "step", "turn", "timeout", "Another.", 1, 6, 2, 2),
    ]


def test_cost_adds_up_only_what_was_counted(con: duckdb.DuckDBPyConnection, run_row: JobRow) -> None:
    began = run_row.started_at
    ended = began + timedelta(seconds=1.5)
    call = Call(
        "step",
        1,
        "ada",
        "turn",
        1,
        "f",
        1,
        Outcome.OK,
        "",
        "{}",
        None,
        "m",
        None,
        10,
        4,
        None,
        None,
        began,
        ended,
        0.5,
    )
    Inserts(con).write([call, replace(call, input_tokens=None, output_tokens=None)])
    found = "SELECT calls, counted, input_tokens, output_tokens, reasoning_tokens, seconds, mean_waited FROM cost"
    assert rows(con, found) == [(2, 1, 10, 4, None, 3.0, 0.5)]

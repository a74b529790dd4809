"""A small run, made by a seeded generator: what analysis is tested against."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched, chain, groupby
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest
from grades import NewGraded

from populace.core.database import CONFIG
from populace.core.query import Params
from populace.personas.persona import RelationKind, content_id
from populace.sim.runfile.database import make_run_file

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).replace(tzinfo=None)
TRADES = [
    "baker",
    "nurse",
    "welder",
    "teacher",
    "ferryman",
    "beekeeper",
    "midwife",
    "carpenter",
    "clerk",
    "shepherd",
]
CARES = ["mends what others throw away", "counts the days", "sings in two languages", "keeps a ledger"]
PLACES = [
    "by the old mill",
    "on the north shore",
    "behind the station",
    "above the tannery",
    "near the salt pans",
]


@dataclass(frozen=True, slots=True)
class Answered:
    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


#: The columns of each table, asked for once.
_columns: dict[str, list[str]] = {}


@dataclass(slots=True)
class SmallRun:
    """A run in a plain DuckDB connection: what analysis asks of one, and a way to write."""

    connection: duckdb.DuckDBPyConnection
    is_live: bool = False

    def query(self, sql: str, params: Params = ()) -> Answered:
        answer = self.connection.execute(sql, params if isinstance(params, Mapping) else list(params))
        described = answer.description or []
        return Answered([d[0] for d in described], [str(d[1]) for d in described], answer.fetchall())

    def fill(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        if table not in _columns:
            _columns[table] = self.query(f"FROM {table} LIMIT 0").columns
        columns = _columns[table]
        # What later versions of the schema brought has a default, and stands behind the rest.
        for width, alike in groupby(rows, key=len):
            names, marks = ", ".join(f'"{name}"' for name in columns[:width]), ", ".join("?" * width)
            for some in batched(alike, 100):
                values = ", ".join([f"({marks})"] * len(some))
                self.connection.execute(f"INSERT INTO {table} ({names}) VALUES {values}", [*chain(*some)])


@dataclass
class Village:
    """Writes the rows of a run of `people` over `steps`; every text says whom and when it is from."""

    run: SmallRun
    people: int = 60
    steps: int = 5
    seed: int = 7

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.ids: list[str] = []
        self.emission = 0
        self.message = 0
        self.heard: dict[str, tuple[int, str]] = {}
        self.said_first: dict[str, tuple[int, str]] = {}
        self.rows: dict[str, list[Sequence[object]]] = {}

    def fill(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Keep rows of a table, in their order, until `write`."""
        self.rows.setdefault(table, []).extend(rows)

    def write(self) -> None:
        """Insert what was kept."""
        for table, rows in self.rows.items():
            self.run.fill(table, rows)
        self.rows.clear()

    def header(self, model: str, status: str) -> None:
        versions = json.dumps({"populace": "0.1.0", "python": "3.13.0", "duckdb": "2.0.0"})
        ended = NOON + timedelta(minutes=5) if status != "running" else None
        spec = {
            "scenario": "village",
            "settings": {},
            "growth": {"agents": 60, "hops": 3},
            "world": "A village by the water.",
            "steps": self.steps,
        }
        self.fill("jobs", [[
            1, "r1", "society", json.dumps(spec), self.seed, model, model != "procedural", None, None, None,
            '{"max_in_flight":8}', None, None, False, versions, status, None, "c0ffee" * 5, NOON, ended,
        ]])  # fmt: skip

        self.fill("phases", [[1, "growth", 1, "hop"], [1, "step", 2, "step"]])

    def mark(self, phase: str, number: int, items: int, failed: int, counts: dict[str, int], at: datetime) -> None:
        seconds, state = (1, None) if phase == "growth" else (2, '{"news": []}')
        self.fill("markers", [[
            1, phase, number, 0, items, failed, None, state, json.dumps(counts), at, at + timedelta(seconds=seconds),
            f"{phase[0]}{number}",
        ]])  # fmt: skip

    def grow(self, odd_texts: Sequence[str] = ()) -> None:
        texts = list(odd_texts)
        for n in range(self.people - len(texts)):
            trade, care, place = TRADES[n % 10], CARES[n // 10 % 4], PLACES[n % 5]
            texts.append(f"A {trade} who {care} {place}, number {n}.")
        self.ids = [content_id(text) for text in texts]
        for n, (persona, text) in enumerate(zip(self.ids, texts, strict=True)):
            parent, hop = (None, 0) if n < 10 else (self.ids[n // 3], 1 if n < 30 else 2)
            self.fill("personas", [[
                persona, n + 1, text, "persona" if hop else "text", hop, parent, "en", None, None,
                "procedural", "persona_to_persona@1" if hop else "text_to_persona@1",
            ]])  # fmt: skip
            if parent is not None:
                kind = list(RelationKind)[n % len(RelationKind)]
                self.fill("relations", [[n, parent, persona, kind.value, f"{kind.value} partner", hop]])
        twin = "A baker who mends what others throw away by the old mill number 0."
        again = content_id(twin)
        born = [again, 99, twin, "persona", 1, self.ids[0], "en", None, None, "procedural", None]
        self.fill("personas", [born])
        first = self.ids[len(odd_texts)]
        self.fill("duplicates", [["persona", None, again, first, None, None, "minhash", 0.96, False]])
        self.fill("relations", [[99, self.ids[-1], again, "teaching", "apprentice", 2]])
        self.fill("agents", [[persona, n + 1] for n, persona in enumerate(self.ids)])
        for hop in range(3):
            counts = {"born": 20, "duplicates": hop, "relations": 20}
            self.mark("growth", hop, 10, 0, counts, NOON + timedelta(seconds=hop))

    def live(self) -> None:
        for step in range(1, self.steps + 1):
            if step == 3:
                self.fill("interventions", [[3, "ferry_stops", "The ferry stops running."]])
            said: dict[str, tuple[int, str]] = {}
            for persona in self.ids[:-1]:
                self.act(step, persona, said)
            self.heard = said
            self.lose(step, self.ids[-1])
            at = NOON + timedelta(seconds=10 * step)
            acted = len(self.ids) - 1
            self.mark("step", step, acted + 1, 1, {"acted": acted}, at)
            self.fill("measures", [[step, "lines_spoken", float(len(said))]])

    def act(self, step: int, persona: str, said: dict[str, tuple[int, str]]) -> None:
        self.call("step", step, persona, "turn", "ok")
        kind = "dialogue" if persona in self.heard else self.rng.choice(["dialogue", "instruction", "tool"])
        n = self.ids.index(persona)
        if kind == "dialogue":
            self.speak(step, persona, said)
        elif kind == "instruction":
            self.emit(step, persona, kind, f"How do I mend a net of size {n} by day {step}?", {"text": "..."})
        else:
            self.emit(step, persona, kind, f"tide_table_{n % 6}: tells the tide", _tool(n % 6))

    def speak(self, step: int, persona: str, said: dict[str, tuple[int, str]]) -> None:
        reply_to, other = self.heard.get(persona, (None, self.ids[self.ids.index(persona) // 3]))
        text = f"In step {step} I tell you that the nets need mending, {self.ids.index(persona)}."
        self.emit(step, persona, "dialogue", text, {"to": other, "text": text})
        self.message += 1
        self.fill("messages", [[self.message, step, persona, other, text, self.emission, reply_to]])
        said[other] = (self.message, persona)

    def emit(self, step: int, persona: str, kind: str, text: str, payload: dict[str, Any]) -> None:
        earlier = self.said_first.get(text)
        self.emission += 1
        self.said_first.setdefault(text, (self.emission, persona))
        self.fill("emissions", [[
            self.emission, step, persona, kind, text, json.dumps(payload), False, "procedural", "turn@1"
        ]])  # fmt: skip
        if earlier is not None:
            of_emission, of = earlier
            verdict = [kind, step, persona, of, self.emission, of_emission, "minhash", 1.0, False]
            self.fill("duplicates", [verdict])

    def call(self, phase: str, number: int, owner: str, purpose: str, outcome: str) -> None:
        started = NOON + timedelta(seconds=10 * number)
        ended = started + timedelta(milliseconds=self.rng.randint(20, 90))
        reason = "" if outcome == "ok" else "The answer was cut off."
        tokens = [210, 40, None, 128] if outcome == "ok" else [None] * 4
        self.fill("calls", [[
            1, phase, number, owner, purpose, 1, content_id(f"{phase}{number}{owner}{self.rng.random()}"), 1,
            outcome, reason, "{}", "stop", "procedural", None, *tokens, started, ended, 0.0,
        ]])  # fmt: skip

    def lose(self, step: int, persona: str) -> None:
        for _ in range(3):
            self.call("step", step, persona, "turn", "cut_json")
        reason = "The answer was cut off."
        self.fill("failures", [[1, "step", step, step, persona, persona, "turn", "cut_json", reason, 3]])


def _tool(n: int) -> dict[str, Any]:
    properties = {
        "harbour": {"type": "string", "description": "Where."},
        "day": {"type": "integer", "description": "When."},
    }
    parameters = {
        "type": "object",
        "properties": properties,
        "required": ["harbour"],
        "additionalProperties": False,
    }
    returns = {"type": "array", "description": "Times of high water."}
    return {
        "name": f"tide_table_{n}",
        "purpose": "Tells the tide.",
        "parameters": parameters,
        "returns": returns,
    }


class MakeRun(Protocol):
    """Makes a run and fills it up to a point."""

    def __call__(
        self,
        *,
        people: int = 60,
        steps: int = 5,
        upto: str = "life",
        odd_texts: Sequence[str] = (),
        model: str = "procedural",
        status: str = "finished",
        is_live: bool = False,
        path: Path | None = None,
    ) -> SmallRun: ...


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeRun]:
    """Makes runs with only their row in `runs` (upto="header"), with people ("growth") or all ("life")."""
    made: list[SmallRun] = []
    folder = tmp_path_factory.mktemp("made")

    def make(
        *,
        people: int = 60,
        steps: int = 5,
        upto: str = "life",
        odd_texts: Sequence[str] = (),
        model: str = "procedural",
        status: str = "finished",
        is_live: bool = False,
        path: Path | None = None,
    ) -> SmallRun:
        path = path or folder / f"{len(made)}.duckdb"
        make_run_file(path)
        run = SmallRun(duckdb.connect(path, config=dict(CONFIG)), is_live)
        made.append(run)
        village = Village(run, people, steps)
        run.connection.begin()
        village.header(model, status)
        if upto != "header":
            village.grow(odd_texts)
        if upto == "life":
            village.live()
        village.write()
        run.connection.commit()
        return run

    yield make
    for run in made:
        run.connection.close()


@pytest.fixture(scope="session")
def lived(make_run: MakeRun) -> SmallRun:
    """A finished run of 60 people over 5 steps, for reading only."""
    return make_run()


@pytest.fixture
def new_graded(tmp_path: Path) -> NewGraded:
    """Makes runs whose outputs have given votes."""
    return NewGraded(tmp_path)

"""Run files with outputs of all sorts, written row by row."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from populace.core.database import CONFIG
from populace.personas.persona import content_id
from populace.sim.runfile.database import make_run_file

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).replace(tzinfo=None)

#: A conversation in which a tool is called, in OpenAI's format.
TOOL_TALK: Mapping[str, Any] = {
    "messages": [
        {"role": "user", "content": "When is high water?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "tide", "arguments": '{"day": 3, "pier": "east"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "name": "tide", "content": "14:05"},
        {"role": "assistant", "content": "At five past two."},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "tide",
                "description": "Tells the tide.",
                "parameters": {
                    "type": "object",
                    "properties": {"pier": {"type": "string"}, "day": {"type": "integer"}},
                    "required": ["pier", "day"],
                },
            },
        }
    ],
}


#: The columns of each table, asked for once.
_columns: dict[str, list[str]] = {}


@dataclass
class MadeRun:
    """A run file that is being written by hand."""

    path: Path
    model: str = "openai:qwen3"
    seed: int = 7
    name: str = "r1"
    con: duckdb.DuckDBPyConnection = field(init=False)
    emission: int = 0

    def __post_init__(self) -> None:
        make_run_file(self.path)
        self.con = duckdb.connect(self.path, config=dict(CONFIG))
        self.con.begin()
        spec = {"scenario": "errands", "settings": {}, "growth": {}, "world": "A town.", "steps": 1}
        self.fill("jobs", [
            1, self.name, "society", json.dumps(spec), self.seed, self.model, self.model != "procedural", None, None,
            None, "{}", None, None, False, "{}", "finished", None, f"hash of {self.name}", NOON, NOON,
        ])  # fmt: skip
        self.fill("phases", [1, "step", 1, "step"])

    def fill(self, table: str, row: Sequence[object]) -> None:
        """Add one row to a table, in the order of its columns."""
        if table not in _columns:
            _columns[table] = [name for name, *_ in self.con.execute(f"DESCRIBE {table}").fetchall()]
        columns = _columns[table]
        names = ", ".join(f'"{name}"' for name in columns[: len(row)])
        self.con.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row))

    def person(
        self, text: str, *, licence: str | None = "CC0-1.0", parent: str | None = None, model: str | None = None
    ) -> str:
        """Add a persona; gives its id."""
        person = content_id(text)
        origin, hop = ("persona", 1) if parent else ("text", 0)
        source = None if parent else f"notes.md#{text[:10]}"
        self.fill("personas", [
            person, 1, text, origin, hop, parent, "en", source, licence, model or self.model, "text_to_persona@2"
        ])  # fmt: skip
        return person

    def output(self, person: str, text: str, kind: str = "instruction", *, step: int = 1, **payload: Any) -> int:
        """Add an output; gives its number."""
        self.emission += 1
        held = json.dumps({"text": text, **payload} if kind != "talk" else payload)
        self.fill("emissions", [self.emission, step, person, kind, text, held, False, self.model, "turn@3"])
        return self.emission

    def repeats(self, later: int, earlier: int) -> None:
        """Note that an output nearly repeats an earlier one."""
        ((kind, person),) = self.con.execute("SELECT kind, agent FROM emissions WHERE emission = ?", [later]).fetchall()
        self.fill("duplicates", [kind, 1, person, person, later, earlier, "exact", 0.95, False])

    def fails(self, emission: int, check: str, reason: str) -> None:
        """Note that an output failed a check."""
        self.fill("checks", [emission, check, "failed", reason, None, 1, 1])

    def call(self, person: str, sampling: Mapping[str, float] | None, step: int = 1) -> None:
        """Note the call that an output of a person came of."""
        self.con.execute(
            "INSERT INTO calls (phase, number, owner, purpose, prompt_version, request_hash, attempt, outcome, reason, "
            "model, started_at, ended_at, waited, sampling) "
            "VALUES ('step', ?, ?, 'turn', 3, 'h', 1, 'ok', '', ?, ?, ?, 0, ?)",
            [step, person, self.model, NOON, NOON, json.dumps(sampling) if sampling else None],
        )

    def done(self) -> Path:
        """Close the file; gives its path."""
        self.con.commit()
        self.con.close()
        return self.path


type NewRun = Callable[..., MadeRun]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSONL, compressed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]

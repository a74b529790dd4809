"""Characters as JSON, Ink and Yarn, whatever is in their sheets."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from populace.analysis.export.characters import Character, export_characters, read_characters, to_ink, to_json, to_yarn
from populace.core.errors import SetupError
from populace.scenarios.npc.task import Npc
from populace.sim.growth.settings import Growth
from populace.sim.society import Society

HOSTILE = (
    "Ann [x] {y} -> #z // <b> * + - = ~ | \\ END",
    "-> END",
    "=== knot ===",
    "VAR x = 3",
    "TODO: mend",
    "~ x = 1",
    "- gather",
    "<<jump X>>",
    "A: {$x} [b]m[/b] #line:1",
    "日本語の名前",
    "---",
)


def character(number: int, text: str) -> Character:
    barks = dict.fromkeys(("greeting", "farewell", "idle", "busy", "alarm", "refusal", "thanks"), text)
    knows = [{"persona": f"p{number - 1}", "relation": text, "kind": "work", "text": text}]
    fields = dict.fromkeys(("name", "people", "place", "role", "background", "speech", "players"), text)
    return Character(f"id_{number}", number, f"p{number}", "", {**fields, "barks": barks, "knows": knows}, True)


CHARACTERS = [character(number, text) for number, text in enumerate(HOSTILE)]


def unescaped(line: str, marks: str) -> list[str]:
    """The characters of a line that would be read as markup: those in `marks` without a backslash in front."""
    return re.findall(rf"[{re.escape(marks)}]", re.sub(r"\\.", "", line))


def ink_contents(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if (choice := re.fullmatch(r"\+ \[(.*?)\](?: -> (\w+))?", line)) is not None:
            yield choice[1]
        elif not re.fullmatch(r"// .*|-> characters|=== \w+ ===|- \(talk\)|    -> (?:talk|characters)|", line):
            yield line.strip().removeprefix("# ")


def test_text_of_a_sheet_means_nothing_to_ink() -> None:
    text = to_ink(CHARACTERS, "Notice.")
    assert [line for line in ink_contents(text) if unescaped(line, "{}|~[]#/<>*+=")] == []
    assert not re.search(r"^\s*(?:TODO|VAR)\b", text, re.MULTILINE)
    knots = re.findall(r"^=== (\w+) ===$", text, re.MULTILINE)
    assert knots == ["characters", *(one.id for one in CHARACTERS)]
    assert set(re.findall(r"-> (\w+)$", text, re.MULTILINE)) == {*knots, "talk", "END"}


def test_text_of_a_sheet_means_nothing_to_yarn() -> None:
    text = to_yarn(CHARACTERS, "Notice.")
    nodes = [node.partition("\n---\n") for node in text.split("\n===\n") if node.strip()]
    titles = [re.search(r"^title: (\w+)$", head, re.MULTILINE) for head, _, _ in nodes]
    assert [title and title[1] for title in titles] == ["Characters", *(one.id for one in CHARACTERS)]
    for _, _, body in nodes:
        for line in body.splitlines():
            content = re.sub(r"^\s*(?:-> |// .*|<<(?:jump \w+|stop)>>$)", "", line)
            assert unescaped(content, "{}<>[]#/") == []
    jumps = set(re.findall(r"^ +<<jump (\w+)>>$", text, re.MULTILINE))
    assert jumps == {"Characters", *(one.id for one in CHARACTERS)}


def test_json_keeps_every_word_and_says_whom_hooks_lead_to() -> None:
    made = json.loads(to_json(CHARACTERS, "Notice."))
    assert made["synthetic"] is True
    assert [one["name"] for one in made["characters"]] == list(HOSTILE)
    leads = [[hook["to"] for hook in one["hooks"]] for one in made["characters"]]
    assert leads == [[], *([one.id] for one in CHARACTERS[:-1])]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("npc") / "npc.duckdb"
    Society(Npc({"n": 5}), growth=Growth(agents=6, hops=1), seed=1, out=path).run()
    return path


@pytest.mark.parametrize("form", ["npc-json", "ink", "yarn"])
def test_characters_of_a_run_are_written_once_and_labelled(run: Path, tmp_path: Path, form: Any) -> None:
    path = tmp_path / "characters"
    assert export_characters(run, path, form) == (5, 0)
    assert "not a language model" in path.read_text(encoding="utf-8")
    with pytest.raises(SetupError, match="exists already"):
        export_characters(run, path, form)


@pytest.mark.parametrize("form", ["npc-json", "ink", "yarn"])
def test_hooks_to_people_without_an_accepted_sheet_are_left_out_and_counted(
    run: Path, tmp_path: Path, form: Any
) -> None:
    there, path = read_characters(run), tmp_path / "characters"
    gone = Counter(hook["persona"] for one in there for hook in one.sheet["knows"]).most_common(1)[0][0]
    shutil.copy(run, copy := tmp_path / "npc.duckdb")
    with duckdb.connect(str(copy)) as con:
        con.execute("DELETE FROM emissions WHERE agent = ?", [gone])
    left = [one for one in there if one.persona != gone]
    dropped = sum(hook["persona"] == gone for one in left for hook in one.sheet["knows"])
    assert export_characters(copy, path, form) == (4, dropped)
    assert gone[:16] not in path.read_text(encoding="utf-8")
    assert dropped

"""The task tool-code: implementations of tools, checked and run in the sandbox."""

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openai_server import OpenAIServer
from strict_mode import faults_of

from populace.agents.procedural.situation import Situation
from populace.agents.sandbox import CodeOutcome, CodeResult, Returned, SandboxLevel
from populace.agents.tools import code_faults
from populace.core.errors import SetupError, SourceError
from populace.scenarios.tool.task import Kit, ToolTask, list_kits
from populace.scenarios.tool_code import task as module
from populace.scenarios.tool_code.task import (
    ToolCodeTask,
    case_faults,
    execute,
    execution_checks,
    is_as_stated,
    same_value,
    write_code,
)
from populace.scenarios.tool_code.tool_set import read_tools
from populace.sim import trust
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society
from populace.sim.tasks.task import Task, read_demonstrations

NUMBER = {"type": "number", "description": "A number."}
TOOL: dict[str, Any] = {
    "name": "half",
    "purpose": "Halves a number.",
    "parameters": {
        "type": "object",
        "properties": {"of": NUMBER},
        "required": ["of"],
        "additionalProperties": False,
    },
    "returns": NUMBER,
    "depend": [],
}


def rows(path: Path, sql: str) -> Sequence[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


def made(path: Path, task: Task, *, people: int | None = None) -> Path:
    growth = task.growth(Growth() if people is None else Growth(agents=people), is_counted=people is not None)
    Society(task, growth=growth, seed=3, out=path).run()
    return path


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("tools") / "tools.duckdb", ToolTask({"n": 5}), people=5)


def checks(path: Path) -> dict[tuple[str, str], int]:
    found = rows(path, 'SELECT "check", outcome, count(*) FROM checks GROUP BY ALL')
    return {(name, outcome): count for name, outcome, count in found}


@pytest.mark.slow
def test_the_tools_of_a_run_are_implemented_and_run_for_their_people(tools: Path, tmp_path: Path) -> None:
    path = made(tmp_path / "code.duckdb", ToolCodeTask({"n": 5, "tools": str(tools), "execute": True}))
    of_code, of_any = ("implements", "runs", "example", "tests"), ("degenerate", "language", "leak", "refusal")
    assert checks(path) == {(name, "passed"): 5 for name in (*of_code, *of_any)}
    code = rows(path, "SELECT agent, payload ->> '$.tool.name', payload FROM outputs ORDER BY ALL")
    assert [row[:2] for row in code] == rows(tools, "SELECT agent, payload ->> '$.name' FROM outputs ORDER BY ALL")
    payload = json.loads(code[0][2])
    assert payload["results"][0] == {"value": json.loads(payload["example"]["returns"])}
    assert payload["confinement"] in list(SandboxLevel)
    assert "error" in payload["results"][-1]
    ((reason,),) = rows(path, "SELECT DISTINCT reason FROM checks WHERE \"check\" = 'runs'")
    assert reason.startswith("Code runs limited")
    assert replay(path, ToolCodeTask).difference == ""


def test_without_a_run_tools_are_made_first_and_nothing_is_executed_unless_asked(tmp_path: Path) -> None:
    path = made(tmp_path / "code.duckdb", ToolCodeTask({"n": 3, "prompting": "few-shot"}), people=4)
    texts = {(name, "passed"): 3 for name in ("degenerate", "language", "leak", "refusal")}
    assert checks(path) == {("implements", "passed"): 3, ("unique_tool_name", "passed"): 3} | texts
    assert rows(path, "SELECT DISTINCT payload -> '$.results', payload ->> '$.confinement' FROM outputs") == [
        ("[]", "")
    ]
    assert rows(path, "SELECT purpose, count(*) FROM calls WHERE phase = 'step' GROUP BY ALL ORDER BY 1") == [
        ("tool", 3),
        ("tool_code", 3),
    ]


def test_implementations_of_foreign_tools_by_the_stand_in_fail_and_say_so(tmp_path: Path) -> None:
    file = tmp_path / "tools.jsonl"
    told = {"function_name": "half", "description": "Halves.", "input_args": {"of": "float"}, "return": "float"}
    file.write_text(json.dumps({"input persona": "A baker", "synthesized text": json.dumps(told)}), encoding="utf-8")
    path = made(tmp_path / "code.duckdb", ToolCodeTask({"n": 1, "tools": str(file), "execute": True}), people=2)
    assert rows(path, "SELECT DISTINCT stage FROM outputs") == [("implements",)]
    assert rows(path, "SELECT count(DISTINCT agent) FROM outputs") == [(1,)]
    reasons = rows(path, "SELECT DISTINCT reason FROM outputs")
    assert reasons == [("The example must give a value.",)]


def test_a_run_from_elsewhere_runs_no_code_here(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "code.duckdb", ToolCodeTask({"n": 1, "tools": str(tools), "execute": True}))
    monkeypatch.setattr(trust, "_read_fingerprints", frozenset)
    monkeypatch.setattr(module, "execute", None)
    with pytest.raises(SetupError, match="was not made here by you, and would run 'the code in its answers'"):
        replay(path, ToolCodeTask)


def test_files_without_tools_and_too_many_rows_are_refused(tools: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("{}\n", encoding="utf-8")
    with pytest.raises(SourceError, match="holds no tools; give a run of `populace make tool`"):
        read_tools(str(empty))
    with pytest.raises(SetupError, match="has 5 tools, and n is 6; give n up to 5, or more per persona"):
        ToolCodeTask({"n": 6, "tools": str(tools)}).check_readable()


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("def half(of): return of / 2", ""),
        ("def half(*, of, digits=2): return of / 2", ""),
        ("def half(**given): return 0", ""),
        ("def half(of: return", "The code is not Python"),
        ("half = 1", "defines no function half"),
        ("def half(): return 1", "does not take the argument of"),
        ("def half(of, by): return 1", "needs the argument by"),
        ("def half(of, /): return 1", "by place alone"),
        ("x = '\x00'", "The code is not Python"),
    ],
)
def test_code_that_cannot_implement_a_tool_is_told_without_running_it(code: str, fault: str) -> None:
    faults = code_faults(code, TOOL)
    assert fault in " ".join(faults)
    assert bool(faults) == bool(fault)


def case(arguments: object, returns: object = "") -> Any:
    return SimpleNamespace(arguments=json.dumps(arguments), returns=json.dumps(returns) if returns != "" else "")


def test_cases_must_fit_the_interface_unless_they_are_to_be_refused() -> None:
    assert case_faults(case({"of": 3}, 1.5), TOOL, "Test 1") == []
    assert case_faults(case({"of": "many"}), TOOL, "Test 1") == []
    assert "does not fit the interface: 'many'" in case_faults(case({"of": "many"}, 1), TOOL, "Test 1")[0]
    assert "does not fit the interface: 'x'" in case_faults(case({"of": 1}, "x"), TOOL, "Test 1")[0]
    assert "is not JSON" in case_faults(SimpleNamespace(arguments="[1]", returns=""), TOOL, "Test 1")[0]


def test_what_a_run_showed_is_told_by_checks() -> None:
    cases = [case({"of": 3}, 1.5), case({"of": 2}, 1), case({"of": "x"})]
    done = CodeResult(CodeOutcome.OK, "", "", 0.1)
    right = [Returned(1.5), Returned(1.0), Returned(None, "ValueError: no", "ValueError")]
    assert {name: said.outcome for name, said in execution_checks(done, right, cases).items()} == {
        "runs": "passed",
        "example": "passed",
        "tests": "passed",
    }
    wrong = [Returned(2), Returned(None, "ValueError: no", "ValueError"), Returned(3)]
    said = execution_checks(CodeResult(CodeOutcome.TIMEOUT, "", "", 9.0, "too long"), wrong, cases)
    assert [one.outcome for one in said.values()] == ["failed"] * 3
    assert said["tests"].score == 0
    assert "Test 1 gave ValueError: no" in said["tests"].reason


def test_values_are_the_same_up_to_rounding_and_errors_are_refusals_unless_nothing_was_written() -> None:
    assert same_value({"a": [1, 0.1 + 0.2]}, {"a": [1.0, 0.3]})
    assert not same_value([1, 2], [2, 1])
    assert not same_value(True, 1)
    assert not same_value({"a": 1}, {"b": 1})
    assert is_as_stated(case({}), Returned(None, "TypeError: x", "TypeError"))
    assert not is_as_stated(case({}), Returned(None, "NotImplementedError: x", "NotImplementedError"))
    assert not is_as_stated(case({}), Returned(None, "the call was not made"))
    assert not is_as_stated(case({}), Returned(None))


async def test_demonstrations_do_what_they_say() -> None:
    for one in read_demonstrations(ToolCodeTask().demonstrations_file):
        told, _, answer = one.output.removeprefix("Interface:\n").partition("\n\nAnswer:\n")
        tool, made = json.loads(told), json.loads(answer)
        cases = [SimpleNamespace(**given) for given in (made["example"], *made["tests"])]
        assert faults_of(tool) == code_faults(made["code"], tool) == []
        done, returned = await execute(made["code"], tool["name"], cases)
        assert {said.outcome for said in execution_checks(done, returned, cases).values()} == {"passed"}


NO_CODE = """```python
I would rather not program.
```

```json
{"question": "What?", "example": {"arguments": {}, "returns": 1}, "tests": [{"arguments": {}, "returns": ""}]}
```"""


def test_over_http_answers_that_are_no_code_are_rejected_with_reasons(
    tools: Path, tmp_path: Path, openai_server: OpenAIServer
) -> None:
    task = ToolCodeTask({"n": 1, "tools": str(tools), "execute": True, "prompting": "persona-few-shot"})
    path, growth = tmp_path / "code.duckdb", task.growth(Growth(agents=1), is_counted=True)
    openai_server.writer = lambda asked: NO_CODE
    Society(task, growth=growth, seed=3, out=path, model="openai:test", base_url=openai_server.base_url).run()
    assert rows(path, "SELECT DISTINCT status, stage FROM outputs") == [("rejected", "implements")]
    assert rows(path, "SELECT count(*) FROM failures") == [(0,)]
    assert rows(path, "SELECT count(*) FROM checks WHERE reason LIKE 'The code is not Python%'")[0][0] >= 1


@pytest.mark.slow
async def test_every_kit_of_the_stand_in_passes_its_own_example_and_tests_in_the_sandbox() -> None:
    async def passes(kit: Kit) -> bool:
        name = kit.name("rye", "baker")
        made = write_code({"name": name}, random.Random(name), Situation(), {})
        cases = [SimpleNamespace(**given) for given in (made["example"], *made["tests"])]
        done, returned = await execute(made["code"], name, cases)
        return all(said.outcome == "passed" for said in execution_checks(done, returned, cases).values())

    assert all(await asyncio.gather(*map(passes, list_kits())))


def test_rows_that_give_no_tool_are_told_before_the_run(tmp_path: Path) -> None:
    file = tmp_path / "tools.jsonl"
    told = {"function_name": "half", "description": "Halves.", "input_args": {"of": "float"}, "return": "float"}
    lines = [json.dumps({"synthesized text": text}) for text in ("no tool", json.dumps(told), "")]
    file.write_text("\n".join(lines), encoding="utf-8")
    task = ToolCodeTask({"n": 1, "tools": str(file)})
    (notice,) = task.notices
    assert notice.startswith(f"2 rows of {str(file)!r} gave no tool; row 1: The text of the tool is not JSON")
    assert ToolCodeTask({"execute": True}).notices[0].startswith("Code runs limited")
    assert ToolCodeTask().notices == []

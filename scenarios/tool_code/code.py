"""What an implementation must be, and what running it shows."""

import ast
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from populace.agents.actions import Action
from populace.agents.checks import CheckContext, CheckOutcome, CheckResult, failed, passed
from populace.agents.sandbox import CodeOutcome, CodeResult, FunctionCall, Returned, confinement, run_code

#: Errors by which code shows that the function is missing or unfinished, rather than that it refuses the arguments.
_UNWRITTEN = {"KeyError", "NameError", "NotImplementedError"}


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that the text is. Raises `ValueError` when it is none."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"{text[:60]!r} is no JSON object")
    return found


def interface_of(task: str) -> dict[str, Any]:
    """The tool whose interface is the task of a turn; empty where the turn has none."""
    return parse_object(task) if task else {}


def dump_values(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of an implementation whose calls hold arguments and values as they are, with these as JSON texts."""
    return _with_calls(
        fields,
        lambda arguments: arguments if isinstance(arguments, str) else json.dumps(arguments),
        lambda value: "" if value == "" else json.dumps(value),
    )


def parse_values(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same the other way."""
    return _with_calls(fields, json.loads, lambda value: json.loads(value) if value else "")


def _with_calls(
    fields: Mapping[str, Any], arguments: Callable[[Any], Any], returns: Callable[[Any], Any]
) -> Mapping[str, Any]:
    def converted(call: Any) -> Any:
        if not isinstance(call, Mapping) or not {"arguments", "returns"} <= call.keys():
            return call  # the schema says what is missing
        return {**call, "arguments": arguments(call["arguments"]), "returns": returns(call["returns"])}

    tests = fields.get("tests")
    made = {"tests": list(map(converted, tests))} if isinstance(tests, list) else {}
    return {**fields, **made, **({"example": converted(fields["example"])} if "example" in fields else {})}


def code_faults(code: str, tool: Mapping[str, Any]) -> list[str]:
    """Why the code cannot implement the tool, as far as can be said without running it."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError) as error:
        return [f"The code is not Python: {error}."]
    name, wanted = tool["name"], list(tool["parameters"]["properties"])
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not defined:
        return [f"The code defines no function {name}."]
    taken = defined[-1].args
    names = [one.arg for one in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
    if taken.posonlyargs:
        return [f"{name} takes arguments by place alone; all are given by name."]
    missing = [] if taken.kwarg else [one for one in wanted if one not in names]
    further = names[: len(names) - len(taken.defaults) - len(taken.kwonlyargs)]
    unknown = [one for one in further if one not in wanted]
    return [f"{name} does not take the argument {one}." for one in missing] + [
        f"{name} needs the argument {one}, which the tool does not have." for one in unknown
    ]


def case_faults(case: Any, tool: Mapping[str, Any], what: str) -> list[str]:
    """What is wrong with an example or a test, beside what the implementation makes of it."""
    try:
        arguments = parse_object(case.arguments)
        value = json.loads(case.returns) if case.returns else None
    except ValueError as error:
        return [f"{what} is not JSON: {error}."]
    if not case.returns:
        return []
    invalid = _invalid(arguments, tool["parameters"]) or _invalid(value, tool["returns"])
    return [f"{what} does not fit the interface: {invalid}."] if invalid else []


class Implements:
    """A check: whether code, example and tests fit the tool's interface, without running anything."""

    name = "implements"
    version = 1
    revises = True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Fails with the first faults."""
        tool, given = interface_of(context.observation.task), vars(action)
        faults = code_faults(given["code"], tool) + case_faults(given["example"], tool, "The example")
        faults += [] if given["example"].returns else ["The example must give a value."]
        for place, test in enumerate(given["tests"], start=1):
            faults += case_faults(test, tool, f"Test {place}")
        return failed(" ".join(faults[:3])) if faults else passed()


async def execute(code: str, name: str, cases: Sequence[Any]) -> tuple[CodeResult, list[Returned]]:
    """Run code confined and make the calls of its cases; of those that were not made, the reason stands there."""
    calls = [FunctionCall(name, parse_object(case.arguments)) for case in cases]
    done = await run_code(code, calls=calls)
    missing = Returned(None, done.reason or "the call was not made")
    return done, [*done.returned, *[missing] * (len(calls) - len(done.returned))]


def execution_checks(done: CodeResult, returned: Sequence[Returned], cases: Sequence[Any]) -> dict[str, CheckResult]:
    """The checks that running the code decides: `runs`, `example` and `tests`; the first case is the example."""
    is_right = [agrees(case, one) for case, one in zip(cases, returned, strict=True)]
    wrong = [
        f"Test {place} gave {_told(one)} for {case.arguments:.80}."
        for place, (case, one, right) in enumerate(zip(cases, returned, is_right, strict=True))
        if place and not right
    ]
    share = sum(is_right[1:]) / max(1, len(is_right) - 1)
    ran = CheckResult(CheckOutcome.PASSED, confinement().sentence) if done.outcome is CodeOutcome.OK else None
    return {
        "runs": ran or failed(f"It ended with {done.outcome}: {done.reason}."),
        "example": passed() if is_right[0] else failed(f"The example gave {_told(returned[0])}."),
        "tests": failed(" ".join(wrong[:3]), share) if wrong else passed(share),
    }


def agrees(case: Any, returned: Returned) -> bool:
    """Whether a call gave what its case says: the value, or an error where it is to be refused."""
    if not case.returns:
        return bool(returned.error_type) and returned.error_type not in _UNWRITTEN
    return not returned.error and same_value(json.loads(case.returns), returned.value)


def same_value(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, numbers up to rounding."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    return bool(one == other)


def _told(returned: Returned) -> str:
    return returned.error or json.dumps(returned.value)[:120]


def _invalid(value: Any, schema: Mapping[str, Any]) -> str:
    from jsonschema import Draft202012Validator

    error = next(iter(Draft202012Validator(schema).iter_errors(value)), None)
    return "" if error is None else error.message[:200]

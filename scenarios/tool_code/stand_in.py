"""What the stand-in writes: the implementation of a tool that it made itself."""

import json
import random
from collections.abc import Mapping
from typing import Any

from populace.agents.procedural.situation import Situation
from populace.scenarios.tool.kits import KitCase, find_kit


def implement(
    tool: Mapping[str, Any], rng: random.Random, situation: Situation, schema: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Code, example and tests. Of a tool of somebody else the stand-in knows nothing, and its code says so."""
    found = find_kit(tool["name"])
    if found is None:
        return _unknown(tool)
    kit, thing = found
    made = kit.implementation(tool["name"], thing, rng)
    example, *tests = map(_case, made.cases)
    return {"code": made.code, "question": made.question, "example": example, "tests": tests}


def _case(case: KitCase) -> dict[str, str]:
    return {
        "arguments": json.dumps(case.arguments),
        "returns": "" if case.is_refused else json.dumps(case.value),
    }


def _unknown(tool: Mapping[str, Any]) -> dict[str, Any]:
    names = ", ".join(tool["parameters"]["properties"])
    code = f'def {tool["name"]}({names}):\n    raise NotImplementedError("the stand-in knows no such tool")\n'
    nothing = {"arguments": "{}", "returns": ""}
    return {"code": code, "question": "what does this tool do?", "example": nothing, "tests": [nothing]}

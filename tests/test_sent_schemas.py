"""Every schema that a shipped job sends: it keeps OpenAI's strict rules, and each engine makes a grammar of it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest
from strict_mode import strict_faults

from populace.agents import named_mind
from populace.agents.action_schema import answer_schema
from populace.agents.actions import Action
from populace.agents.doctor import Animal, LongText
from populace.agents.gateway.capabilities import OutputMode, OutputModes, sent_shape
from populace.agents.problem_checks import ProblemReview
from populace.agents.react import tool_calls
from populace.agents.responses import Line, Response
from populace.agents.rubric import shipped_rubrics
from populace.agents.turn_prompt import Asides, turn_schema
from populace.core.model import AnswerSchema
from populace.core.prompt import RenderedPrompt
from populace.personas.persona import RelationKind
from populace.personas.profiles.biography import _AnsweredElite
from populace.personas.profiles.biography import _make_form as biography_schema
from populace.personas.profiles.profile import profile_schema
from populace.personas.text_to_persona import _FORMS
from populace.personas.text_to_persona import _json_schema as people_schema
from populace.personas.text_to_persona import _relations_schema as relatives_schema
from populace.scenarios.catalog import iter_scenarios, iter_tasks
from populace.scenarios.npc.registry import CanonFinding
from populace.scenarios.tool_use.task import Step
from populace.scenarios.village import Village
from populace.sim.grading.preferences import Comparison
from populace.sim.interview import InterviewReply
from populace.sim.survey.items import Choice, FreeText, Likert, Number, Rank
from populace.sim.survey.phase import survey_schema
from populace.sim.tasks.solving import WrittenProgram, WrittenSolution

ROOM = ("n1", "n2", "player")
PROMPT = RenderedPrompt("p", 1, (("user", "Speak."),))
#: Keywords that strict mode refuses by name; they are then left out.
NOT_STRICT = frozenset({"minLength", "maxLength", "uniqueItems"})
MODELS = (
    *(Animal, LongText, ProblemReview, Line, Response, CanonFinding, _AnsweredElite, Step, Comparison, InterviewReply),
    *(WrittenProgram, WrittenSolution, named_mind.Plan, named_mind.Reflection),
)
#: Where schemas of answers are made; what a further file makes belongs into `made`.
MAKERS = {
    *(
        f"agents/{name}.py"
        for name in ("action_schema", "doctor", "mind", "named_mind", "problem_checks", "react", "responses", "rubric")
    ),
    *(f"agents/{name}.py" for name in ("tools", "turn_prompt")),
    "agents/embedding/vectors.py",  # whose schema is not sent
    "personas/text_to_persona.py",
    *(f"personas/profiles/{name}.py" for name in ("biography", "profile")),
    *("scenarios/npc/registry.py", "scenarios/npc/task.py"),
    *("scenarios/tool_code/task.py", "scenarios/tool_use/task.py"),
    *(f"sim/grading/{name}.py" for name in ("grading", "preferences", "responding")),
    *("sim/interview.py", "sim/survey/phase.py", "sim/tasks/solving.py", "sim/tasks/translating.py"),
}


def tide(day: Literal["today", "tomorrow"], hours: int = 3) -> str:
    """When the tide turns."""
    return f"{day} {hours}"


def turns(actions: tuple[type[Action], ...]) -> Iterator[AnswerSchema[Any]]:
    for present in (ROOM, ()):
        if present or not all(action.addressed for action in actions):
            yield answer_schema(actions, present)
    for weighs in (False, True):
        yield turn_schema(actions, ROOM, Asides(thoughts=True, importance=weighs, goal=weighs))


def made() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for scenario in (*iter_scenarios(), *iter_tasks()):
        for schema in turns(scenario.actions) if scenario.actions else ():
            yield scenario.name, schema.json_schema
        for action in scenario.actions:
            yield f"{scenario.name}-{action.name}", answer_schema((action,), ROOM).json_schema
    yield "react", turn_schema((*Village.actions, *tool_calls((tide,))), ROOM, Asides(thoughts=True)).json_schema
    for model in MODELS:
        yield model.__name__, AnswerSchema.of(model).json_schema
    for rubric in shipped_rubrics():
        yield f"grade-{rubric.name}", rubric.answer_schema(lambda *_: None).json_schema
    items = (
        Likert("Do you like it?", name="a", points=5, dont_know=True),
        Choice("Which?", ("this", "that"), name="b"),
        Rank("Order these.", ("roads", "clinic", "school"), name="d", dont_know=True),
        Number("How many hours?", name="e", low=0, high=40),
        FreeText("What?", name="f", dont_know=True),
    )
    yield "survey", survey_schema(items).json_schema
    yield from of_people()


def of_people() -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "profile", profile_schema()
    for needs_age, ties in product((False, True), ({}, {"n1": None, "n2": None})):
        yield "biography", biography_schema(ties, needs_age=needs_age)  # type: ignore[arg-type]
    for form in _FORMS:
        yield f"text_to_persona-{form}", people_schema(3, form)
    for keys, kinds in product(((), ("n1", "n2")), ((), (RelationKind.KINSHIP, RelationKind.WORK))):
        yield "persona_to_persona", relatives_schema(3, keys, kinds)


def sent() -> list[Any]:
    """The different schemas as an endpoint gets them that takes everything."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, schema in made():
        _, kwargs = OutputModes().arguments(OutputMode.STRICT, PROMPT, AnswerSchema(name, schema, lambda a: a))
        form = kwargs["response_format"]["json_schema"]["schema"]
        found.setdefault(json.dumps(form), (name, form))
    return [pytest.param(form, id=name) for name, form in found.values()]


SENT = sent()


def test_every_file_that_makes_a_schema_of_an_answer_is_known() -> None:
    root = Path(__file__).parents[1]
    maker = re.compile(r"(?<!def )\b(?:AnswerSchema(?:\.of)?|schema_of|answer_schema|turn_schema|strict_schema)\(")
    rooms = ("agents", "personas", "sim", "scenarios", "analysis")
    files = [file for room in rooms for file in (root / room).rglob("*.py")]
    assert {file.relative_to(root).as_posix() for file in files if maker.search(file.read_text())} == MAKERS


def parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, Mapping):
        yield schema
    for one in schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ():
        yield from parts(one)


@pytest.mark.parametrize("schema", SENT)
def test_a_schema_keeps_the_strict_rules_and_bounds_no_long_text(schema: Mapping[str, Any]) -> None:
    assert list(strict_faults(sent_shape(schema, NOT_STRICT))) == []
    assert schema["type"] == "object"
    lengths = [one["maxLength"] for one in parts(schema) if isinstance(one.get("maxLength"), int)]
    assert max(lengths, default=0) <= 1_500


def llama_grammar(schema: Mapping[str, Any]) -> None:
    grammar = pytest.importorskip("xllamacpp").json_schema_to_grammar(json.dumps(schema))
    if grammar.startswith("%llguidance"):  # so the wheel was built
        validated = pytest.importorskip("llguidance").LLMatcher.validate_grammar(grammar)
        assert validated == ""
        return
    assert "root ::=" in grammar
    # llama.cpp refuses a grammar that repeats something more often.
    repeated = [int(most) for most in re.findall(r"\{\d*,?(\d+)\}", grammar)]
    assert max(repeated, default=0) <= 2_000


def llguidance_grammar(schema: Mapping[str, Any]) -> None:
    matcher = pytest.importorskip("llguidance").LLMatcher
    assert matcher.validate_grammar(matcher.grammar_from_json_schema(json.dumps(schema))) == ""


def xgrammar_grammar(schema: Mapping[str, Any]) -> None:
    xgrammar = pytest.importorskip("xgrammar", exc_type=ImportError)  # it needs torch
    assert "root ::=" in str(xgrammar.Grammar.from_json_schema(json.dumps(schema), strict_mode=True))


@pytest.mark.slow
@pytest.mark.parametrize("check_grammar", [llama_grammar, llguidance_grammar, xgrammar_grammar])
def test_each_engine_makes_a_grammar_of_every_schema(check_grammar: Callable[[Mapping[str, Any]], None]) -> None:
    for param in SENT:
        check_grammar(param.values[0])

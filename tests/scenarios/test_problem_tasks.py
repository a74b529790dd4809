"""Math, logic, spatial reasoning and brainteasers: prompts, settings, checks, and answers that are known."""

import json
import random
import shutil
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer

from populace.agents.action_schema import answer_schema, prompt_of
from populace.agents.actions import Action
from populace.agents.checks import CheckOutcome, TextCheck
from populace.agents.procedural.situation import Situation
from populace.agents.text_faults import PERSONA_RUN, shared_run
from populace.core.errors import SetupError
from populace.facade import make
from populace.personas.rules.languages import is_in_language
from populace.scenarios.catalog import find_task
from populace.sim.runfile.reader import open_run
from populace.sim.tasks.task import read_demonstrations

TASKS = ("math", "logic", "spatial", "brainteaser")
PERSONAS = (
    "A night-shift baker in her fifties who keeps pigeons and worries about an oven that loses heat.",
    "A schoolboy aged ten who collects bottle caps and wants a room with a door.",
    "A computational biologist specialising in protein folding, who teaches statistics to first-year students.",
    "一位在乡村诊所工作的护士，喜欢下象棋。",
)


def action_of(task: str, **settings: object) -> type[Action]:
    (action,) = find_task(task)[0](settings).actions
    return action


def written(action: type[Action], count: int, *, seed: int = 0) -> list[str]:
    """Texts that the stand-in writes for the action, each valid by its schema."""
    rng = random.Random(seed)
    schema = answer_schema((action,), ())
    texts = []
    for _ in range(count):
        values = action.stand_in(rng, Situation(persona=rng.choice(PERSONAS)), schema.json_schema)
        texts.append(schema.validate({"kind": action.name, **(values or {})}).emitted_text)
    return texts


def rows(path: Path, sql: str) -> Sequence[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


#: Every task with every way of prompting; the quick ones are those with the most to do.
WAYS = [
    pytest.param(task, way, marks=() if way == "persona-few-shot" else pytest.mark.slow)
    for task, way in product(TASKS, ("zero-shot", "few-shot", "persona-few-shot"))
]


@pytest.mark.parametrize(("task", "prompting"), WAYS)
def test_each_task_makes_what_is_wanted_with_each_way_of_prompting(task: str, prompting: Any, tmp_path: Path) -> None:
    made = make(task, n=4, prompting=prompting, hub=people(tmp_path), seed=2, out=tmp_path / "made.duckdb")
    texts = [text for (text,) in made.sql("SELECT text FROM outputs WHERE status = 'accepted'").rows]
    assert len(texts) == 4
    action = action_of(task)
    assert all(action.known_solution(text) for text in texts)
    ((failed,),) = made.sql("SELECT count(*) FROM checks WHERE outcome = 'failed'").rows
    assert failed == 0


@pytest.mark.parametrize("task", TASKS)
def test_a_copied_folder_is_a_task_of_its_own(task: str, tmp_path: Path) -> None:
    shutil.copytree(Path("scenarios") / task, tmp_path / "copied")
    found, path = find_task(str(tmp_path / "copied"))
    assert found.name == task
    assert path == tmp_path / "copied" / "task.py"
    assert found({"prompting": "few-shot"}).actions[0].known_solution("No problem.") is None


def test_a_copied_folder_makes_data(tmp_path: Path) -> None:
    shutil.copytree(Path("scenarios/spatial"), tmp_path / "mine")
    made = make(str(tmp_path / "mine"), n=2, hub=people(tmp_path), out=tmp_path / "made.duckdb")
    assert made.sql("SELECT kind, status FROM outputs").rows == [("spatial", "accepted")] * 2


def test_a_model_is_asked_with_what_the_settings_say(openai_server: OpenAIServer, tmp_path: Path) -> None:
    settings = {"focus": "geometry", "difficulty": "olympiad", "professional": True, "shots": 2}
    made = make(
        "math",
        n=2,
        prompting="persona-few-shot",
        settings=settings,
        hub=people(tmp_path),
        model="openai:m",
        base_url=openai_server.base_url,
        out=tmp_path / "made.duckdb",
    )
    ((outputs, reasons),) = made.sql(
        "SELECT count(*), count_if(status = 'rejected' AND stage IS NULL) FROM outputs"
    ).rows
    assert outputs
    assert reasons == 0
    asked = json.dumps(openai_server.bodies[-1], ensure_ascii=False)
    assert "belongs to geometry" in asked
    assert "may ask for a proof" in asked
    assert "knows by profession" in asked
    assert any(persona in asked for persona in PERSONAS)
    assert asked.count("<example>") == 3  # two, and one where the rules name it


@pytest.mark.slow
@pytest.mark.parametrize("prompting", ["zero-shot", "few-shot", "persona-few-shot"])
@pytest.mark.parametrize("task", TASKS)
def test_an_endpoint_is_asked_by_each_task_with_each_way_of_prompting(
    task: str, prompting: Any, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    made = make(
        task,
        n=2,
        prompting=prompting,
        hub=people(tmp_path),
        model="openai:m",
        base_url=openai_server.base_url,
        out=tmp_path / "made.duckdb",
    )
    found = made.sql("SELECT status, stage, reason FROM outputs").rows
    assert found
    # What the tests' server writes is valid by the schema, and need not be a problem.
    assert all((status == "accepted") == (stage is None) for status, stage, _ in found)
    asked = json.dumps(openai_server.bodies[-1])
    assert asked.count("<example>") == (1 if prompting == "zero-shot" else 4)
    assert asked.count("<output>") == (3 if prompting == "persona-few-shot" else 0)


def people(folder: Path) -> Path:
    path = folder / "people.jsonl"
    path.write_text("".join(json.dumps({"persona": text}) + "\n" for text in PERSONAS), encoding="utf-8")
    return path


@pytest.mark.parametrize("task", TASKS)
def test_the_answer_to_every_text_of_the_stand_in_is_computed_from_the_text_alone(task: str) -> None:
    action = action_of(task)
    texts = written(action, 150)
    for text in texts:
        known = action.known_solution(text)
        assert known is not None, text
        assert known.answer, text
        assert known.steps, text
    # The last number or name is not what makes the text: most texts differ.
    assert len(set(texts)) > 140


@pytest.mark.parametrize("task", TASKS)
async def test_no_check_fails_on_what_the_stand_in_writes(task: str) -> None:
    action = action_of(task, review=False, verify=0)
    schema = answer_schema((action,), ())
    rng = random.Random(4)
    for _ in range(60):
        values = action.stand_in(rng, Situation(persona=PERSONAS[0]), schema.json_schema) or {}
        emitted = schema.validate({"kind": action.name, **values})
        for check in (one for one in action.checks if not isinstance(one, TextCheck)):
            result = await check.judge(emitted, None)  # type: ignore[arg-type]  # they look at the text alone
            assert result.outcome is CheckOutcome.PASSED, (emitted.emitted_text, result)


@pytest.mark.parametrize("task", TASKS)
def test_prompts_have_a_phrase_for_each_setting_and_way_of_prompting(task: str) -> None:
    prompt = prompt_of((action_of(task),))
    assert {"few-shot", "persona-few-shot"} <= set(prompt.choices["examples"])
    assert {"", "other"} <= set(prompt.choices["focus"])
    for phrase in prompt.choices["focus"].values():
        assert not phrase or phrase[-1] in ".$"


@pytest.mark.parametrize(("task", "language"), [*((task, "en") for task in TASKS), ("brainteaser", "zh-CN")])
async def test_demonstrations_are_valid_outputs_with_an_answer_half_of_them_with_a_persona(
    task: str, language: str
) -> None:
    path = find_task(task)[0]({"language": language}).demonstrations_file
    assert path.name == ("demonstrations.jsonl" if language == "en" else "demonstrations.zh.jsonl")
    found = read_demonstrations(path)
    assert 6 <= len(found) <= 8
    assert sum(one.persona is not None for one in found) == len(found) / 2
    action = action_of(task, review=False, verify=0)
    for one, line in zip(found, path.read_text(encoding="utf-8").splitlines(), strict=True):
        row = json.loads(line)
        assert row["reference" if task == "brainteaser" else "answer"]
        fields = {name: row.get(name, one.output) for name in action.model_fields if name != "kind"}
        emitted = action.model_validate({"kind": task, **fields})
        assert is_in_language(one.output, language) is not False
        for check in (one for one in action.checks if not isinstance(one, TextCheck)):
            assert (await check.judge(emitted, None)).outcome is CheckOutcome.PASSED  # type: ignore[arg-type]


@pytest.mark.parametrize("difficulty", ["school", "competition", "olympiad", "university"])
@pytest.mark.parametrize(
    "focus",
    [
        "arithmetic",
        "algebra",
        "geometry",
        "number theory",
        "combinatorics",
        "probability",
        "statistics",
        "calculus",
        "finance",
    ],
)
def test_the_stand_in_has_problems_of_each_branch_and_difficulty(focus: str, difficulty: str) -> None:
    wanted = action_of("math", focus=focus, difficulty=difficulty)
    others = action_of("math", focus="geometry" if focus != "geometry" else "algebra", difficulty=difficulty)
    schema = answer_schema((wanted,), ()).json_schema
    rng = random.Random(1)
    topics = {(wanted.stand_in(rng, Situation(persona=PERSONAS[0]), schema) or {})["topic"] for _ in range(20)}
    elsewhere = {(others.stand_in(rng, Situation(persona=PERSONAS[0]), schema) or {})["topic"] for _ in range(20)}
    assert topics
    assert topics.isdisjoint(elsewhere)


@pytest.mark.parametrize("task", ["math", "logic", "spatial"])
def test_a_focus_and_a_difficulty_that_the_prompt_offers_are_served(task: str) -> None:
    prompt = prompt_of((action_of(task),))
    choices, never = prompt.choices, prompt.never["focus"]
    for focus in set(choices["focus"]) - {"", "other"}:
        library = import_module(f"populace.scenarios.{task}.task").EXAMPLES
        among = [one for one in library.examples if one.focus == focus]
        assert among, focus
        for difficulty in set(choices["difficulty"]) - {"any"}:
            is_never = difficulty in never.get(focus, {}).get("difficulty", ())
            assert is_never or any(not one.difficulty or difficulty in one.difficulty for one in among), focus


@pytest.mark.parametrize(
    ("task", "text", "answer"),
    [
        ("math", "With how many zeros does 100! (the product of all whole numbers from 1 to 100) end?", "24"),
        ("math", "A right triangle has legs of 6 and 8. What is the radius of its inscribed circle?", "2"),
        ("math", "How many functions from a set of 5 elements onto a set of 3 elements are there?", "150"),
        (
            "brainteaser",
            "All but 9 of the 30 eggs that Ann carried out of the mill got wet in the rain. How many stayed dry?",
            "9",
        ),
    ],
)
def test_known_answers_are_right(task: str, text: str, answer: str | None) -> None:
    known = action_of(task).known_solution(text)
    assert (known and known.answer) == answer


def test_brainteasers_are_written_in_chinese_on_request_and_in_english_otherwise() -> None:
    chinese = written(action_of("brainteaser", language="zh"), 40)
    assert all(sum("一" <= c <= "鿿" for c in text) > 15 for text in chinese)
    english = written(action_of("brainteaser"), 40)
    assert all(text.isascii() or not any("一" <= c <= "鿿" for c in text) for text in english)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_brainteaser_says_its_answer_in_a_phrase_and_that_of_its_text_is_the_same(language: str) -> None:
    action = action_of("brainteaser", language=language)
    schema = answer_schema((action,), ()).json_schema
    rng = random.Random(5)
    for _ in range(150):
        values = action.stand_in(rng, Situation(persona=PERSONAS[0]), schema) or {}
        known = action.known_solution(values["text"])
        assert (known and known.answer, known and known.steps) == (values["reference"], values["explanation"])


def test_problems_are_set_in_the_persons_field_and_quote_nothing_of_the_description() -> None:
    action = action_of("math", difficulty="school", professional=True)
    schema = answer_schema((action,), ()).json_schema
    rng = random.Random(3)
    texts = [(action.stand_in(rng, Situation(persona=PERSONAS[0]), schema) or {})["text"] for _ in range(50)]
    assert all("night-shift baker" in text for text in texts)
    assert not any(shared_run(text, PERSONAS[0], PERSONA_RUN) for text in texts)


def test_a_difficulty_that_is_none_is_one_sentence() -> None:
    with pytest.raises(SetupError, match="'difficulty' of task 'math' cannot be 'impossible'"):
        find_task("math")[0]({"difficulty": "impossible"})


def test_a_focus_of_ones_own_stands_in_the_task() -> None:
    made = find_task("math")[0]({"focus": "knot theory"})
    assert "knot theory" in made.task(None, None)  # type: ignore[arg-type]
    assert "$focus" not in made.task(None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", TASKS)
def test_nothing_is_asked_for_where_nothing_is_set(task: str) -> None:
    assert find_task(task)[0]({}).task(None, None) == ""  # type: ignore[arg-type]


def test_texts_nearly_repeat_one_another_seldom() -> None:
    for task in TASKS:
        sets = [frozenset(text.lower().split()) for text in sorted(written(action_of(task), 300, seed=9))]
        close = sum(len(one & two) / len(one | two) >= 0.9 for one, two in pairwise(sets))
        assert close < 25, task

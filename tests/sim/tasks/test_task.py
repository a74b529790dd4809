"""Tasks: rows until enough are accepted, demonstrations, and the same data after a stop."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import pytest
from langchain_core.embeddings import Embeddings

from populace.agents.actions import Action, Check, Novelty
from populace.agents.checks import CheckContext, CheckResult, failed, passed
from populace.analysis.summary import summarise, summarise_data
from populace.core.errors import SetupError, SourceError
from populace.core.prompt import Prompt
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society
from populace.sim.tasks.task import Task, TaskSettings, read_demonstrations

if TYPE_CHECKING:
    from populace.sim.resident import SocietyView

PROMPT = Prompt(
    "number",
    1,
    "A number.",
    "$persona\n\n$examples\n\nWrite this:\n$actions",
    choices={"examples": {"few-shot": "As these:\n\n$examples", "persona-few-shot": "As these:\n\n$examples"}},
)


class IsEven:
    name = "is_even"
    version = 1
    revises = False

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        return passed() if int(action.emitted_text) % 2 == 0 else failed("It is odd.")


class Number(Action):
    """A number."""

    name: ClassVar[str] = "number"
    prompt: ClassVar[str | Prompt] = PROMPT
    novelty: ClassVar[Novelty | None] = "none"
    checks: ClassVar[tuple[Check, ...]] = (IsEven(),)
    kind: Literal["number"]
    value: int

    @property
    def emitted_text(self) -> str:
        return str(self.value)


class Numbers(Task):
    """Even numbers."""

    name = "numbers"
    actions: tuple[type[Action], ...] = (Number,)


class ByParity(Embeddings):
    """Vectors that are alike for numbers of one parity."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, float(int(text.split()[-1]) % 2) * 5, 0.0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def made(
    folder: Path,
    *,
    people: int = 12,
    task: type[Task] = Numbers,
    embeddings: Embeddings | None = None,
    **settings: object,
) -> Path:
    path = folder / f"{len(list(folder.glob('*.duckdb')))}.duckdb"
    growth = Growth(agents=people, hops=3)
    Society(task(settings), growth=growth, seed=3, out=path, embeddings=embeddings).run()
    return path


def rows(path: Path, sql: str) -> Sequence[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


def test_rounds_go_on_until_as_many_rows_are_accepted_as_are_wanted(tmp_path: Path) -> None:
    path = made(tmp_path, n=7)
    assert rows(path, "SELECT count(*) FROM outputs WHERE status = 'accepted'") == [(7,)]
    ((rejected, named),) = rows(path, "SELECT count(*), count_if(stage = 'is_even') FROM outputs WHERE stage NOT NULL")
    assert rejected == named != 0
    first, *later = [asked for (asked,) in rows(path, "SELECT active FROM steps ORDER BY step")]
    assert first == 7
    assert sum(later) == rejected


def test_a_person_gives_at_most_as_many_rows_as_are_asked_of_each(tmp_path: Path) -> None:
    path = made(tmp_path, n=12, per_persona=3)
    per_person = rows(path, "SELECT count(*) FROM outputs WHERE status = 'accepted' GROUP BY agent")
    assert sum(each for (each,) in per_person) == 12
    assert max(each for (each,) in per_person) <= 3


def test_people_who_gave_too_little_are_asked_twice_more_and_then_the_run_ends(tmp_path: Path) -> None:
    path = made(tmp_path, people=4, n=50)
    asked = rows(path, "SELECT count(*) FROM outputs GROUP BY agent")
    assert len(asked) == 4
    assert max(times for (times,) in asked) <= 3
    assert rows(path, "SELECT status FROM runs") == [("finished",)]


def test_a_task_stopped_between_rounds_makes_the_same_data_when_it_is_resumed(tmp_path: Path) -> None:
    whole = made(tmp_path, n=9)
    stopped = tmp_path / "stopped.duckdb"
    with Society(Numbers({"n": 9}), growth=Growth(agents=12, hops=3), seed=3, out=stopped) as society:
        society.step()
    Society.resume(stopped, Numbers).run()
    assert rows(stopped, "SELECT event_hash FROM runs") == rows(whole, "SELECT event_hash FROM runs")


def test_demonstrations_without_a_persona_get_one_by_text_to_persona_once(tmp_path: Path) -> None:
    file = tmp_path / "demonstrations.jsonl"
    file.write_text('{"output": "12", "persona": "A clerk who counts."}\n{"output": "14", "answer": 1}\n', "utf-8")
    path = made(tmp_path, n=3, prompting="persona-few-shot", shots=2, demonstrations=str(file))
    kept = rows(path, "SELECT persona IS NOT NULL, is_inferred FROM demonstrations ORDER BY ordinal")
    assert kept == [(True, False), (True, True)]
    assert rows(path, "SELECT count(*) FROM calls WHERE phase = 'demonstrations'") == [(1,)]


def test_few_shot_infers_nobody(tmp_path: Path) -> None:
    file = tmp_path / "demonstrations.jsonl"
    file.write_text('{"output": "12"}\n', "utf-8")
    path = made(tmp_path, n=2, prompting="few-shot", demonstrations=str(file))
    assert rows(path, "SELECT count(*) FROM calls WHERE phase = 'demonstrations'") == [(0,)]


def test_demonstrations_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "demonstrations.jsonl"
    file.write_text('{"output": "12"}\n', "utf-16")
    with pytest.raises(SourceError, match=r"is UTF-16.*save it as UTF-8"):
        read_demonstrations(file)


def test_a_line_separator_within_a_demonstration_is_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "demonstrations.jsonl"
    file.write_text('{"output": "one\u2028two"}\n', "utf-8")
    assert [one.output for one in read_demonstrations(file)] == ["one\u2028two"]


def test_a_demonstration_without_output_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "demonstrations.jsonl"
    file.write_text('{"output": "12"}\n{"persona": "A clerk."}\n', "utf-8")
    with pytest.raises(SourceError, match="line 2 has no 'output'"):
        read_demonstrations(file)


def test_a_prompt_without_examples_cannot_show_any() -> None:
    class Bare(Numbers):
        class Plain(Number):
            prompt: ClassVar[str | Prompt] = Prompt("bare", 1, "None.", "$persona $actions")

        actions = (Plain,)

    with pytest.raises(SetupError, match="shows no demonstrations"):
        Bare({"prompting": "few-shot"})


def test_an_output_that_nearly_repeats_a_row_of_another_file_is_rejected_with_that_row(tmp_path: Path) -> None:
    class Worded(Numbers):
        class Word(Number):
            novelty: ClassVar[Novelty | None] = "mark"
            checks: ClassVar[tuple[Check, ...]] = ()

            @property
            def emitted_text(self) -> str:
                return "the very same words for everybody here"

        actions = (Word,)

    earlier = tmp_path / "earlier.jsonl"
    lines = ['{"text": "something else"}', '{"text": "The very same words, for everybody here!"}', "{broken"]
    earlier.write_text("\n".join(lines), "utf-8")
    path = made(tmp_path, people=2, task=Worded, n=1, against=(str(earlier),))
    stages = rows(path, "SELECT DISTINCT reason FROM outputs WHERE stage = 'against'")
    assert stages == [(f"It nearly repeats {earlier}, row 2 (1.00).",)]
    with open_run(path) as run:
        told = summarise_data(run, summarise(run))
    assert told is not None
    assert told.unread.startswith("1 row of the files to compare with: ")
    assert told.unread.endswith(f"{earlier}: 1 because the line is not JSON (line or row 3)")


class Told(Numbers):
    """Numbers in words of their own."""

    class Said(Number):
        novelty: ClassVar[Novelty | None] = "mark"
        checks: ClassVar[tuple[Check, ...]] = ()

        @property
        def emitted_text(self) -> str:
            return f"words of {self.value * 7919} and {self.value}"

    actions = (Said,)


def test_outputs_alike_by_their_vectors_are_rejected_as_near_duplicates(tmp_path: Path) -> None:
    path = made(tmp_path, people=5, task=Told, embeddings=ByParity(), n=3)
    ((accepted,),) = rows(path, "SELECT count(*) FROM outputs WHERE status = 'accepted'")
    assert accepted <= 2
    assert rows(path, "SELECT max(similarity) FROM duplicates WHERE stage LIKE 'cosine:%'") == [(1.0,)]
    replayed = replay(path, Told)
    assert replayed.event_hash == replayed.expected


def test_outputs_like_a_row_of_another_file_by_their_vectors_are_rejected_with_that_row(tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.jsonl"
    earlier.write_text('{"text": "an even 2"}\n{"text": "an odd 3"}\n', "utf-8")
    path = made(tmp_path, people=2, task=Told, embeddings=ByParity(), n=1, against=(str(earlier),))
    ((reason,),) = rows(path, "SELECT min(reason) FROM outputs WHERE stage = 'against'")
    assert str(earlier) in reason
    assert "cosine" in reason


def test_a_file_to_compare_with_that_is_not_there_is_named_before_a_run_file_is_made(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no-such\.jsonl"):
        made(tmp_path, n=1, against=("no-such.jsonl",))
    assert not list(tmp_path.glob("*.duckdb"))


def test_a_run_ends_when_too_little_of_its_latest_outputs_is_new() -> None:
    task = Numbers({"n": 2_000, "until_novelty": 0.5})
    waiting = SimpleNamespace(asked=0, accepted=0)
    for share, is_over in ((0.6, False), (0.4, True)):
        newest = deque([place < share * 500 for place in range(500)], maxlen=500)
        view = cast("SocietyView", SimpleNamespace(residents=[waiting], newest=newest))
        assert task.ended(view) is is_over


def test_a_demonstration_too_long_to_be_shown_is_named(tmp_path: Path) -> None:
    file = tmp_path / "demonstrations.jsonl"
    file.write_text(f'{{"output": "{"word " * 5_000}"}}\n', "utf-8")
    with pytest.raises(SourceError, match=r"line 1 has 25,000 characters"):
        read_demonstrations(file)


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        ("German", "de"), ("deutsch", "de"), ("pt-BR", "pt-BR"), ("pt_br", "pt-BR"), ("Brazilian Portuguese", "pt-BR"),
        ("ZH", "zh"), ("Mandarin", "zh"), ("中文", "zh"), ("Farsi", "fa"), ("espanol", "es"), ("", ""),
    ],
)  # fmt: skip
def test_a_language_is_given_by_name_or_tag(given: str, tag: str) -> None:
    assert TaskSettings(language=given).language == tag


def test_an_unknown_language_is_answered_with_the_nearest() -> None:
    with pytest.raises(SetupError, match=r"'Germn' is no language of the .*did you mean 'German'"):
        TaskSettings(language="Germn")


def test_what_cannot_be_told_of_a_language_is_said() -> None:
    from populace.scenarios.instruction.task import InstructionTask

    assert InstructionTask({"language": "German"}).notices == ()
    assert InstructionTask({"language": "ha"}).notices == ()
    assert "in Tibetan cannot be checked" in InstructionTask({"language": "bo"}).notices[0]

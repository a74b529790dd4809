"""Tasks: scenarios in which each person makes one thing after the other, until as many are accepted as are wanted.

A task is a folder with a prompt file, demonstrations, an action and this class::

    class Riddles(Task):
        \"\"\"Riddles that a person of this kind would make.\"\"\"

        name = "riddles"
        actions = (Riddle,)          # asked with a prompt of the folder

Steps are rounds. A round asks as many people as rows are missing, so never more rows are accepted than are wanted;
rows that are rejected, and turns that are lost, are made up for in later rounds, by further people first and then by
those who gave too few. Who is asked depends on what was accepted before the round and on nothing else.
"""

import inspect
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import batched, islice
from math import ceil
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, field_validator

from ...agents.action_schema import prompt_of
from ...agents.actions import Action, Check, KnownSolution, dump_json
from ...agents.checks import (
    BASIC_CHECKS,
    CheckContext,
    CheckResult,
    NoDegeneration,
    OwnVoice,
    failed,
    passed,
    undecided,
)
from ...agents.observation import Observation
from ...agents.problem_checks import (
    STATED,
    VERIFIED,
    AsksSomething,
    FewSubProblems,
    GivesNoRole,
    HoldsNoSolution,
    Reviewed,
)
from ...agents.procedural.judging import KNOWS_NONE
from ...agents.procedural.problems import ProblemLibrary
from ...agents.procedural.situation import Situation
from ...core.errors import RunError, SetupError, SourceError
from ...core.inputs import parse_text
from ...core.model import Answer, Outcome, PersonaModel, RequestContext
from ...core.prompt import fence, find_language, language_name
from ...core.readers import read_rows
from ...personas.formats.foreign import ForeignTexts
from ...personas.persona import Passage, Persona
from ...personas.rules.languages import is_known_language
from ...personas.text_to_persona import text_to_persona
from ..dynamics.world import World
from ..emitted import EarlierTexts, SimilarOutputs, note_unread
from ..engine import Engine
from ..jobs.loop import Changes, Chunks, Phase, run_phase
from ..observe import EmbeddingRecall
from ..resident import Resident, SocietyView
from ..runfile.job_rows import FailureRow
from ..runfile.rows import DemonstrationRow
from ..scenario import Scenario, Settings
from ..seeds import derive_seed, rng_for
from ..state import SocietyState
from .outputs import Output
from .solving import SolverPanel, SolvingWork

if TYPE_CHECKING:
    from collections import deque

    from ..growth import Growth


#: Rounds of a task, at most; far more than it takes until people or rows end.
MOST_ROUNDS = 100_000
#: Further rows that a person is asked for who gave too few that were accepted.
_FURTHER = 2
#: People taken from a hub beside those who are needed at least, to make up for what is rejected.
_SPARE = 1_000
#: People asked in one round at most where the share of new outputs ends the run: it is looked at between rounds.
_LOOKED_AT = 500

#: Texts of other files, and of outputs that are there, embedded or read at once.
_EMBEDDED = 2_000
_ORIGINALS = """
SELECT emission, agent, text FROM outputs
WHERE status = 'accepted' AND emission > $first AND emission <= $last ORDER BY emission
"""
_LAST = "SELECT coalesce(max(emission), 0) FROM emissions"

#: Characters of a demonstration with its persona, at most.
_LONGEST_DEMONSTRATION = 20_000

type Prompting = Literal["zero-shot", "few-shot", "persona-few-shot"]


class TaskSettings(Settings):
    """The settings every task has."""

    n: int = Field(100, ge=1, le=1_000_000_000, description="Accepted rows wanted")
    per_persona: int = Field(1, ge=1, le=10_000, description="Maximum accepted rows per persona")
    prompting: Prompting = Field("zero-shot", description="Show no demonstrations, or some, with or without personas")
    shots: int = Field(3, ge=1, le=32, description="Demonstrations per request, sampled for each")
    demonstrations: str = Field("", description="File of your own demonstrations")
    language: str = Field(
        "", description="Language to write in, by name or tag: German, Deutsch, pt-BR; empty: the person's own"
    )
    until_novelty: float | None = Field(
        None, gt=0, le=1, description="End when less than this share of the latest 500 outputs was new"
    )
    cosine: float = Field(0.9, gt=0, le=1, description="With an embedding model: cosine of near-duplicates")
    against: tuple[str, ...] = Field((), description="Files whose texts must not be repeated (--against)")

    @field_validator("language")
    @classmethod
    def _check_language(cls, given: str) -> str:
        return find_language(given) if given else given

    @field_validator("against", mode="before")
    @classmethod
    def _as_several(cls, given: object) -> object:
        return (given,) if isinstance(given, str) and given else given


@dataclass(frozen=True, slots=True)
class Demonstration:
    """An example of what is to be made."""

    output: str
    #: Description of a person who could have written it; None where it is not known.
    persona: str | None = None

    def rendered(self, *, with_persona: bool) -> str:
        """Return the demonstration as a prompt shows it."""
        if not with_persona or self.persona is None:
            return fence("example", self.output)
        return f"<example>\n{fence('persona', self.persona)}\n{fence('output', self.output)}\n</example>"


def read_demonstrations(path: Path | str) -> tuple[Demonstration, ...]:
    """Read demonstrations from a table, such as JSONL with `output` and optionally `persona` on each line.

    Other columns are ignored. Raises `SourceError` naming the line for anything else, and for an empty table.
    """
    way_out, found = 'write one object a line, as {"output": "..."}', []
    for number, row in read_rows(Path(path), way_out):
        where = f"{str(path)!r}, line {number}"
        persona = parse_text(where, row, "persona") if row.get("persona") is not None else None
        found.append(one := Demonstration(parse_text(where, row, "output"), persona))
        if (length := len(one.output) + len(persona or "")) > _LONGEST_DEMONSTRATION:
            raise SourceError(
                f"{where} has {length:,} characters; a demonstration is shown in every request, so give one of "
                f"{_LONGEST_DEMONSTRATION:,} at most."
            )
    if not found:
        raise SourceError(f"{str(path)!r} holds no demonstrations; {way_out}.")
    return tuple(found)


class Task(Scenario):
    """Makes data: each person makes what `actions` says, alone, and checks decide what is accepted.

    Subclasses name it, give one action with a prompt of its own, and put `demonstrations.jsonl` beside their file. The
    phrases `examples.few-shot` and `examples.persona-few-shot` of a prompt with the slot `examples` lead to these.
    """

    noun: ClassVar[str] = "task"
    independent: ClassVar[bool] = True
    observes: ClassVar[bool] = False
    order: ClassVar[Literal["drawn", "fixed"]] = "fixed"
    draws_angles: ClassVar[bool] = True
    revises_repeats: ClassVar[bool] = True
    most_steps: ClassVar[int | None] = MOST_ROUNDS
    #: How people are drawn of a hub with more of them, where that was not said; only tasks in which they know one
    #: another need any other way.
    draw: ClassVar[str] = "random"
    settings_type: ClassVar[type[Settings]] = TaskSettings
    settings: TaskSettings

    def __init__(self, settings: "Settings | dict[str, object] | None" = None) -> None:
        """Apply the settings to the prompt. Raises `SetupError` for invalid settings."""
        super().__init__(settings)
        prompt = prompt_of(self.actions)
        own = type(self.settings).model_fields
        fixed = {
            name: self._setting_word(name).lower() for name in prompt.draws if name in own and self.phrase_of(name)
        }
        if fixed:
            prompt = replace(prompt, fixed=fixed)
            self.actions = tuple(action.configured(prompt=prompt) for action in self.actions)
        #: What is shown; it comes in when the run begins.
        self.demonstrations: tuple[Demonstration, ...] = ()
        if self.shows_demonstrations:
            self._check_prompt()

    @property
    def shows_demonstrations(self) -> bool:
        """Whether requests hold demonstrations."""
        return self.settings.prompting != "zero-shot"

    def check_readable(self) -> None:
        """Raise `SourceError` if the demonstrations or the files to compare with cannot be read."""
        if self.shows_demonstrations:
            read_demonstrations(self.demonstrations_file)
        if self.settings.against:
            ForeignTexts(self.settings.against)

    @property
    def demonstrations_file(self) -> Path:
        """The file of demonstrations: the one that the settings name, or the one beside the task's class."""
        given = self.settings.demonstrations
        return Path(given) if given else Path(inspect.getfile(type(self))).with_name("demonstrations.jsonl")

    def resize_task(self, n: int) -> Self:
        """Return the same task for `n` rows."""
        return type(self)(self.settings.model_copy(update={"n": n}))

    @property
    def notices(self) -> Sequence[str]:
        """What the command line says before the run begins, one sentence each."""
        tag = self.settings.language
        if not tag or is_known_language(tag):
            return ()
        return (
            f"Whether texts are in {language_name(tag)} cannot be checked, only that they are not in English; the "
            "check `language` is then undecided, which the funnel counts.",
        )

    @property
    def people_needed(self) -> int:
        """People that it takes at least."""
        return ceil(self.settings.n / self.settings.per_persona)

    def growth(self, growth: "Growth", *, is_counted: bool) -> "Growth":
        """Return the growth with enough agents for the rows wanted, unless `agents` was set (`is_counted`).

        If there is a hub, the maximum is twice the number of agents needed, and at least 1,000 more than needed.
        """
        if is_counted:
            return growth
        needed = self.people_needed
        most = max(2 * needed, needed + _SPARE) if growth.hub is not None else needed
        return growth.model_copy(update={"agents": most})

    def task(self, resident: Resident, world: World) -> str:
        """Return what the prompt says about the values of the task's own settings.

        It is the same in all requests of a run. It comes before the persona, so that endpoints can cache it.

        The phrases of a setting are `[choices.SETTING]`, keyed by its values (`yes` and `no` for a boolean). `other` is
        the phrase for all other values, with the slot `$SETTING`.
        """
        own = [name for name in type(self.settings).model_fields if name not in TaskSettings.model_fields]
        return " ".join(phrase for name in own if (phrase := self.phrase_of(name)))

    def phrase_of(self, setting: str) -> str:
        """Return what the prompt says about the value of a setting, or "" if it does not mention the setting."""
        phrases = prompt_of(self.actions).choices.get(setting, {})
        word = self._setting_word(setting)
        known = phrases.get(word.lower())
        return Template(phrases.get("other", "")).safe_substitute({setting: word}) if known is None else known

    def _setting_word(self, setting: str) -> str:
        value = getattr(self.settings, setting)
        return str(value).strip() if not isinstance(value, bool) else "yes" if value else "no"

    def observe(self, resident: Resident, observation: Observation, world: World) -> Observation:
        """Add the demonstrations, and the language from the settings, to the observation."""
        if self.settings.language:
            observation = replace(observation, language=self.settings.language, is_language_set=True)
        if not self.shows_demonstrations:
            return observation
        rng = rng_for(resident.model.seed, "demonstrations", world.step, resident.id)
        return replace(observation, examples=self._draw_examples(rng))

    @property
    def rows_wanted(self) -> int | None:
        """Accepted rows."""
        return self.settings.n

    def active(self, society: SocietyView, rng: random.Random) -> Sequence[Resident]:
        """Return the agents to ask in this round, at most as many as rows are missing."""
        return self._choose_round(society)

    def ended(self, society: SocietyView) -> bool:
        """Return whether enough rows are accepted, all agents have been asked, or too few outputs are novel."""
        return self._is_exhausted(society.newest) or not self._choose_round(society)

    def _choose_round(self, society: SocietyView) -> list[Resident]:
        residents, each = society.residents, self.settings.per_persona
        missing = self.settings.n - sum(one.accepted for one in residents)
        if missing <= 0:
            return []
        most = missing if self.settings.until_novelty is None else min(missing, _LOOKED_AT)
        begun = (one for one in residents if 0 < one.asked < each and one.accepted < each)
        fresh = (one for one in residents if not one.asked)
        if found := list(islice(begun, most)) or list(islice(fresh, ceil(most / each))):
            return found
        short = [one for one in residents if one.accepted < each and one.asked < each + _FURTHER]
        return sorted(short, key=lambda one: one.asked)[:most]

    def _is_exhausted(self, newest: "deque[bool]") -> bool:
        least = self.settings.until_novelty
        return least is not None and len(newest) == newest.maxlen and sum(newest) < least * len(newest)

    def _draw_examples(self, rng: random.Random) -> str:
        how, shown = self.settings.prompting, self.demonstrations
        drawn = rng.sample(shown, min(self.settings.shots, len(shown)))
        examples = "\n\n".join(one.rendered(with_persona=how == "persona-few-shot") for one in drawn)
        return Template(prompt_of(self.actions).find_phrase("examples", how)).safe_substitute(examples=examples)

    def _check_prompt(self) -> None:
        prompt, how = prompt_of(self.actions), self.settings.prompting
        if "examples" not in prompt.choices or "$examples" not in prompt.system + prompt.user:
            raise SetupError(
                f"The prompt {prompt.name!r} of {self.name!r} shows no demonstrations, so prompting cannot be {how!r}; "
                f"give it the slot $examples and phrases [choices.examples], or use zero-shot."
            )
        prompt.find_phrase("examples", how)


async def prepare_task(engine: Engine, task: Task, state: SocietyState, recall: EmbeddingRecall | None) -> None:
    """Read the texts that outputs are compared with, and prepare the demonstrations.

    With `recall`, also compare outputs by embedding vectors. Raises what reading and preparing raise.
    """
    foreign = ForeignTexts(task.settings.against) if task.settings.against else None
    if foreign is not None:
        state.against = EarlierTexts(foreign, threshold=min(action.novelty_threshold for action in task.actions))
        note_unread(engine.log, foreign)
    if recall is not None:
        state.similar = SimilarOutputs(str(engine.log.job_row.embedding_model), task.settings.cosine)
        for some in batched(((one.place, one.text) for one in foreign or ()), _EMBEDDED):
            await _hold_similar(state.similar, some, recall, seed=state.seed)
        ((last,),) = engine.log.query(_LAST)
        for first in range(0, last, _EMBEDDED):
            found = engine.log.query(_ORIGINALS, {"first": first, "last": first + _EMBEDDED})
            made = [((emission, agent), text) for emission, agent, text in found]
            await _hold_similar(state.similar, made, recall, seed=state.seed)
    await _prepare_demonstrations(engine, task, seed=state.seed)


async def _hold_similar(
    similar: SimilarOutputs, texts: Sequence[tuple[tuple[int, str] | str, str]], recall: EmbeddingRecall, *, seed: int
) -> None:
    vectors = await recall.embed([text for _, text in texts], seed=seed) if texts else {}
    for what, text in texts:
        if text in vectors:
            similar.hold(what, vectors[text])


async def _prepare_demonstrations(engine: Engine, task: Task, *, seed: int) -> None:
    """Infer the personas of demonstrations that have none, once per run, if the prompting shows personas.

    The demonstrations are stored in the run file, and `task` shows them from there. Raises `RunError` if no persona
    could be inferred.
    """
    if not task.shows_demonstrations:
        return
    await run_phase(engine, DemonstrationPhase(task, seed))
    await engine.flush()
    rows = engine.log.rows(DemonstrationRow, "ORDER BY ordinal")
    shown = tuple(Demonstration(row.output, row.persona) for row in rows)
    if task.settings.prompting == "persona-few-shot":
        shown = tuple(one for one in shown if one.persona is not None)
    if not shown:
        raise RunError(
            "No persona could be inferred for any demonstration (see the table failures); give personas in the file "
            "of demonstrations, or use few-shot."
        )
    task.demonstrations = shown


class DemonstrationPhase(Phase[Demonstration, Answer[tuple[Persona, ...]] | None]):
    """Text-to-Persona on the demonstrations that have no persona, where personas are shown."""

    name = "demonstrations"
    chunk = None

    def __init__(self, task: Task, seed: int) -> None:
        self._task = task
        self._infers = task.settings.prompting == "persona-few-shot"
        self._seed = seed

    def begin(self, chunks: Chunks) -> None:
        """Read the demonstrations."""
        self.items = read_demonstrations(self._task.demonstrations_file)

    async def work(self, item: Demonstration, model: PersonaModel) -> Answer[tuple[Persona, ...]] | None:
        """Return the persona inferred from a demonstration.

        Returns None if the demonstration already has a persona, or the prompting shows none.
        """
        if item.persona is not None or not self._infers:
            return None
        passage = Passage(item.output)
        drawn = derive_seed(self._seed, self.name, passage.id) >> 32
        context = RequestContext(self.name, 1, passage.id, drawn)
        return await text_to_persona(model, passage, verb="write", context=context)

    def owner(self, item: Demonstration) -> str:
        """Return the id of the demonstration's text."""
        return Passage(item.output).id

    def outcome(self, result: Answer[tuple[Persona, ...]] | None) -> tuple[Outcome, str] | None:
        """Return how the request ended and why, or None if there was no request."""
        return None if result is None else (result.outcome, result.reason)

    def collect(self) -> Changes:
        """Return each demonstration with its persona, and a failure for each persona that could not be inferred."""
        shown, failures = list[DemonstrationRow](), list[FailureRow]()
        for ordinal, (item, answer) in enumerate(self.take_done(), start=1):
            persona = answer.value[0].text if answer is not None and answer.value else item.persona
            shown.append(DemonstrationRow(ordinal, persona, item.output, answer is not None))
            if answer is not None and answer.value is None:
                failures.append(FailureRow.of(answer, self.name, self.number, self.owner(item), "text_to_persona"))
        return Changes(rows=[*shown, *failures], events=shown, failed=len(failures))


#: The wording of a problem, and what it is about in a few words.
ProblemText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2500)]
ProblemTopic = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=80)]
#: The author's room to think, in front of the text and behind it. Only the author sees it.
ProblemPlan = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=600),
    Field(
        description="Notes before writing, not the problem: what is taken from the person's life, which quantities or "
        "things there are, what is asked, and how it resolves"
    ),
]
ProblemCheck = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=2000),
    Field(description="The problem solved again from `text` alone, in a few lines"),
]
_THOUGHTS = ("plan", "check")
#: The answer by the author of a problem.
StatedAnswer = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=400),
    Field(description="The final answer alone, as it would stand in a box; empty where a proof alone is asked for"),
]
_PROOF = re.compile(
    r"\b(?:prove|show that|proof|beweise|zeige|démontre|montre|demuestr|dimostra|доказать|докажи)|证明|證明", re.I
)


class ProblemSettings(TaskSettings):
    """What can be asked of problems of any kind."""

    focus: str = Field("", max_length=200, description="Branch, kind or topic; empty for any")
    verify: int = Field(1, ge=0, le=64, description="Solutions of which most must find the stated answer; 0 for none")
    review: bool = Field(True, description="Have a grader review each problem, in one request")


class WorkedSettings(ProblemSettings):
    """The same where the author plans and checks the problem, which takes longer answers."""

    answer_tokens: int = Field(2048, ge=16, description="Maximum answer length in tokens")


class ProblemAction(Action):
    """A problem without its solution, which the built-in generator makes of the `library`, if it has one."""

    checks: ClassVar[tuple[Check, ...]] = (
        *BASIC_CHECKS, NoDegeneration(is_puzzle=True), OwnVoice(),
        AsksSomething(), FewSubProblems(), HoldsNoSolution(), GivesNoRole(),
    )  # fmt: skip
    #: Those of the task that asks for it.
    settings: ClassVar[Any] = ProblemSettings()
    #: Worked examples of which the built-in generator makes problems, and whose solutions it knows.
    library: ClassVar[ProblemLibrary | None] = None

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Make a problem of an example as the settings say, in English."""
        if cls.library is None:
            return super().stand_in(rng, situation, schema)
        focus, difficulty = (cls.wanted(setting, situation) for setting in ("focus", "difficulty"))
        problem = cls.library.make(rng, situation.persona, focus=focus, difficulty=difficulty)
        topic = {name: problem.topic for name in ("topic", "reasoning") if name in cls.model_fields}
        return topic | dict(problem.worked())

    @classmethod
    def known_solution(cls, text: str) -> KnownSolution | None:
        """Return the solution of a problem that was made of the library; None for any other."""
        return cls.library.solve(text) if cls.library is not None else None

    @property
    def emitted_text(self) -> str:
        """The problem: the field `text`."""
        return str(vars(self)["text"])

    @property
    def texts(self) -> Iterator[tuple[str, str]]:
        """What checks of text read: all strings but those in which the author thinks."""
        return ((field, text) for field, text in super().texts if field not in _THOUGHTS)

    @classmethod
    def wanted(cls, setting: str, situation: Situation) -> str:
        """Return the word a request drew for a setting that is left open, else the value of the setting."""
        return prompt_of((cls,)).word_in(setting, situation.plain) or str(getattr(cls.settings, setting))


class SolutionsAgree:
    """Most of several independent solutions find the answer that the author states in the field `answer`.

    They are asked of the role `solver`, by the prompt and the comparison of `populace data solve`.
    """

    name = VERIFIED
    version = 1
    revises = False
    asks = True

    def __init__(self, solutions: int = 1) -> None:
        self._panel = SolverPanel(solvers=("solver",), samples=solutions)

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """Judge whether most solutions agree with the stated answer. The score is the share that agrees.

        Failed if no solution came, too. Undecided for a proof.
        """
        text, stated = action.emitted_text, str(vars(action)[STATED])
        if not stated:
            if _PROOF.search(text):
                return undecided("It asks for a proof, so there is no answer to compare.")
            return failed("It states no answer, so no solution can agree with it.")
        work = SolvingWork("", self._panel, 0, 0, lambda _: action.known_solution(text), context.request_context)
        solved = await work(Output(0, 0, "", action.name, text, dump_json({STATED: stated})), context.model)
        if all(one.text == KNOWS_NONE for one in solved.solutions):
            return undecided(KNOWS_NONE)
        agreeing = sum(correct is True for correct in solved.correct)
        if solved.came and 2 * agreeing > solved.came:
            return passed(agreeing / solved.came)
        found = ", ".join(repr(one.answer)[:80] if one.answer else f"none ({one.outcome})" for one in solved.solutions)
        share = agreeing / solved.came if solved.came else None
        return failed(f"Its answer is stated as {stated!r:.80}, and solutions find {found}.", share)


class ProblemTask(Task):
    """Makes problems; the prompt has a phrase for each setting, and the action knows the settings too."""

    settings_type: ClassVar[type[Settings]] = ProblemSettings
    settings: ProblemSettings

    def __init__(self, settings: Settings | dict[str, Any] | None = None) -> None:
        """Configure the actions by the settings. Raises `SetupError` for invalid settings."""
        super().__init__(settings)
        self.actions = tuple(
            action.configured(settings=self.settings, checks=(*action.checks, *self._asking_checks(action)))
            for action in self.actions
        )
        if self.settings.focus.strip() and not self.phrase_of("focus"):
            prompt = prompt_of(self.actions).name
            raise SetupError(
                f"The prompt {prompt!r} of {self.name!r} says nothing of a focus, so it cannot be "
                f'{self.settings.focus!r}; give it [choices.focus] with other = "... $focus ...", or leave focus out.'
            )

    def _asking_checks(self, action: type[Action]) -> list[Check]:
        """List the checks that ask a model: solutions first, so that the reviewer sees the answer they agree on."""
        is_verified = self.settings.verify and STATED in action.model_fields
        checks: list[Check] = [SolutionsAgree(self.settings.verify)] if is_verified else []
        return [*checks, Reviewed()] if self.settings.review else checks

"""Asking a survey: a phase of its own, behind the step's, that reads the agents and changes nothing of them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from ...agents.gateway.request import judge
from ...agents.procedural.judging import DONT_KNOW
from ...agents.turn_prompt import cut_text, named_language, prompt_size, refused_length
from ...core.errors import hook
from ...core.model import Answer, AnswerSchema, Outcome, PersonaModel, RequestContext
from ...core.prompt import Prompt, RenderedPrompt, fence, load_prompt
from ..engine import Engine, Executor, bounded_map
from ..jobs.loop import Changes, Chunks, Phase, run_phase, worked
from ..observe import EmbeddingRecall, described
from ..resident import Resident
from ..runfile.job_rows import FailureRow, Unit
from ..runfile.rows import AnswerRow, SurveyRow
from ..scenario import Scenario, declared_surveys
from ..seeds import derive_seed, rng_for
from ..state import SocietyState
from .items import Item, Shown
from .survey import PURPOSE, Survey

_ROOM = f"{(__package__ or '').rpartition('.sim')[0]}.agents"


@dataclass(frozen=True, slots=True)
class Respondent:
    """One agent to ask once, as plain data."""

    agent: str
    persona: str
    language: str
    news: tuple[str, ...]
    memories: tuple[str, ...]
    #: By item, the options in the order in which they are shown.
    orders: tuple[Shown, ...]
    context: RequestContext


def respondent_of(state: SocietyState, survey: Survey, resident: Resident, replicate: int, *, job: int) -> Respondent:
    """Return an agent as it is asked after the society's latest step, with what it then knows and remembers."""
    step, agent, settings = state.world.step, resident.id, state.scenario.settings
    seed = survey.sampling_seed(seed=state.seed, step=step, agent=agent)
    context = RequestContext(survey.phase, step, agent, seed, job=job)
    return Respondent(
        agent=agent,
        persona=described(state, resident),
        language=resident.persona.language,
        news=state.world.told_to(agent),
        memories=resident.memory.recall(survey.cue, settings.recalled),
        orders=survey.orders(seed=state.seed, step=step, agent=agent, replicate=replicate),
        context=context.vary_context(replicate=replicate),
    )


def survey_prompt() -> Prompt:
    """Return the prompt for surveys."""
    return load_prompt(_ROOM, PURPOSE)


def survey_request(
    survey: Survey,
    items: tuple[Item, ...],
    orders: tuple[Shown, ...],
    respondent: Respondent,
    *,
    world: str,
    prompt_tokens: int = 0,
) -> tuple[RenderedPrompt, AnswerSchema[Mapping[str, Any]]]:
    """Return the prompt and the answer schema for these items.

    If the prompt exceeds `prompt_tokens`, the oldest notes are cut first, then the oldest news, then the end of the
    persona's description. 0 is no limit.
    """
    prompt = _render_survey(survey, items, orders, respondent, world)
    while prompt_tokens and (over := prompt_size(prompt) - prompt_tokens) > 0:
        if respondent.memories:
            respondent = replace(respondent, memories=respondent.memories[1:])
        elif respondent.news:
            respondent = replace(respondent, news=respondent.news[1:])
        elif persona := cut_text(respondent.persona, over):
            respondent = replace(respondent, persona=persona)
        else:
            break
        prompt = _render_survey(survey, items, orders, respondent, world)
    return prompt, survey_schema(items)


def least_size(survey: Survey, *, world: str) -> int:
    """Return the tokens of a survey's longest prompt that cannot be cut: world, rules and items.

    No agent is counted.
    """
    items, orders = tuple(survey.items), survey.orders(seed=0, step=0, agent="", replicate=0)
    nobody = Respondent("", "", "", (), (), orders, RequestContext(survey.phase, 0, "", 0))
    parts = [slice(n, n + 1) for n in range(len(items))] if survey.one_by_one else [slice(None)]
    return max(prompt_size(_render_survey(survey, items[part], orders[part], nobody, world)) for part in parts)


def _render_survey(
    survey: Survey, items: Sequence[Item], orders: Sequence[Shown], respondent: Respondent, world: str
) -> RenderedPrompt:
    template = survey_prompt()
    asked = "\n\n".join(filter(None, (survey.intro, fence("questions", questions_text(items, orders)))))
    return template.render(
        world=fence("world", world),
        persona=fence("persona", respondent.persona),
        news=fence("news", "\n".join(f"- {' '.join(one.split())}" for one in respondent.news)),
        memory=fence("memory", "\n".join(f"- {' '.join(one.split())}" for one in respondent.memories)),
        # What is the same in the next request comes first: the questions, or, one by one, the respondent.
        questions="" if survey.one_by_one else asked,
        question=asked if survey.one_by_one else "",
        language=named_language(template, respondent.language),
    )


def questions_text(items: Sequence[Item], orders: Sequence[Shown]) -> str:
    """Return the items as a respondent sees them."""
    parts = []
    for item, shown in zip(items, orders, strict=True):
        unsure = f'\nWho does not know answers "{DONT_KNOW}".' if item.dont_know else ""
        parts.append(f"{item.name}: {item.text.strip()}\n{item.described(shown)}{unsure}")
    return "\n\n".join(parts)


@lru_cache(maxsize=4096)
def survey_schema(items: tuple[Item, ...]) -> AnswerSchema[Mapping[str, Any]]:
    """Return the form of the answers to these items: an object with a value, or `DONT_KNOW`, under the name of each.

    It is the same for all respondents, in whatever order they are shown the options, so that it can be cached.
    """
    properties = {item.name: _with_unsure(item) for item in items}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }

    def read(answer: object) -> Mapping[str, Any]:
        if not isinstance(answer, Mapping) or answer.keys() != properties.keys():
            raise ValueError(f"give an object with the keys {', '.join(properties)} and no others")
        values, complaints = {}, []
        for item in items:
            try:
                values[item.name] = item.read(answer[item.name])
            except ValueError as error:
                complaints.append(f"{item.name}: {error}")
        if complaints:
            raise ValueError("\n".join(complaints))
        return values

    return AnswerSchema("survey", schema, read)


def partial_answers(items: Sequence[Item], raw: str) -> Mapping[str, Any]:
    """Return the valid item values from an answer that does not fit as a whole."""

    def read(answer: object) -> Mapping[str, Any]:
        values: dict[str, Any] = {}
        given: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {}
        for item in items:
            with suppress(KeyError, ValueError):
                values[item.name] = item.read(given[item.name])
        return values

    return judge(raw, AnswerSchema("survey", {}, read)).value or {}


def _with_unsure(item: Item) -> dict[str, Any]:
    own = item.schema()
    if not item.dont_know:
        return own
    if own["type"] == "string":
        return own | {"enum": [*own["enum"], DONT_KNOW]} if "enum" in own else own
    return {"anyOf": [own, {"type": "string", "enum": [DONT_KNOW]}]}


#: Outcome of an item whose respondent does not know.
UNSURE = "dont_know"

#: Respondents whose answers are committed together.
_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """The answer to one item, or why there is none."""

    value: Any
    outcome: str = Outcome.OK
    reason: str = ""
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class SurveyWork:
    """Asks one respondent: all items in one request, or each in its own."""

    survey: Survey
    world: str
    #: Tokens of a prompt at most; 0 is no limit.
    prompt_tokens: int = 0

    async def __call__(self, item: Respondent, model: PersonaModel) -> tuple[ItemAnswer, ...]:
        """Return the answers, in the order of the items."""
        items, orders = tuple(self.survey.items), item.orders
        parts = [((one,), (shown,)) for one, shown in zip(items, orders, strict=True)]
        most = self.prompt_tokens

        async def ask(part: tuple[tuple[Item, ...], tuple[Shown, ...]]) -> list[ItemAnswer]:
            some, shown = part
            prompt, schema = survey_request(self.survey, some, shown, item, world=self.world, prompt_tokens=most)
            return _split_answers(some, refused_length(prompt, most) or await model.ask(prompt, schema, item.context))

        asked = parts if self.survey.one_by_one else [(items, orders)]
        # All at once: requests by batch that waited for each other would be in a batch each.
        answers = await bounded_map(ask, asked, workers=len(asked), done=lambda _place, _answers: None)
        return tuple(one for some in answers for one in some)


def _split_answers(items: Sequence[Item], answer: Answer[Mapping[str, Any]]) -> list[ItemAnswer]:
    """Return the answer to each item. If the answer as a whole does not fit, keep the items that do."""
    values: Mapping[str, Any] = answer.value or {}
    if answer.outcome is Outcome.SCHEMA_MISMATCH:
        values = partial_answers(items, answer.raw)
    lost = ItemAnswer(None, answer.outcome, answer.reason, answer.attempts)
    return [_read_value(values[item.name]) if item.name in values else lost for item in items]


def _read_value(value: Any) -> ItemAnswer:
    return ItemAnswer(None, UNSURE) if value == DONT_KNOW else ItemAnswer(value)


class SurveyPhase(Phase[Respondent, tuple[ItemAnswer, ...]]):
    """One survey after one step."""

    unit = Unit.AFTER_STEP
    chunk = _CHUNK
    overlaps = True

    def __init__(
        self,
        engine: Engine,
        state: SocietyState,
        survey: Survey,
        *,
        is_rule: bool,
        recall: EmbeddingRecall | None = None,
    ) -> None:
        """Choose the respondents. With `is_rule` the scenario's rule answers, else the model.

        Notes are recalled by meaning with `recall`, else by words.
        """
        self.name = survey.phase
        self.number = state.world.step
        self.work = SurveyWork(survey, state.scenario.world, state.scenario.settings.prompt_tokens)
        self._engine, self._state, self._survey, self._is_rule = engine, state, survey, is_rule
        self._recall = recall
        self._unrecalled: list[FailureRow] = []
        asked = survey.respondents(list(state.residents.values()), seed=state.seed, step=self.number)
        self._asked = [(resident, replicate) for resident in asked for replicate in range(survey.repeats)]
        #: The items of the survey, which come with the first answers.
        self._rows: list[SurveyRow] = []

    def begin(self, chunks: Chunks) -> None:
        """Continue after the respondents of complete chunks."""
        self._asked = self._asked[chunks.items :]
        if not chunks.items:
            self._rows = survey_rows(self._survey, job=self._engine.log.job, step=self.number)
        self._engine.progress.began(f"Survey {self._survey.name}", len(self._asked))

    def take(self, chunks: Chunks, most: int) -> Sequence[Respondent]:
        """Return the next respondents, each with what it knows and remembers now."""
        taken, self._asked = self._asked[:most], self._asked[most:]
        job = self._engine.log.job
        return [respondent_of(self._state, self._survey, resident, number, job=job) for resident, number in taken]

    def owner(self, item: Respondent) -> str:
        """Return the id of the agent."""
        return item.agent

    def outcome(self, result: tuple[ItemAnswer, ...]) -> tuple[Outcome, str]:
        """Return the outcome of the first item without an answer from the model, else OK."""
        lost = next((one for one in result if _is_lost(one)), None)
        return (Outcome.OK, "") if lost is None else (Outcome(lost.outcome), lost.reason)

    async def results(
        self, items: Sequence[Respondent], executor: Executor, engine: Engine
    ) -> list[tuple[ItemAnswer, ...]]:
        """Return the answers of the model, or of the scenario's rule."""
        if not self._is_rule:
            return await worked(self.work, await self._remind_respondents(items), executor, engine)
        found = []
        for item in items:
            found.append(self._by_rule(item))
            engine.progress.advanced()
        return found

    def collect(self) -> Changes:
        """Return the answers since the last commit. The hash is taken over them."""
        made: list[SurveyRow | AnswerRow] = [*self._rows]
        failures, done, job = list[FailureRow](), self.take_done(), self._engine.log.job
        for respondent, answers in done:
            made += self._answer_rows(respondent, answers)
            lost, agent = next((one for one in answers if _is_lost(one)), None), respondent.agent
            if lost is not None:
                failures.append(FailureRow.of(lost, self.name, self.number, agent, PURPOSE, agent=agent, job=job))
        unrecalled, self._unrecalled, self._rows = self._unrecalled, [], []
        return Changes(
            rows=[*made, *failures, *unrecalled],
            events=[self.name, *map(_survey_event, made)],
            failed=len(failures),
            counts={"answered": len(done) - len(failures)},
        )

    async def _remind_respondents(self, items: Sequence[Respondent]) -> Sequence[Respondent]:
        """Return the respondents with the notes nearest to the questions by meaning."""
        recall, state, survey = self._recall, self._state, self._survey
        if recall is None:
            return items
        most = state.scenario.settings.recalled
        asked = {item.agent: state.residents[item.agent] for item in items}
        seed = derive_seed(state.seed, "embedding", self.name, self.number) >> 32
        self._unrecalled += await recall.prepare(
            [(one, survey.cue) for one in asked.values()], recalled=most, step=self.number, seed=seed, phase=self.name
        )
        vectors = {agent: vector for agent, one in asked.items() if (vector := recall.cue_of(one)) is not None}
        return [
            replace(item, memories=asked[item.agent].memory.recall(survey.cue, most, vector=vectors[item.agent]))
            if item.agent in vectors
            else item
            for item in items
        ]

    def _by_rule(self, item: Respondent) -> tuple[ItemAnswer, ...]:
        resident, found = self._state.residents[item.agent], []
        scenario, replicate = self._state.scenario, item.context.replicate
        for one in self._survey.items:
            rng = rng_for(self._state.seed, "answer", self._survey.name, self.number, item.agent, one.name, replicate)
            found.append(answer_by_rule(scenario, resident, one, rng))
        return tuple(found)

    def _answer_rows(self, respondent: Respondent, answers: Sequence[ItemAnswer]) -> list[AnswerRow]:
        model, prompt = self._engine.model.name, survey_prompt()
        by = ("rule", "rule") if self._is_rule else (model, f"{prompt.name}@{prompt.version}")
        rows: list[AnswerRow] = []
        for item, shown, one in zip(self._survey.items, respondent.orders, answers, strict=True):
            has_value = one.value is not None
            rows.append(AnswerRow(
                self._engine.log.job, self._survey.name, self.number, respondent.agent, item.name,
                respondent.context.replicate, orjson.dumps(one.value).decode() if has_value else None,
                item.number(one.value) if has_value else None, list(shown), one.outcome, one.reason, *by,
            ))  # fmt: skip
        return rows


def answer_by_rule(scenario: Scenario, resident: Resident, item: Item, rng: Any) -> ItemAnswer:
    """Return the answer of the scenario's rule. Raises `HookError` if it fails or gives an invalid answer."""
    with hook(scenario, "answer"):
        value: object = scenario.answer(resident, item, rng)
        if value is None and not item.dont_know:
            raise TypeError(f"it must give an answer to {item.name!r}, which allows no don't know, and gave None")
        return ItemAnswer(None, UNSURE) if value is None else _read_value(item.read(value))


def survey_rows(survey: Survey, *, job: int, step: int) -> list[SurveyRow]:
    """Return the items of a survey as rows."""
    return [
        SurveyRow(
            job, survey.name, step, item.name, place, item.type, item.text, survey.intro, list(item.options),
            *item.bounds, item.dont_know,
        )
        for place, item in enumerate(survey.items, start=1)
    ]  # fmt: skip


def batched_phases(scenario: Scenario) -> frozenset[str]:
    """Return the phases of a run in which no request needs the answer to another one, so that they can go by batch."""
    steps = ("step",) if scenario.independent else ()
    return frozenset({"growth", *steps, *(one.phase for one in declared_surveys(scenario))})


async def ask_surveys(
    engine: Engine,
    state: SocietyState,
    *,
    is_rule: bool,
    recall: EmbeddingRecall | None = None,
    executor: Executor | None = None,
) -> None:
    """Ask the surveys that are due after the society's latest step and were not asked yet."""
    for survey in declared_surveys(state.scenario):
        if survey.is_due(state.world.step) and state.residents:
            phase = SurveyPhase(engine, state, survey, is_rule=is_rule, recall=recall)
            await run_phase(engine, phase, executor=executor)


def _is_lost(answer: ItemAnswer) -> bool:
    return answer.outcome not in (Outcome.OK, UNSURE)


def _survey_event(row: SurveyRow | AnswerRow) -> object:
    """Return what the event hash holds of a row. Leaves out the job number and the text of a reason."""
    if isinstance(row, AnswerRow):
        shown = [row.survey, row.step, row.agent, row.item, row.replicate, row.value, row.shown]
        return [*shown, row.outcome, row.model, row.prompt]
    asked = [row.survey, row.step, row.item, row.type, row.text, row.intro, row.options]
    return [*asked, row.low, row.high, row.dont_know]

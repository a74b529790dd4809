"""What a survey of a finished run will take: known before anybody is asked."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
from langchain_core.embeddings import Embeddings

from ...agents.embedding.models import EmbeddingHandle
from ...agents.endpoint.models import ModelHandle
from ...agents.gateway.budget import Prices
from ..prompt_limits import check_survey_prompts
from ..resident import Resident
from ..run_models import choose_model
from ..runfile.job_rows import Unit
from ..runfile.reader import open_run
from ..runfile.recording import run_of
from ..seeds import rng_for
from ..state import SocietyState
from ..survey.declared import PURPOSE, Survey
from ..survey.items import Item, Shown
from ..survey.recall import LaterRecall
from ..survey.request import respondent_of, survey_request
from ..survey.stored import check_finished, give_known_vectors, known_vectors, stored_society
from .dry_run import Answered, DryRun
from .estimator import Estimate
from .hub import embedding_purpose
from .purposes import Asked, Counted, Interval, counted_purposes, purposes

#: The role by which an estimate names the embedding model.
_EMBEDDINGS = "embeddings"
#: Requests that are written out and measured, at most.
_MEASURED = 200


def estimate_survey(
    path: Path | str,
    surveys: Sequence[Survey],
    *,
    model: str | ModelHandle | None = None,
    base_url: str | Sequence[str] | None = None,
    prices: Prices | None = None,
    batch: bool = False,
    embeddings: str | Embeddings | EmbeddingHandle | None = None,
    embeddings_url: str | None = None,
    embeddings_prices: Prices | None = None,
    seed: int | None = None,
) -> Estimate:
    """What `survey_run` with the same arguments will ask of its model, and cost; the model is not asked.

    Requests are counted, and some of them measured as they would be sent. Raises what `survey_run` raises for a run
    that cannot be surveyed.
    """
    path = Path(path)
    handle, prices = choose_model(path, model, base_url, prices)
    with open_run(path) as reader:
        check_finished(path)
        row, state = run_of(reader), stored_society(reader)
        recall = LaterRecall.opened(
            row, path, embeddings, url=embeddings_url, address=base_url, prices=embeddings_prices
        )
        known: set[str] = set()
        if recall.model is not None:
            give_known_vectors(reader, list(state.residents.values()), recall.model.name)
            known.update(known_vectors(reader, [one.cue for one in surveys], recall.model.name))
    most = state.scenario.settings.prompt_tokens
    check_survey_prompts(surveys, world=row.world, prompt_tokens=most)
    state.seed = state.seed if seed is None else seed
    requests = [one for survey in surveys for one in _requests(survey, state)]
    some = rng_for(state.seed, "estimate").sample(requests, min(len(requests), _MEASURED))
    measured = tuple(_measured(state, *one) for one in some)
    counted = DryRun(measured, 0, None, len(state.residents), 0, None, {}, 0.0)
    whole = Counted(counted, growth=1.0, steps=Interval.exactly(len(requests) / len(some)))
    tokens = state.scenario.settings.answer_tokens
    asked = Asked(tokens, 0, turns=frozenset(), revised=frozenset())
    found = purposes(whole, asked, None, None) if handle.is_language_model else counted_purposes(whole)
    if recall.model is not None:
        found.append(embedding_purpose(_lacking(surveys, state, known), role=_EMBEDDINGS))
    return Estimate(
        tuple(found),
        people=len({resident.id for _, resident, *_ in requests}),
        dry_run=(len({resident.id for _, resident, *_ in some}), 0),
        model=handle.name,
        is_language_model=handle.is_language_model,
        prices=prices,
        answer_tokens=tokens,
        batch=batch,
        can_be_sampled=False,
        role_models={} if recall.model is None else {_EMBEDDINGS: recall.model.name},
        role_prices={} if recall.model is None else {_EMBEDDINGS: recall.prices},
    )


def _lacking(surveys: Sequence[Survey], state: SocietyState, known: set[str]) -> Iterator[list[str]]:
    """For each survey the texts whose vectors are to be asked for; those of the texts `known` are there."""
    for survey in surveys:
        asked = survey.respondents(list(state.residents.values()), seed=state.seed, step=state.world.step)
        memories = [one.memory for one in asked if one.memory.has_choice(state.scenario.settings.recalled)]
        needed = {text for memory in memories for text in (survey.cue, *memory.without_vector())}
        yield sorted(needed - known)
        known |= needed


type _Request = tuple[Survey, Resident, int, tuple[Item, ...], slice]


def _requests(survey: Survey, state: SocietyState) -> Iterator[_Request]:
    """Every request of a survey: who is asked, which time, and which items."""
    items = tuple(survey.items)
    parts = [slice(n, n + 1) for n in range(len(items))] if survey.one_by_one else [slice(None)]
    for resident in survey.respondents(list(state.residents.values()), seed=state.seed, step=state.world.step):
        for replicate in range(survey.repeats):
            yield from ((survey, resident, replicate, items[part], part) for part in parts)


def _measured(
    state: SocietyState, survey: Survey, resident: Resident, replicate: int, items: tuple[Item, ...], part: slice
) -> Answered:
    """The bytes of a request, in the places of tokens."""
    asked = respondent_of(state, survey, resident, replicate, job=1)
    orders: tuple[Shown, ...] = asked.orders[part]
    most = state.scenario.settings.prompt_tokens
    prompt, schema = survey_request(survey, items, orders, asked, world=state.scenario.world, prompt_tokens=most)
    sizes = [len(text.encode()) for _, text in prompt.messages]
    return Answered(
        phase=survey.phase,
        unit=Unit.AFTER_STEP,
        number=state.world.step,
        owner=f"{resident.id} {part.start}",
        purpose=PURPOSE,
        request_hash="",
        input=sum(sizes),
        output=0,
        reasoning=len(orjson.dumps(schema.json_schema)),
        cached=sizes[0],
        seconds=0.0,
        was_sent=False,
        replicate=replicate,
    )

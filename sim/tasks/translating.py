"""Outputs in another language, each beside its original: one request to each, whose answer is a row of `translations`.

A translation that is in another language than was asked for, declines, or is the original again is kept with its reason
and without its text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Unpack

from ...agents.responses import Response, schema_of
from ...agents.text_forms import WHOLE
from ...core.errors import SetupError, parameter
from ...core.model import Outcome, PersonaModel
from ...core.prompt import fence, language_name, load_prompt
from ...core.table import Row, table
from ...personas.rules.languages import is_in_language
from ..engine import JobModels
from ..jobs.kind import Asked, JobOptions
from ..jobs.life import run_job
from ..runfile.job_rows import LATER
from ..specs import TranslatingSpec
from .outputs import ROOM, Output, OutputJob, OutputJobReport, OutputPhase, Reply

#: The kind of these jobs, and their one phase.
KIND = "translating"


@table("translations", key="job emission", fork=None, undo=LATER, is_of_job=True)
@dataclass(frozen=True, slots=True)
class TranslationRow:
    """Outputs in another language (populace data translate), each beside its original."""

    job: Annotated[int, "Job, as in jobs"]
    emission: Annotated[int, "Output that was translated", "BIGINT"]
    language: Annotated[str, "Language of the translation, as a BCP 47 tag"]
    text: Annotated[str | None, "The translation; null where there is none to use"]
    outcome: Annotated[
        str,
        "ok, language (another one), copied (the original), refusal, empty, or how the call ended",
    ]
    reason: Annotated[str, "Why there is none, in one sentence; empty where there is one"]


class TranslatingPhase(OutputPhase[Output, list[Reply]]):
    """Has outputs translated."""

    name = KIND
    shown = "Outputs translated"
    counted = "translations"

    async def work(self, item: Output, model: PersonaModel) -> list[Reply]:
        """Return the translation, or why there is none."""
        to = self._spec.language
        prompt = load_prompt(ROOM, "translate").render(
            language=language_name(to), original=fence("original", item.text)
        )
        schema = schema_of(Response, prompt.name, lambda *_: {"text": item.text}, WHOLE)
        answer = await model.ask(prompt, schema, self._context.request(KIND, self.owner(item)))
        found = Reply.of(answer)
        if found.outcome != Outcome.OK:
            return [found]
        if found.text == item.text.strip() and any(letter.isalpha() for letter in found.text):
            return [Reply(answer, "copied", "It is the original again.")]
        if is_in_language(found.text, to) is False:
            return [Reply(answer, "language", f"It is not written in the language asked for ({to}).")]
        return [found]

    def event_of(self, output: Output, result: list[Reply]) -> object:
        """Return the raw answer."""
        return [result[0].answered.outcome, result[0].answered.raw]

    def rows_of(self, output: Output, result: list[Reply]) -> Sequence[Row]:
        """Return the row of the translation."""
        (one,) = result
        told = (None if self.is_lost(result) else one.text, one.outcome, one.reason)
        return [TranslationRow(self._context.job, output.emission, self._spec.language, *told)]


class TranslatingJob(OutputJob[TranslatingSpec]):
    """Has what a run has made translated."""

    kind = KIND
    spec_type = TranslatingSpec
    phase_type = TranslatingPhase
    tables = (TranslationRow,)
    where_found = 'The translations: `populace sql {file} "FROM translations"`.'

    def open_models(self, path: Path, asked: Asked) -> JobModels:
        """Open the model. Raises `SetupError` for the built-in generator, which translates nothing."""
        models = super().open_models(path, asked)
        if models.first.name.startswith("procedural") and not self.is_dry_run:
            raise SetupError(f"The built-in generator translates nothing; name a model with {parameter('model')}.")
        return models


def translate(run: Path | str, language: str, **options: Unpack[JobOptions]) -> OutputJobReport:
    """Translate the accepted outputs of a finished run into a language. `run_job` says what the options are.

    Raises `SetupError` for an unknown language, and what `run_job` raises.
    """
    return run_job(run, TranslatingJob(TranslatingSpec.given(language=language)), **options)

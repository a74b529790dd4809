"""A model that gives prepared answers, judged by the schema as the gateway judges them."""

from collections.abc import Iterable
from typing import Any

from populace.core.model import Answer, AnswerSchema, Outcome, RequestContext
from populace.core.prompt import RenderedPrompt


class ScriptedModel:
    """A `PersonaModel` that keeps what it was asked."""

    def __init__(self, answers: Iterable[object]) -> None:
        self._answers = iter(answers)
        self.prompts: list[RenderedPrompt] = []
        self.schemas: list[AnswerSchema[Any]] = []
        self.contexts: list[RequestContext] = []

    @property
    def name(self) -> str:
        """The name it writes into rows."""
        return "scripted"

    async def ask[T](self, prompt: RenderedPrompt, schema: AnswerSchema[T], context: RequestContext) -> Answer[T]:
        """Take the next prepared answer, and judge it."""
        self.prompts.append(prompt)
        self.schemas.append(schema)
        self.contexts.append(context)
        try:
            return Answer(Outcome.OK, schema.validate(next(self._answers)))
        except ValueError as error:
            return Answer(Outcome.SCHEMA_MISMATCH, reason=schema.complaint(error))

    @property
    def said(self) -> str:
        """Everything that was sent, as one text."""
        return "\n".join(text for prompt in self.prompts for _, text in prompt.messages)

"""Scenarios and models whose answers are known beforehand."""

import json
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from populace.agents.actions import Action
from populace.sim.scenario import Scenario


class Vote(Action):
    """Vote, and say why."""

    name: ClassVar[str] = "vote"
    kind: Literal["vote"]
    choice: Literal["bridge", "ferry"]
    reason: str

    @property
    def emitted_text(self) -> str:
        """What was chosen."""
        return self.choice


class Ballot(Scenario):
    """Is there to be a bridge or a ferry?"""

    name = "ballot"
    actions = (Vote,)


class Answering(BaseChatModel):
    """Gives one answer, whatever is asked; or what a function makes of the messages."""

    answer: str | Callable[[list[BaseMessage]], str] = json.dumps({"kind": "vote", "choice": "ferry", "reason": "So."})

    @property
    def _llm_type(self) -> str:
        return "answering"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        said = self.answer if isinstance(self.answer, str) else self.answer(messages)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=said))])

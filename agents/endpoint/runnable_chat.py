"""LangChain Runnables and compiled LangGraph graphs of the user's own as chat models.

Each run of a graph is one call: logged, cached, resumed, replayed and counted by the tokens that its models report.
"""

from typing import Any
from uuid import uuid4

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, UsageMetadata
from langchain_core.messages.ai import add_usage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig

from ...personas.errors import SetupError
from ...personas.model import Outcome
from .errors import RequestError

_MESSAGES = "messages"


class RunnableChat(BaseChatModel):
    """Any LangChain Runnable that takes messages, such as a chat model with fallbacks, as a chat model."""

    runnable: Any

    @property
    def _llm_type(self) -> str:
        return "runnable"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        # What LangChain expects of a model without a synchronous call.
        raise NotImplementedError("A Runnable is asked asynchronously: use ainvoke.")

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        given = {**kwargs, "stop": stop} if stop else kwargs
        answer = await self.runnable.ainvoke(messages, **given)
        message = answer if isinstance(answer, BaseMessage) else AIMessage(str(answer))
        return ChatResult(generations=[ChatGeneration(message=message)])


class GraphChat(RunnableChat):
    """A graph whose state has `messages` (`MessagesState`), as a chat model without parameters."""

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if kwargs:
            detail = f"A graph takes no {', '.join(kwargs)}; set that on the model within it."
            raise RequestError(Outcome.BAD_REQUEST, detail)
        # A graph with a checkpointer begins anew for each request.
        config = RunnableConfig(configurable={"thread_id": uuid4().hex})
        state = await self.runnable.ainvoke({_MESSAGES: messages}, config)
        added = state[_MESSAGES][len(messages) :] if isinstance(state, dict) else []
        answers = [one for one in added if isinstance(one, AIMessage)]
        if not answers:
            raise RequestError(Outcome.MODEL_ERROR, "The graph ended without a message of the assistant.")
        return ChatResult(generations=[ChatGeneration(message=_with_usage(answers))])


def _with_usage(answers: list[AIMessage]) -> AIMessage:
    """Return the last answer with the tokens of all, or without a count if one of them has none."""
    usage: UsageMetadata | None = None
    for answer in answers:
        if answer.usage_metadata is None:
            return answers[-1].model_copy(update={"usage_metadata": None})
        usage = add_usage(usage, answer.usage_metadata)
    return answers[-1].model_copy(update={"usage_metadata": usage})


def check_graph(graph: Any) -> None:
    """Raise `SetupError` for a graph that cannot be asked with messages."""
    for what, schema in (("takes", graph.get_input_jsonschema()), ("gives", graph.get_output_jsonschema())):
        fields = schema.get("properties", {})
        if _MESSAGES not in fields:
            raise SetupError(
                f"The state that the graph {graph.get_name()!r} {what} has no `messages` (it has: "
                f"{', '.join(fields) or 'nothing'}); build it on `langgraph.graph.MessagesState`."
            )
        if missing := sorted(set(schema.get("required", ())) - {_MESSAGES} if what == "takes" else ()):
            raise SetupError(
                f"The graph {graph.get_name()!r} needs {', '.join(missing)} beside `messages`, which no agent gives; "
                "leave these out of its input."
            )

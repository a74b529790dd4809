"""Models by name, and the addresses of their endpoints.

`procedural:accuracy=RATE` is the built-in generator as a solver that answers this share of the problems whose answers
it knows rightly.

`POPULACE_FORBID_MODELS=1` forbids every model but `procedural`, unless its address is this machine's own.
"""

import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, UsageMetadata
from langchain_core.messages.ai import add_usage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import SecretStr

from ...core.errors import SetupError
from ...core.model import Outcome
from .addresses import DEFAULT_BASE_URL, address_of, api_key, check_address, check_allowed, public_address
from .errors import RequestError

#: What follows `procedural:`.
_ACCURACY: Final = "accuracy="

#: What can be asked for, with MODEL as the endpoint calls it and PATH of a file on this machine.
MODEL_NAMES: Final = {
    "procedural": "the built-in generator: needs no model, and is not a language model",
    "openai:MODEL": "any OpenAI-compatible endpoint, at --base-url or OPENAI_BASE_URL, with OPENAI_API_KEY",
    "gguf:PATH": "a model file, served by llama.cpp on this machine (extra `local`)",
    "human": "you: shows each request at the terminal and reads the answer",
}

#: Seconds for somebody at the terminal.
_HUMAN_PATIENCE = 86_400.0


@dataclass(frozen=True, slots=True)
class ServedModel[S]:
    """A model of whatever kind, and what a run keeps of where its answers came from."""

    name: str
    #: What is asked: a chat model or the source of vectors.
    served: S
    #: The base URL without key or credentials; None for a model in the process.
    endpoint: str | None = None
    #: Calls that it works on at once; None where that is learnt from the endpoint.
    at_once: int | None = None
    #: Seconds that each call is to be given at least.
    patience: float = 0.0
    #: The same model at further endpoints, which share its load.
    more: tuple[Self, ...] = ()

    @property
    def all(self) -> tuple[Self, ...]:
        """One handle an endpoint, this one first."""
        return (self, *self.more)

    @property
    def endpoints(self) -> str | None:
        """The base URLs of all endpoints, separated by spaces; None for a model in the process."""
        return " ".join(handle.endpoint for handle in self.all if handle.endpoint) or None

    def limit_responses(self, most: int) -> None:
        """Limit the decoded bytes that are read of a response, if it comes over our own connections."""
        if hasattr(self.served, "max_response_bytes"):
            self.served.max_response_bytes = most

    async def aclose(self) -> None:
        """Close the model's connections, if it has any."""
        for handle in self.all:
            close = getattr(handle.served, "aclose", None)
            if close is not None:
                await close()


@dataclass(frozen=True, slots=True)
class ModelHandle(ServedModel[BaseChatModel]):
    """A chat model."""

    #: False for the procedural stand-in, whose text says nothing about people or language models.
    is_language_model: bool = True
    #: Whether it takes parameters with a request: a response format, a seed, a limit of length.
    takes_parameters: bool = True


def open_model(
    model: str | BaseChatModel | Runnable[Any, Any],
    *,
    base_url: str | Sequence[str] | None = None,
    timeout: float | None = None,
) -> ModelHandle:
    """Open the model of that name, or wrap a chat model or Runnable of the caller's own.

    Several base URLs (a sequence, or one string with spaces between) are endpoints that share the model's load.
    `timeout` is in seconds per call, or None for callers that set a limit themselves, as a gateway does. Raises
    `SetupError` for an unknown name, a missing key or a wrong address.
    """
    if isinstance(model, BaseChatModel):
        return _open_own(model)
    if isinstance(model, Runnable):
        return _open_runnable(model)
    if not isinstance(model, str):
        raise SetupError(_not_a_model(model))
    provider, colon, served = model.partition(":")
    if provider == "procedural" and (not colon or served.startswith(_ACCURACY)):
        return _open_procedural(model, served.removeprefix(_ACCURACY) if colon else "1")
    if model == "human":
        from .human import HumanChat

        return ModelHandle(model, HumanChat(), at_once=1, patience=_HUMAN_PATIENCE)
    if provider == "gguf":
        return _open_gguf(model, served.strip(), base_url)
    if provider == "openai" and served.strip():
        first, *more = [_open_openai(model, served.strip(), url, timeout) for url in _split_addresses(base_url)]
        return replace(first, more=tuple(more))
    raise SetupError(_unknown_model(model))


def is_nameable(model: str) -> bool:
    """Return whether `open_model` can open a model by this name. A model given as an object has no such name."""
    return model.partition(":")[0] in {name.partition(":")[0] for name in MODEL_NAMES}


def _split_addresses(base_url: str | Sequence[str] | None) -> list[str | None]:
    if base_url and not all(url.strip() for url in ([base_url] if isinstance(base_url, str) else base_url)):
        raise SetupError("A base URL is empty, as one from a variable that is not set; give http://HOST:PORT/v1.")
    given = [base_url] if isinstance(base_url, str) else base_url or [os.environ.get("OPENAI_BASE_URL", "")]
    return list(dict.fromkeys(url for text in given for url in text.split())) or [None]


def _unknown_model(model: str) -> str:
    choices = ", ".join(MODEL_NAMES)
    if model.partition(":")[0] == "openai":
        return "The name 'openai:' names no model; write openai:MODEL, with MODEL as the endpoint calls it."
    near = difflib.get_close_matches(model.casefold(), ("procedural",), n=1, cutoff=0.5)
    provider, colon, served = model.partition(":")
    if colon and (meant := difflib.get_close_matches(provider.casefold(), ("openai", "gguf"), n=1, cutoff=0.5)):
        near = [f"{meant[0]}:{served}"]
    elif model.casefold().endswith(".gguf"):
        near = [f"gguf:{model}"]
    nearest = near[0] if near else f"openai:{model}"
    return f"There is no model named {model!r}; what there is: {choices}. Did you mean {nearest}?"


def _open_procedural(name: str, accuracy: str) -> ModelHandle:
    from ..procedural import ProceduralModel

    try:
        rate = float(accuracy)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise SetupError(f"The accuracy of {name!r} is no rate from 0 to 1; write procedural:{_ACCURACY}0.8.")
    return ModelHandle(name, ProceduralModel(accuracy=rate), is_language_model=False)


def _open_gguf(name: str, path: str, base_url: str | Sequence[str] | None) -> ModelHandle:
    if not path:
        raise SetupError("The name 'gguf:' names no file; write gguf:PATH, with the path of a model's GGUF file.")
    if base_url:
        raise SetupError(f"Model {name} is served on this machine by ourselves; leave out the base URL {base_url!r}.")
    from .local_server import PATIENCE, SLOTS, LocalServer

    # What is wrong with the file is said before langchain-openai takes its seconds to import.
    server = LocalServer(Path(path).expanduser())
    from .chat_openai import LeanChatOpenAI, httpx_clients

    # It leads nowhere: each start of the server has an address of its own.
    chat = LeanChatOpenAI(
        model=server.path.name,
        base_url="http://127.0.0.1",
        api_key=SecretStr("none"),
        timeout=PATIENCE,
        server=server,
        **httpx_clients(),
    )
    return ModelHandle(name, chat, at_once=SLOTS, patience=PATIENCE)


def _open_own(chat: BaseChatModel) -> ModelHandle:
    address = address_of(chat)
    speaks_openai = any(base.__name__ == "BaseChatOpenAI" for base in type(chat).__mro__)
    if address is not None or speaks_openai:
        check_allowed(type(chat).__name__, address or "")
    served = getattr(chat, "model_name", None) or getattr(chat, "model", None)
    name = f"{type(chat).__name__}:{served}" if isinstance(served, str) else type(chat).__name__
    endpoint = public_address(address) if address else None
    is_language_model = chat._identifying_params.get("is_language_model") is not False
    return ModelHandle(name, chat, endpoint, is_language_model=is_language_model)


def _not_a_model(model: object) -> str:
    way = "give a name, a LangChain chat model, a Runnable or a compiled graph"
    way = "compile it first: graph.compile()" if hasattr(model, "compile") else way
    return f"The model is {type(model).__name__!r}; {way}."


def _open_graph(graph: Any) -> ModelHandle:

    check_graph(graph)
    return ModelHandle(f"graph:{graph.get_name()}", GraphChat(runnable=graph), takes_parameters=False)


def _open_runnable(model: Runnable[Any, Any]) -> ModelHandle:
    if hasattr(model, "get_input_jsonschema") and hasattr(model, "stream_mode"):  # LangGraph's, which loads slowly
        return _open_graph(model)

    inner = [one for one in _iter_parts(model) if isinstance(one, BaseChatModel)]
    handles = [_open_own(one) for one in inner]  # each is checked as if it were given alone
    served = "|".join(handle.name for handle in handles)
    name = f"{type(model).__name__}:{served}" if served else type(model).__name__
    endpoints = list(dict.fromkeys(handle.endpoint for handle in handles if handle.endpoint))
    is_language_model = not handles or any(handle.is_language_model for handle in handles)
    chat = RunnableChat(runnable=model)
    return ModelHandle(name, chat, " ".join(endpoints) or None, is_language_model=is_language_model)


def _iter_parts(model: object) -> Iterator[object]:
    """Yield a Runnable and all its parts."""
    yield model
    if not isinstance(model, BaseChatModel):
        several = (*getattr(model, "fallbacks", ()), *getattr(model, "steps", ()))
        for part in (getattr(model, "runnable", None), getattr(model, "bound", None), *several):
            if isinstance(part, Runnable):
                yield from _iter_parts(part)


def _open_openai(name: str, served: str, base_url: str | None, timeout: float | None) -> ModelHandle:
    given = base_url or ""
    if given:
        check_address(given)
    key = api_key(given)
    check_allowed(name, given)
    # langchain-openai takes seconds to import: only for such models.
    from .chat_openai import LeanChatOpenAI, httpx_clients

    address = given or DEFAULT_BASE_URL
    chat = LeanChatOpenAI(
        model=served, base_url=address, api_key=key, timeout=timeout, max_retries=0, **httpx_clients()
    )
    return ModelHandle(name, chat, public_address(address))


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

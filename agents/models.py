"""Models by name.

    procedural      needs no model: deterministic stand-in text, which says that it is no language model
    openai:MODEL    any OpenAI-compatible endpoint (OPENAI_API_KEY, OPENAI_BASE_URL or a base URL)

`POPULACE_FORBID_MODELS=1` forbids every model but `procedural`, unless its address is this machine's own.
"""

import difflib
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import SecretStr

from ..personas.errors import SetupError
from .address import is_loopback, public_address

__all__ = ["MODEL_NAMES", "ModelHandle", "open_model"]

#: What can be asked for, with MODEL as the endpoint calls it.
MODEL_NAMES = ("procedural", "openai:MODEL")

_FORBID = "POPULACE_FORBID_MODELS"

#: Sent to servers of one's own when no key is set: they read none, and the client insists on one.
_NO_KEY = "none"

#: Where chat models of langchain's packages keep their address.
_ADDRESSES = ("openai_api_base", "base_url", "anthropic_api_url", "endpoint_url")


@dataclass(frozen=True, slots=True)
class ModelHandle:
    """A chat model, and what a run keeps of where its text came from."""

    name: str
    chat: BaseChatModel
    #: The base URL without key or credentials; None for a model in the process.
    endpoint: str | None = None
    #: False for the procedural stand-in, whose text says nothing about people or language models.
    is_language_model: bool = True

    async def aclose(self) -> None:
        """Close the model's connections, if it has any."""
        close = getattr(self.chat, "aclose", None)
        if close is not None:
            await close()


def open_model(model: str | BaseChatModel, *, base_url: str | None = None, timeout: float = 120.0) -> ModelHandle:
    """The model of that name, ready to be asked; or a handle on a chat model of the caller's own.

    `timeout` is in seconds a call. Raises `SetupError` for an unknown name, a missing key or a wrong address.
    """
    if isinstance(model, BaseChatModel):
        return _own(model)
    if model == "procedural":
        return _procedural()
    provider, _, served = model.partition(":")
    if provider == "openai" and served.strip():
        return _openai(model, served.strip(), base_url, timeout)
    raise SetupError(_unknown(model))


def _unknown(model: str) -> str:
    choices = ", ".join(MODEL_NAMES)
    if model.partition(":")[0] == "openai":
        return "The name 'openai:' names no model; write openai:MODEL, with MODEL as the endpoint calls it."
    near = difflib.get_close_matches(model.casefold(), ("procedural",), n=1, cutoff=0.5)
    provider, colon, served = model.partition(":")
    if colon and difflib.get_close_matches(provider.casefold(), ("openai",), n=1, cutoff=0.5):
        near = [f"openai:{served}"]
    nearest = near[0] if near else f"openai:{model}"
    return f"There is no model named {model!r}; what there is: {choices}. Did you mean {nearest}?"


def _procedural() -> ModelHandle:
    from .procedural import ProceduralModel

    return ModelHandle("procedural", ProceduralModel(), is_language_model=False)


def _own(chat: BaseChatModel) -> ModelHandle:
    address = next((getattr(chat, n) for n in _ADDRESSES if getattr(chat, n, None)), None)
    speaks_openai = any(base.__name__ == "BaseChatOpenAI" for base in type(chat).__mro__)
    if address is not None or speaks_openai:
        _check_allowed(type(chat).__name__, str(address or ""))
    served = getattr(chat, "model_name", None) or getattr(chat, "model", None)
    name = f"{type(chat).__name__}:{served}" if isinstance(served, str) else type(chat).__name__
    endpoint = public_address(str(address)) if address else None
    return ModelHandle(name, chat, endpoint, chat._identifying_params.get("is_language_model") is not False)


def _openai(name: str, served: str, base_url: str | None, timeout: float) -> ModelHandle:
    given = (base_url or os.environ.get("OPENAI_BASE_URL") or "").strip()
    if given:
        _check_address(given)
    key = _key(given)
    _check_allowed(name, given)
    # langchain-openai takes seconds to import: only who asks for it waits.
    from .chat_openai import DEFAULT_BASE_URL, LeanChatOpenAI

    address = given or DEFAULT_BASE_URL
    chat = LeanChatOpenAI(model=served, base_url=address, api_key=key, timeout=timeout, max_retries=0)
    return ModelHandle(name, chat, public_address(address))


def _key(given: str) -> SecretStr:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key and not given:
        raise SetupError(
            "OPENAI_API_KEY is not set, and the default endpoint takes no call without a key; set it, or "
            "give the --base-url of a server that needs none."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SetupError("OPENAI_API_KEY holds characters that no key has (spaces, line breaks); set it anew.")
    return SecretStr(key or _NO_KEY)


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        wrong = True
    if wrong:
        shown = url.rpartition("@")[2].partition("?")[0]
        raise SetupError(
            f"The base URL {shown!r} is no address; give one like http://127.0.0.1:8000/v1 (--base-url or "
            "OPENAI_BASE_URL)."
        )


def _check_allowed(name: str, address: str) -> None:
    if os.environ.get(_FORBID, "") not in ("", "0") and not is_loopback(address):
        raise SetupError(
            f"Model {name} may not be asked, because {_FORBID} is set; use the model procedural, an address "
            "on this machine, or unset it."
        )

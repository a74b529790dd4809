"""Addresses of endpoints: what may be asked there, what may be shown of them, and the key that they take."""

import ipaddress
import os
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from ...personas.errors import SetupError, parameter

_FORBID: Final = "POPULACE_FORBID_MODELS"

#: Sent to servers of one's own when no key is set: they read none, and the client insists on one.
_NO_KEY: Final = "none"

#: Where the models of langchain's packages keep their address.
_ADDRESSES = ("openai_api_base", "base_url", "anthropic_api_url", "endpoint_url")


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def public_address(url: str) -> str:
    """Return the URL without user, password, query and fragment, so that it may be shown and kept."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def api_key(address: str, *, named: str = "base_url") -> SecretStr:
    """Return the API key of the environment, or a placeholder for an `address` of one's own that needs none.

    Raises `SetupError` if the key is missing or malformed.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key and not address:
        raise SetupError(
            "OPENAI_API_KEY is not set, and the default endpoint takes no call without a key; set it, or "
            f"give the {parameter(named)} of a server that needs none."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SetupError("OPENAI_API_KEY holds characters that no key has (spaces, line breaks); set it anew.")
    return SecretStr(key or _NO_KEY)


def check_address(url: str, *, named: str = "base_url") -> None:
    """Raise `SetupError` for a URL that is not an http(s) address."""
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        wrong = True
    if wrong:
        shown = url.rpartition("@")[2].partition("?")[0]
        raise SetupError(
            f"The base URL {shown!r} is no address; give one like http://127.0.0.1:8000/v1 ({parameter(named)} or "
            "OPENAI_BASE_URL)."
        )


def check_allowed(name: str, address: str) -> None:
    """Raise `SetupError` if `POPULACE_FORBID_MODELS` forbids a model at another machine's address."""
    if os.environ.get(_FORBID, "") not in ("", "0") and not is_loopback(address):
        raise SetupError(
            f"Model {name} may not be asked, because {_FORBID} is set; use the model procedural, an address "
            "on this machine, or unset it."
        )


def address_of(model: object) -> str | None:
    """Return the address that a LangChain model of the user's own has, wherever it keeps it, or None if it has none."""
    address = next((getattr(model, n) for n in _ADDRESSES if getattr(model, n, None)), None)
    return str(address) if address else None

"""Addresses of endpoints: what may be asked there, what may be shown of them, and the key that they take."""

import ipaddress
import os
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import unescape
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import SecretStr

from ...core.errors import SetupError, parameter

_FORBID: Final = "POPULACE_FORBID_MODELS"

#: OpenAI's own endpoint.
DEFAULT_BASE_URL: Final = "https://api.openai.com/v1"
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


#: Stands for a key.
KEY: Final = "[key]"

#: A word of fewer characters, or one without digits below the second length ("ollama", "EMPTY"), is no secret and may
#: well be part of an answer.
_SHORTEST, _SHORTEST_WORD = 6, 16
#: Letters and digits that a base64 form needs to be looked for.
_SHORTEST_CORE = 8

_ALPHANUMERIC = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_OTHERS = bytes(set(range(256)).difference(_ALPHANUMERIC))
#: One pattern for each kind of escape: each begins with a letter of its own, which makes the search fast.
_ESCAPES = (
    re.compile(rb"\\u00([0-9A-Fa-f]{2})"),
    re.compile(rb"%([0-9A-Fa-f]{2})"),
    re.compile(rb"&#(x?[0-9A-Fa-f]{1,4});"),
)
_BREAK = re.compile(rb"\\[nrt]")
#: What may stand between the characters of a key that is split. No bare quote, so that JSON stays JSON.
_BETWEEN = r"(?:\\+[nrt\"/]|\\+u00[0-9A-Fa-f]{2}|%[0-9A-Fa-f]{2}|&#\w{1,5};|[^A-Za-z0-9\"\\]){0,12}"
_BASE64 = r"(?:[A-Za-z0-9+/=_-]|%[23][BbFfDd]){0,64}"


class KeyRedactor:
    """Replaces some keys in all their forms by `[key]`; a key spread over several strings of JSON is not found."""

    def __init__(self, keys: Iterable[str]) -> None:
        secrets = [key for key in dict.fromkeys(keys) if _is_secret(key)]
        plain = {_squeeze_body(form.encode()): form for key in secrets for form in (key, key.encode().hex())}
        cores = {_squeeze_body(core.encode()): core for key in secrets for core in _base64_cores(key)}
        cores = {core: form for core, form in cores.items() if len(core) >= _SHORTEST_CORE}
        self._signs = tuple(sign for sign in (*plain, *cores) if sign)
        patterns = [_split_key(form) for form in plain.values()]
        patterns += [f"{_BASE64}{_split_key(form)}{_BASE64}" for form in cores.values()]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def redact(self, text: str) -> str:
        """Return the text without keys."""
        return self.redact_body(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def redact_body(self, body: bytes) -> bytes:
        """Return the body of a reply without keys. Valid JSON stays valid."""
        if self._pattern is None or not self._has_sign(body):
            return body
        text = body.decode("utf-8", "surrogateescape")
        return self._pattern.sub(KEY, text).encode("utf-8", "surrogateescape")

    def _has_sign(self, body: bytes) -> bool:
        body = _BREAK.sub(b"", body)
        for escape in _ESCAPES:
            body = escape.sub(_unescape_match, body)
        squeezed = _squeeze_body(body)
        if any(sign in squeezed for sign in self._signs):
            return True
        lower = squeezed.lower()
        return any(sign in lower for sign in self._signs if sign.isalnum() and sign == sign.lower())


def keys_of(model: BaseChatModel) -> tuple[str, ...]:
    """Return the keys that a LangChain model of any make holds."""
    return tuple(value.get_secret_value() for value in vars(model).values() if isinstance(value, SecretStr))


@lru_cache(64)
def redactor_of(keys: tuple[str, ...]) -> KeyRedactor:
    """Return the redactor for these keys."""
    return KeyRedactor(keys)


def _is_secret(key: str) -> bool:
    has_digit = any(character.isdigit() for character in key)
    return len(key) >= (_SHORTEST if has_digit else _SHORTEST_WORD)


def _squeeze_body(body: bytes) -> bytes:
    return body.translate(None, _OTHERS)


def _unescape_match(match: re.Match[bytes]) -> bytes:
    if match[0].startswith(b"&"):
        return unescape(match[0].decode()).encode("utf-8", "replace")
    return bytes.fromhex(match[1].decode())


def _base64_cores(key: str) -> Iterator[str]:
    """Yield what base64 makes of a key at each of three alignments, without the ends that depend on other bytes."""
    for before in range(3):
        encoded = b64encode(b"\0" * before + key.encode()).decode().rstrip("=")
        first = -(-before * 8 // 6)
        last = (before + len(key.encode())) * 8 // 6
        yield encoded[first:last]


def _split_key(form: str) -> str:
    return _BETWEEN.join(_character_pattern(c) for c in form if c.isalnum()) or re.escape(form)


def _character_pattern(character: str) -> str:
    if not character.isascii():
        return re.escape(character)
    code = f"{ord(character):02x}"
    hexadecimal = "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in code)
    return rf"(?:{character}|%{hexadecimal}|\\+u00{hexadecimal}|&#(?:x{hexadecimal}|{ord(character)});)"

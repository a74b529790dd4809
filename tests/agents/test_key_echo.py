"""A key that an endpoint repeats in an answer reaches neither the answer nor the run file."""

import html
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest
from asking import QUICK, Open, Scripted, ask, gateway_over
from langchain_core.messages import HumanMessage
from memory_ledger import MemoryLedger
from openai_server import OpenAIServer
from pydantic import SecretStr
from raw_server import RawServer, http

from populace.agents.endpoint.addresses import KEY, KeyRedactor
from populace.agents.endpoint.models import ModelHandle, open_model
from populace.core.model import Outcome

SECRET = "sk-proj-Zq8_x7Lw29TnBv4mRk"
PAIR = "amir:p4ss/W0rd+99"


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "bearer": lambda key: f"Authorization: Bearer {key}",
    "split by a line": lambda key: f"{key[:9]}\n{key[9:]}",
    "spaced": " ".join,
    "hyphenated": "-".join,
    "url": lambda key: quote(key, safe=""),
    "every character of it": lambda key: "".join(f"%{ord(c):02X}" for c in key),
    "hexadecimal": lambda key: key.encode().hex(),
    "json escapes": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "html": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "base64": b64,
    "base64 in a header": lambda key: b64(f"Basic {key}"),
    "base64 behind one letter": lambda key: b64(f"x{key}"),
    "base64 behind two": lambda key: b64(f"xy{key}zz"),
    "urlsafe base64": lambda key: b64(key).replace("+", "-").replace("/", "_"),
    "base64 in lines": lambda key: f"{b64(key)[:10]}\n{b64(key)[10:]}",
    "escaped base64": lambda key: quote(b64(key), safe=""),
}


def traces(text: str, key: str) -> list[str]:
    """Pieces of a key, six characters long, that are left in some reading of a text."""
    plain = html.unescape(text)
    return [key[n : n + 6] for n in range(len(key) - 5) if key[n : n + 6] in plain or b64(key)[n : n + 6] in plain]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", [SECRET, PAIR, b64(PAIR)])
def test_no_form_of_a_key_is_left_and_the_rest_is(form: str, key: str) -> None:
    said = f"Zoë: {FORMS[form](key)}, and 50% of it."
    redactor = KeyRedactor([key])
    left = redactor.redact(said)
    assert left.startswith("Zoë: ")
    assert left.endswith(", and 50% of it.")
    assert KEY in left
    assert not traces(left, key)
    body = orjson.dumps({"a": said, "b": orjson.dumps({"c": said}).decode()})
    reply = orjson.loads(redactor.redact_body(body))
    assert not traces(reply["a"] + orjson.loads(reply["b"])["c"], key)


@pytest.mark.parametrize("key", ["ollama", "EMPTY", "none", "lm-studio", ""])
def test_a_word_that_stands_in_for_a_key_is_no_secret(key: str) -> None:
    said = f"We run {key} at home; lm-studio and ollama are EMPTY, none of them is full."
    assert KeyRedactor([key]).redact(said) == said


@pytest.mark.parametrize(("user", "secret"), [("", SECRET), ("amir:p4ssW0rd99@", "p4ssW0rd99")])
async def test_an_answer_that_repeats_the_header_is_kept_without_it(
    opened: Open,
    openai_server: OpenAIServer,
    memory_ledger: MemoryLedger,
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    secret: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    header = f"Basic {b64('amir:p4ssW0rd99')}" if user else f"Bearer {SECRET}"
    content = orjson.dumps({"text": f"You sent {header}; that is {b64(secret)}.", "loud": False}).decode()
    message = {"role": "assistant", "content": content, "reasoning_content": f"The key is {secret}."}
    openai_server.script({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "id": secret})
    answer = await ask(opened(base_url=openai_server.base_url.replace("://", f"://{user}")))
    assert answer.value is not None
    assert KEY in answer.value.text
    kept = repr(memory_ledger.calls) + repr(answer)
    assert not traces(kept, secret) + traces(kept, "amir:p4ssW0rd99")


async def test_a_key_in_pieces_of_a_stream_that_is_cut_is_kept_by_no_row(
    opened: Open, memory_ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    pieces = [{"choices": [{"delta": {"content": part}}]} for part in ("It is ", SECRET[:9], SECRET[9:])]
    stream = b"".join(b"data: " + orjson.dumps(piece) + b"\n\n" for piece in pieces)
    with RawServer(http(stream, kind="text/event-stream")) as server:
        await ask(opened(base_url=server.base_url, attempts=1))
    (call,) = memory_ledger.calls
    assert call.reason.endswith(f"It is {KEY}")
    assert not traces(repr(call), SECRET)


async def test_a_refusal_that_repeats_a_key_across_its_cut_is_kept_without_it(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    openai_server.script({"error": {"message": "x" * 290 + " " + SECRET}}, status=400)
    handle = open_model("openai:m", base_url=openai_server.base_url)
    with pytest.raises(Exception, match="400") as caught:
        await handle.served._agenerate([HumanMessage("Hm?")])
    await handle.aclose()
    assert not traces(repr(caught.value), SECRET)


class Keyed(Scripted):
    api_key: SecretStr = SecretStr(SECRET)


async def test_a_model_of_another_make_is_kept_from_telling_its_key(
    memory_ledger: MemoryLedger, tmp_path: Path
) -> None:
    script = [orjson.dumps({"text": f"It is {SECRET}.", "loud": True}).decode(), RuntimeError(f"bad key {SECRET}")]
    chat = Keyed(script=script, seen=[])
    gateway = gateway_over(ModelHandle("keyed", chat), ledger=memory_ledger, backoff=QUICK)
    first, second = await ask(gateway, 1), await ask(gateway, 2)
    assert first.value is not None
    assert first.value.text == f"It is {KEY}."
    assert second.outcome is Outcome.MODEL_ERROR
    assert not traces(repr(memory_ledger.calls), SECRET)

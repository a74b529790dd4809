import subprocess
import sys
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import HumanMessage

from populace.agents.endpoint.addresses import is_loopback, public_address
from populace.agents.endpoint.models import open_model
from populace.core.errors import SetupError

LOCAL = "http://127.0.0.1:9/v1"


def test_the_stand_in_says_that_it_is_no_language_model() -> None:
    handle = open_model("procedural")
    assert (handle.name, handle.endpoint, handle.is_language_model) == ("procedural", None, False)


def test_an_openai_model_is_named_as_it_was_asked_for() -> None:
    handle = open_model("openai:some/model:free", base_url=LOCAL)
    assert (handle.name, handle.endpoint, handle.is_language_model) == ("openai:some/model:free", LOCAL, True)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, "http://localhost:8000/v1"),
        (LOCAL, LOCAL),
        ("http://user:secret@127.0.0.1:9/v1?key=secret", LOCAL),
    ],
)
def test_the_base_url_is_the_one_given_or_that_of_the_environment_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, given: str | None, shown: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1/")
    assert open_model("openai:m", base_url=given).endpoint == shown


def test_the_key_is_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret")
    assert "verysecret" not in repr(open_model("openai:m", base_url=LOCAL))


def test_a_missing_key_for_the_default_endpoint_names_the_variable() -> None:
    with pytest.raises(SetupError, match="OPENAI_API_KEY is not set"):
        open_model("openai:m")


def test_a_key_with_a_line_break_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one\nsk-two")
    with pytest.raises(SetupError, match="OPENAI_API_KEY") as caught:
        open_model("openai:m", base_url=LOCAL)
    assert "sk-one" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("proceduran", "procedural"),
        ("gpt-9", "openai:gpt-9"),
        ("opnai:gpt-9", "openai:gpt-9"),
        ("", "openai:"),
    ],
)
def test_an_unknown_name_says_what_there_is_and_what_is_nearest(name: str, nearest: str) -> None:
    with pytest.raises(SetupError) as caught:
        open_model(name)
    assert "procedural, openai:MODEL" in str(caught.value)
    assert f"Did you mean {nearest}?" in str(caught.value)


@pytest.mark.parametrize("name", ["openai", "openai:", "openai: "])
def test_a_provider_without_a_model_is_told_apart(name: str) -> None:
    with pytest.raises(SetupError, match="names no model"):
        open_model(name)


@pytest.mark.parametrize("url", ["127.0.0.1:9/v1", "ftp://x/v1", "http://", "http://[::1", "http://h:port/v1"])
def test_a_base_url_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SetupError, match="is no address"):
        open_model("openai:m", base_url=url)


@pytest.mark.parametrize("url", [None, "https://models.example/v1", "http://127.0.0.1.example/v1"])
def test_the_switch_forbids_every_address_but_this_machine(url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret")
    with pytest.raises(SetupError, match="POPULACE_FORBID_MODELS is set"):
        open_model("openai:m", base_url=url)


def test_without_the_switch_any_address_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POPULACE_FORBID_MODELS")
    assert open_model("openai:m", base_url="https://models.example/v1").endpoint == "https://models.example/v1"


def test_a_chat_model_of_the_callers_own_is_taken_as_it_is() -> None:
    chat = FakeListChatModel(responses=["x"])
    handle = open_model(chat)
    assert (handle.served, handle.name, handle.endpoint) == (chat, "FakeListChatModel", None)
    assert handle.is_language_model


def test_a_stand_in_of_the_callers_own_is_still_no_language_model() -> None:
    assert not open_model(open_model("procedural").served).is_language_model


async def test_a_runnable_with_fallbacks_is_asked_as_a_model() -> None:
    failing = FakeListChatModel(responses=[])
    handle = open_model(failing.with_fallbacks([FakeListChatModel(responses=["Moo."])]))
    assert handle.name == "RunnableWithFallbacks:FakeListChatModel|FakeListChatModel"
    result = await handle.served._agenerate([HumanMessage("Speak.")])
    assert result.generations[0].message.content == "Moo."


def test_the_switch_also_forbids_a_remote_chat_model_of_the_callers_own_or_among_its_fallbacks() -> None:
    from langchain_openai import ChatOpenAI

    remote: Any = ChatOpenAI(model="m", base_url="https://models.example/v1", api_key="k")
    for model in (remote, ChatOpenAI(model="m", api_key="k"), FakeListChatModel(responses=[]).with_fallbacks([remote])):
        with pytest.raises(SetupError, match="POPULACE_FORBID_MODELS"):
            open_model(model)


def test_what_is_no_model_is_refused_in_a_sentence() -> None:
    with pytest.raises(SetupError, match="'int'"):
        open_model(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.8.0.1/v1", True),
        ("http://[::1]:1/v1", True),
        ("http://localhost.example/v1", False),
        ("http://10.0.0.1/v1", False),
        ("http://user@127.0.0.1@h.example/v1", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, here: bool) -> None:
    assert is_loopback(url) is here


def test_a_public_address_keeps_host_port_and_path() -> None:
    assert public_address("https://u:p@h.example:8/a/v1/?k=1#f") == "https://h.example:8/a/v1"


@pytest.mark.slow
def test_importing_the_gateway_loads_no_client() -> None:
    code = (
        "import sys, populace.agents.gateway.client;"
        "print([m for m in ('langchain_openai', 'openai', 'aiohttp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

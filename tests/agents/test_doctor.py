from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from openai_server import OpenAIServer

from populace.agents.doctor import CheckFinding, Examination, Health, examine_endpoint
from populace.agents.endpoint.models import open_model
from populace.agents.gateway.limits import Prices

type Checked = Callable[..., Awaitable[Examination]]


@pytest.fixture
def checked(openai_server: OpenAIServer) -> Checked:
    """Examine the tests' server."""

    async def check(*, model: str = "openai:test", base_url: str = "", **options: Any) -> Examination:
        handle = open_model(model, base_url=base_url or openai_server.base_url)
        try:
            return await examine_endpoint(handle, **options)
        finally:
            await handle.aclose()

    return check


def found(examination: Examination, check: str) -> CheckFinding:
    (finding,) = (finding for finding in examination.findings if finding.check == check)
    return finding


def healths(examination: Examination) -> dict[str, str]:
    return {finding.check: finding.health.value for finding in examination.findings}


def completion(content: str | None, **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content, **message}
    return {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": said}]}


COW = '{"name": "cow", "legs": 4, "is_wild": false}'


async def test_an_endpoint_that_can_do_all_works(checked: Checked, openai_server: OpenAIServer) -> None:
    told: list[CheckFinding] = []
    examination = await checked(prices=Prices(2.5, 10, source="given"), embeddings="vectors", found=told.append)
    assert examination.works
    assert tuple(told) == examination.findings
    assert Health.NO not in healths(examination).values()
    assert "2.5 dollars" in found(examination, "price").said
    assert "vectors of 16 numbers" in found(examination, "embeddings").said
    assert examination.tokens > 0
    assert examination.calls + 2 == openai_server.calls + 1 < 20  # the list of models and the vectors


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no_model", "does not exist"),
        ("html", "HTML"),
        ("bad_request", "400"),
        ("prose", "JSON"),
        ("mismatch", "schema"),
    ],
)
async def test_what_prevents_an_answer_is_told(
    checked: Checked, openai_server: OpenAIServer, fault: Any, said: str
) -> None:
    openai_server.fault(fault)
    examination = await checked()
    assert not examination.works
    assert said.lower() in examination.findings[0].said.lower()


async def test_where_nothing_listens_only_that_is_found(checked: Checked, nowhere: str) -> None:
    examination = await checked(base_url=nowhere)
    assert (examination.works, healths(examination)) == (False, {"answer": "no"})
    assert nowhere in found(examination, "answer").said


async def test_a_wrong_key_is_found_and_not_shown(monkeypatch: pytest.MonkeyPatch, checked: Checked) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "quite-wrong-and-secret")
    with OpenAIServer(key="right") as server:
        examination = await checked(base_url=server.base_url)
    assert (examination.works, healths(examination)) == (False, {"answer": "no"})
    assert "OPENAI_API_KEY" in found(examination, "answer").said
    assert "secret" not in repr(examination)


async def test_a_name_that_is_not_listed_may_be_answered_by_another_model(checked: Checked) -> None:
    assert found(await checked(model="openai:tset"), "model").health is Health.UNKNOWN


async def test_an_endpoint_that_is_too_slow_is_not_waited_for(checked: Checked) -> None:
    with OpenAIServer(latency=60) as server:
        examination = await checked(base_url=server.base_url, within=0.5)
    assert not examination.works
    assert "No answer came within" in examination.findings[0].said


@pytest.mark.parametrize(
    ("faults", "check", "said"),
    [
        (["no_bounds"], "schema", "bounds"),
        (["no_json_schema"], "schema", "in JSON mode"),
        (["no_json_schema", "no_json_object"], "schema", "in the prompt alone"),
        (["no_seed"], "seed", "No seed is sent"),
    ],
)
async def test_what_is_refused_is_left_out_or_asked_otherwise(
    checked: Checked, openai_server: OpenAIServer, faults: list[Any], check: str, said: str
) -> None:
    for kind in faults:
        openai_server.fault(kind)
    examination = await checked()
    assert examination.works
    assert examination.calls < 20
    assert said in found(examination, check).said


async def test_a_limit_of_length_goes_by_the_name_that_is_taken(checked: Checked, openai_server: OpenAIServer) -> None:
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    openai_server.script({"error": {"message": words}}, status=400)
    assert "max_completion_tokens" in found(await checked(), "max_tokens").said
    assert all("max_tokens" not in body for body in openai_server.bodies[1:])


async def test_tokens_that_are_not_counted_cannot_be_capped(checked: Checked, openai_server: OpenAIServer) -> None:
    for content in (COW, *10 * ["A village."]):
        openai_server.script(completion(content))
    examination = await checked()
    assert "--max-calls" in found(examination, "usage").said
    assert examination.tokens == 0


async def test_an_endpoint_that_takes_few_calls_at_once_says_so(checked: Checked) -> None:
    with OpenAIServer(latency=0.1, allow=3) as server:
        examination = await checked(base_url=server.base_url)
    assert examination.works
    assert "429" in found(examination, "at once").said


async def test_an_embedding_model_that_is_not_there(checked: Checked, openai_server: OpenAIServer) -> None:
    openai_server.fault("no_model", containing="no-such")
    examination = await checked(embeddings="no-such")
    assert examination.works
    assert found(examination, "embeddings").health is Health.NO
    assert "words alone" in found(examination, "embeddings").said


@pytest.mark.parametrize(("texts", "health"), [("aab", "ok"), ("abc", "no"), ("aba", "no"), ("aaa", "unknown")])
async def test_a_seed_is_to_repeat_an_answer_and_another_to_change_it(
    checked: Checked, openai_server: OpenAIServer, texts: str, health: str
) -> None:
    for content in (COW, "A market.", *(f"A village called {text}." for text in texts)):
        openai_server.script(completion(content))
    assert healths(await checked())["seed"] == health


MARKET = {
    "en": "The rain drums on the awnings while the women at the stalls laugh and sell the last of their onions.",
    "de": "Der Regen trommelt auf die Planen, und die Frauen an den Ständen verkaufen lachend ihre letzten Zwiebeln.",
    "es": "La lluvia golpea los toldos mientras las mujeres de los puestos venden riendo las últimas cebollas.",
    "zh": "雨点敲打着市场的棚顶，摊位上的女人们笑着卖掉最后的洋葱和土豆。",
}


@pytest.mark.parametrize(
    ("tags", "health", "words"),
    [
        (("en", "de", "es", "zh"), "ok", "writes English, German, Spanish, Chinese."),
        (("en", "es"), "unknown", "writes English, Spanish; not recognised: German, Chinese."),
        ((), "unknown", "writes none of the four languages asked for; not recognised: English"),
    ],
)
async def test_the_languages_that_a_model_writes_are_recognised(
    checked: Checked, openai_server: OpenAIServer, tags: tuple[str, ...], health: str, words: str
) -> None:
    market = "\n".join(MARKET[tag] for tag in tags) or "..."
    for content in (COW, *10 * [market]):
        openai_server.script(completion(content))
    finding = found(await checked(), "languages")
    assert (finding.health.value, words in finding.said) == (health, True)

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from openai_server import OpenAIServer

from populace.agents.doctor import examine
from populace.agents.endpoint.models import open_model
from populace.agents.endpoint.response import ModelResponse
from populace.agents.gateway.budget import Prices
from populace.agents.probe import CheckFinding, Examination, Health, Reply, seeded, together

type Checked = Callable[..., Awaitable[Examination]]


@pytest.fixture
def checked(openai_server: OpenAIServer) -> Checked:
    """Examine the tests' server."""

    async def check(*, model: str = "openai:test", base_url: str = "", **options: Any) -> Examination:
        handle = open_model(model, base_url=base_url or openai_server.base_url)
        try:
            return await examine(handle, **options)
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


CALL = {"id": "1", "type": "function", "function": {"name": "note_legs", "arguments": '{"legs": 8}'}}
COW = '{"name": "cow", "legs": 4, "is_wild": false}'


async def test_an_endpoint_that_can_do_all_needs_no_fallback(checked: Checked) -> None:
    examination = await checked(prices=Prices(1, 2))
    assert examination.works
    assert examination.fallbacks == ()
    assert Health.NO not in healths(examination).values()


async def test_it_takes_fewer_than_twenty_calls_and_says_how_many(
    checked: Checked, openai_server: OpenAIServer
) -> None:
    examination = await checked()
    assert examination.calls == openai_server.calls + 1  # and the list of models
    assert examination.calls < 20
    assert examination.tokens > 0


async def test_each_finding_is_told_as_it_comes(checked: Checked) -> None:
    told: list[CheckFinding] = []
    examination = await checked(found=told.append)
    assert tuple(told) == examination.findings


async def test_where_nothing_listens_only_that_is_found(checked: Checked, nowhere: str) -> None:
    examination = await checked(base_url=nowhere)
    assert (examination.works, healths(examination), examination.calls) == (False, {"reachable": "no"}, 1)
    assert nowhere in found(examination, "reachable").said


async def test_a_wrong_key_is_found_and_not_shown(monkeypatch: pytest.MonkeyPatch, checked: Checked) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "quite-wrong-and-secret")
    with OpenAIServer(key="right") as server:
        examination = await checked(base_url=server.base_url)
    assert (examination.works, healths(examination)) == (False, {"reachable": "ok", "key": "no"})
    assert "OPENAI_API_KEY" in found(examination, "key").said
    assert "secret" not in repr(examination)


async def test_a_model_that_is_not_there_is_answered_with_those_that_are(
    checked: Checked, openai_server: OpenAIServer
) -> None:
    openai_server.fault("no_model")
    examination = await checked(model="openai:tset")
    assert not examination.works
    assert "lists 'test'" in found(examination, "model").said


async def test_a_name_that_is_not_listed_may_be_answered_by_another_model(checked: Checked) -> None:
    assert found(await checked(model="openai:tset"), "model").health is Health.UNKNOWN


async def test_an_address_without_an_api_says_where_apis_begin(checked: Checked, openai_server: OpenAIServer) -> None:
    examination = await checked(base_url=openai_server.base_url.removesuffix("/v1"))
    assert (examination.works, healths(examination)) == (False, {"reachable": "no"})
    assert "often /v1" in found(examination, "reachable").said


async def test_an_html_page_is_no_answer(checked: Checked, openai_server: OpenAIServer) -> None:
    openai_server.fault("html")
    examination = await checked()
    assert not examination.works
    assert "HTML page" in found(examination, "answer").said


async def test_an_endpoint_that_is_too_slow_is_not_waited_for(checked: Checked) -> None:
    with OpenAIServer(latency=60) as server:
        examination = await checked(base_url=server.base_url, within=0.5)
    assert not examination.works
    assert "within 0.5 seconds" in found(examination, "answer").said


async def test_a_fault_by_chance_does_not_count(checked: Checked, openai_server: OpenAIServer) -> None:
    openai_server.fault("server_error", attempts=1)
    examination = await checked()
    assert examination.works
    assert examination.calls == openai_server.calls + 1


@pytest.mark.parametrize(
    ("faults", "expected", "fallback"),
    [
        (["no_bounds"], {"json_schema": "no", "json_schema without bounds": "ok", "json_object": "ok"}, "bounds"),
        (["no_min_length"], {"json_schema": "ok", "json_object": "ok"}, "sent without minLength;"),
        (["no_json_schema"], {"json_schema": "no", "json_object": "ok"}, "in JSON mode"),
        (["no_json_schema", "no_json_object"], {"json_schema": "no", "json_object": "no", "prompt": "ok"}, "alone"),
        (["no_json_object"], {"json_schema": "ok", "json_object": "no"}, ""),
    ],
)
async def test_the_forms_that_are_refused_are_gone_down(
    checked: Checked, openai_server: OpenAIServer, faults: list[Any], expected: dict[str, str], fallback: str
) -> None:
    for kind in faults:
        openai_server.fault(kind)
    examination = await checked()
    assert examination.works
    assert healths(examination).items() >= expected.items()
    assert fallback in "".join(examination.fallbacks)
    assert len(examination.fallbacks) == bool(fallback)


@pytest.mark.parametrize(("kind", "works"), [("prose", False), ("mismatch", False), ("cut_json", True)])
async def test_a_form_that_is_taken_and_not_kept_is_tried_twice(
    checked: Checked, openai_server: OpenAIServer, kind: Any, works: bool
) -> None:
    openai_server.fault(kind, containing='"response_format"')
    examination = await checked()
    assert examination.works is works
    assert found(examination, "json_schema").health is (Health.UNKNOWN if works else Health.NO)
    assert any("asked for again" in fallback for fallback in examination.fallbacks)


async def test_an_answer_in_its_form_that_the_endpoint_spoiled_is_tried_again(
    checked: Checked, openai_server: OpenAIServer
) -> None:
    spoiled = {"error": {"message": "The model produced output that does not match the expected format"}}
    openai_server.script(completion("Good day.")).script(spoiled, status=500).script(completion(COW))
    examination = await checked()
    assert examination.works
    assert found(examination, "json_schema").health is Health.OK


async def test_a_seed_that_is_refused_by_name_is_left_out(checked: Checked, openai_server: OpenAIServer) -> None:
    openai_server.fault("no_seed")
    examination = await checked()
    assert examination.works
    assert found(examination, "seed").health is Health.NO
    assert examination.fallbacks[0].startswith("No seed is sent")
    assert examination.calls < 20


async def test_a_seed_that_is_refused_without_a_word_of_it_would_fail_every_call(
    checked: Checked, openai_server: OpenAIServer
) -> None:
    openai_server.fault("bad_request", containing='"seed":')
    examination = await checked()
    assert not examination.works
    assert "every call" in found(examination, "seed").said


async def test_a_limit_of_length_goes_by_the_name_that_is_taken(checked: Checked, openai_server: OpenAIServer) -> None:
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    openai_server.script({"error": {"message": words}}, status=400)
    examination = await checked()
    assert "The limit of length is sent as max_completion_tokens." in examination.fallbacks
    assert all("max_tokens" not in body for body in openai_server.bodies[1:])
    assert all(body["max_completion_tokens"] in (256, 1024) for body in openai_server.bodies[1:])


async def test_a_tool_that_is_called(checked: Checked, openai_server: OpenAIServer) -> None:
    for reply in (completion("Good day."), completion(COW), completion(COW), completion(None, tool_calls=[CALL])):
        openai_server.script(reply)
    assert found(await checked(), "tools").health is Health.OK


async def test_tokens_that_are_not_counted_cannot_be_capped(checked: Checked, openai_server: OpenAIServer) -> None:
    for content in ("Good day.", COW, COW, *9 * ["A village."]):
        openai_server.script(completion(content))
    examination = await checked()
    assert "--max-calls" in found(examination, "usage").said
    assert (healths(examination)["speed"], examination.tokens) == ("unknown", 0)


async def test_headers_of_rate_limits_are_seen(checked: Checked, openai_server: OpenAIServer) -> None:
    openai_server.script(completion("Good day."), headers={"x-ratelimit-remaining-requests": "59"})
    assert found(await checked(), "rate limits").health is Health.OK


async def test_an_endpoint_that_takes_few_calls_at_once_says_so(checked: Checked) -> None:
    with OpenAIServer(latency=0.1, allow=3) as server:
        examination = await checked(base_url=server.base_url)
    assert examination.works
    assert "429" in found(examination, "at once").said


async def test_an_embedding_model_is_tried_where_one_is_named(checked: Checked) -> None:
    examination = await checked(embeddings="vectors")
    assert "vectors of 16 numbers" in found(examination, "embeddings").said
    assert "embeddings" not in healths(await checked())


async def test_an_embedding_model_that_is_not_there(checked: Checked, openai_server: OpenAIServer) -> None:
    openai_server.fault("no_model", containing="no-such")
    examination = await checked(embeddings="no-such")
    assert examination.works
    assert found(examination, "embeddings").health is Health.NO
    assert "words alone" in examination.fallbacks[-1]


async def test_the_price_is_said_or_said_to_be_unknown(checked: Checked) -> None:
    assert "2.5 dollars" in found(await checked(prices=Prices(2.5, 10, source="given")), "price").said
    assert found(await checked(), "price").health is Health.UNKNOWN


def said(text: str, seconds: float = 1.0) -> Reply:
    return Reply(seconds, ModelResponse(text, "stop"))


@pytest.mark.parametrize(
    ("texts", "health"), [("aab", Health.OK), ("abc", Health.NO), ("aba", Health.NO), ("aaa", Health.UNKNOWN)]
)
def test_a_seed_is_to_repeat_an_answer_and_another_to_change_it(texts: str, health: Health) -> None:
    assert seeded(*map(said, texts))[0] is health


@pytest.mark.parametrize(
    ("times", "expected"),
    [((1, 1, 1, 1, 1, 1), "so many at least"), ((1, 1, 2, 2, 3, 3), "about 2 "), ((1, 2, 3, 4, 5, 6), "about 1 ")],
)
def test_how_many_are_worked_on_shows_in_how_long_each_takes(times: tuple[float, ...], expected: str) -> None:
    assert expected in together([said("A village.", seconds) for seconds in times], 1.0)[1]


LATEX = r"1. $\frac{3}{4} x = \frac{9}{8}$ gives $x = \frac{3}{2}$, so \boxed{\frac{3}{2}}."


@pytest.mark.parametrize(
    ("in_json", "said"),
    [
        (LATEX, r"long text: plain text (a JSON schema: backslashes not escaped: \frac \boxed"),
        (LATEX.replace("\\", "\\\\"), "long text: plain text, a JSON schema, JSON by the prompt."),
        (LATEX + '"', "long text: plain text (a JSON schema: cut_json"),
    ],
)
async def test_the_forms_that_suit_a_model_for_long_text_are_named(
    checked: Checked, openai_server: OpenAIServer, in_json: str, said: str
) -> None:
    def write(asked: dict[str, Any]) -> str:
        if "numbered steps" not in str(asked["messages"]):
            return COW
        is_json = "response_format" in asked or "JSON Schema" in str(asked["messages"])
        return f'{{"text": "{in_json}"}}' if is_json else LATEX

    openai_server.writer = write
    finding = found(await checked(), "long text")
    assert finding.health is Health.OK
    assert said in finding.said


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
    for content in ("Good day.", COW, COW, *9 * [market]):
        openai_server.script(completion(content))
    finding = found(await checked(), "languages")
    assert (finding.health.value, words in finding.said) == (health, True)

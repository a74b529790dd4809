"""What a run will take is known before it begins: calls, tokens and money lie in the ranges that were told."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_server import OpenAIServer

from populace.agents.actions import Action, Check, Instruction
from populace.agents.checks import CheckContext, CheckResult, failed, passed
from populace.agents.gateway.limits import Limits, Prices
from populace.agents.mind import Mind
from populace.agents.observation import Observation
from populace.core.errors import HookError, SetupError
from populace.core.model import Answer, AnswerSchema
from populace.core.prompt import Prompt, RenderedPrompt
from populace.personas.hub import read_hub
from populace.scenarios.village import Village
from populace.sim.estimate import JobEstimate, estimate
from populace.sim.estimate.dry_run import Scale
from populace.sim.estimate.estimator import TOKENS
from populace.sim.estimate.prediction import Interval, share_interval
from populace.sim.growth import Growth
from populace.sim.resident import Resident, SocietyView
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import Scenario
from populace.sim.society import Society

type Live = Callable[..., FinishedRun]

PRICES = Prices(2.0, 8.0, 0.5)
SMALL = Growth(agents=20, hops=1)
_USED = """
SELECT purpose || if(role = 'default', '', ' (' || role || ')') AS asked, count(raw), sum(input_tokens),
       sum(output_tokens), sum(cost)
FROM calls GROUP BY asked
"""


class Errands(Scenario):
    """What would people ask an assistant for?"""

    name = "errands"
    world = "It is market day."


class Wordy(OpenAIServer):
    """A server whose model writes twice as much."""

    async def _text(self, asked: dict[str, Any]) -> str:
        return orjson.dumps(twice(orjson.loads(await super()._text(asked)))).decode()


def twice(value: Any) -> Any:
    """The value with every longer text in it told twice."""
    if isinstance(value, dict):
        return {key: twice(item) for key, item in value.items()}
    if isinstance(value, list):
        return [twice(item) for item in value]
    return f"{value} And again: {value}" if isinstance(value, str) and len(value) > 60 else value


def of_village(server: OpenAIServer, *, sample: int | None = 0, growth: Growth = SMALL, **options: Any) -> JobEstimate:
    return estimate(
        Village({"lines": 1, "assistant": False}),
        growth=growth,
        steps=3,
        model="openai:test",
        base_url=server.base_url,
        sample=sample,
        **options,
    )


def lived(server: OpenAIServer, out: Path, growth: Growth = SMALL) -> FinishedRun:
    where = {"model": "openai:test", "base_url": server.base_url, "prices": PRICES}
    return Society(Village({"lines": 1, "assistant": False}), growth=growth, steps=3, out=out, **where).run()  # type: ignore[arg-type]


def check_holds(told: JobEstimate, run: FinishedRun) -> None:
    """Every number of the run lies in its range, purpose by purpose and in all."""
    rows = run.sql(_USED).rows
    used = {name: numbers for name, *numbers in rows}
    spans = {p.name: (p.calls, p.input, p.output, p.cost) for p in told.purposes}
    assert used.keys() <= spans.keys()
    for name, numbers in used.items():
        for number, span in zip(numbers, spans[name], strict=True):
            assert span is not None
            assert number in span, (name, numbers, spans[name])
    totals = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    assert told.cost is not None
    assert all(n in s for n, s in zip(totals, (told.calls, told.input, told.output, told.cost), strict=True))


@pytest.mark.slow
def test_a_sample_narrows_every_range_and_the_run_still_lies_in_it(tmp_path: Path) -> None:
    growth = Growth(agents=24, hops=2)
    with Wordy() as server:
        server.fault("cut_json", 0.1)
        plain, sampled = (of_village(server, growth=growth, sample=n, prices=PRICES) for n in (0, 40))
        assert sampled.cost is not None
        assert plain.cost is not None
        assert plain.cost.low < sampled.cost.low < sampled.cost.high < plain.cost.high
        run = lived(server, tmp_path / "run.duckdb", growth)
    totals = run.sql("SELECT count(raw), sum(input_tokens), sum(output_tokens), sum(cost) FROM calls").rows[0]
    for number, span in zip(totals, (sampled.calls, sampled.input, sampled.output, sampled.cost), strict=True):
        assert number in span


@pytest.mark.slow
@pytest.mark.parametrize("has_hub", [False, True])
def test_a_run_takes_what_was_estimated_and_the_estimate_asks_nobody(
    openai_server: OpenAIServer, live: Live, tmp_path: Path, has_hub: bool
) -> None:
    growth = Growth.given(hub=live("hub", agents=30).path) if has_hub else SMALL
    told = of_village(openai_server, growth=growth, prices=PRICES)
    names = [purpose.name for purpose in told.purposes if purpose.name != "revise"]
    assert names == (["turn"] if has_hub else ["text_to_persona", "persona_to_persona", "turn"])
    assert openai_server.calls == 0
    check_holds(told, lived(openai_server, tmp_path / "run.duckdb", growth))


@pytest.mark.slow
def test_a_sample_knows_how_often_answers_are_asked_for_again(openai_server: OpenAIServer) -> None:
    openai_server.fault("cut_json", 0.5)
    sound, broken = of_village(openai_server), of_village(openai_server, sample=100)
    turns = {told: next(p for p in told.purposes if p.name == "turn").calls for told in (sound, broken)}
    assert turns[broken].low > turns[sound].low


@pytest.mark.slow
def test_a_sample_asks_no_more_than_it_may_and_a_cache_keeps_its_answers(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    for cache, calls in ((None, 12), (tmp_path / "answers.sqlite", 24), (tmp_path / "answers.sqlite", 36)):
        limits = Limits.given(max_calls=1_000)
        told = of_village(openai_server, sample=12, cache=cache, prices=PRICES, limits=limits)
        assert told.sample is not None
        assert (told.sample.sent, openai_server.calls) == (12, calls)
        sent = [one for one in told.sample.answered if one.was_sent]
        paid = PRICES.of(sum(one.input or 0 for one in sent), sum(one.output or 0 for one in sent))
        assert told.sample.cost == pytest.approx(paid, rel=0.5)
    assert len(openai_server.by_body) == 24


def test_tokens_out_are_bounded_by_the_limit_of_answers_alone(openai_server: OpenAIServer) -> None:
    where: dict[str, Any] = {"model": "openai:test", "base_url": openai_server.base_url, "sample": 0}
    told = estimate(Village({"answer_tokens": 200}), growth=SMALL, **where)
    assert {(p.output.high / p.calls.high, p.output.low) for p in told.purposes} == {(200.0, 0.0)}
    assert any("the limit of 200 tokens" in s for s in told.notes)


def test_an_unknown_price_is_said_to_be_unknown(openai_server: OpenAIServer) -> None:
    told = of_village(openai_server)
    assert told.cost is None
    assert {row[-1] for row in told.as_rows()} == {"unknown"}
    assert any("The price of openai:test is unknown; give it as `prices`" in s for s in told.notes)


def test_the_stand_in_costs_nothing_and_has_no_tokens() -> None:
    told = estimate(Village({"lines": 1, "assistant": False}), growth=SMALL, steps=2)
    assert [row[2:] for row in told.as_rows()] == [("-", "-", "0")] * (len(told.purposes) + 1)
    assert any("is not a language model: it is free" in s for s in told.notes)


@pytest.mark.slow
def test_the_stand_ins_own_calls_are_counted_exactly(live: Live) -> None:
    ((calls,),) = live(agents=24, hops=2).sql("SELECT count(*) FROM calls").rows
    assert estimate(
        Village({"lines": 1, "assistant": False}), growth=Growth(agents=24, hops=2), steps=3
    ).calls == Interval.exactly(calls)


@pytest.mark.slow
def test_a_large_society_is_estimated_from_a_smaller_one() -> None:
    told = estimate(Errands(), growth=Growth(agents=2_500, hops=1), steps=20)
    turns = next(p for p in told.purposes if p.name == "turn").calls
    assert told.dry_run[0] <= 100
    assert 50_000 in turns
    assert turns.high < 1.1 * turns.low


def test_a_mind_of_the_scenarios_own_is_not_expected_to_revise(openai_server: OpenAIServer) -> None:
    class Blunt(Errands):
        """People who say what they say."""

        actions = (Instruction.configured(checks=()),)

        def mind(self) -> Mind:
            return Mind()

    told = estimate(Blunt(), growth=SMALL, steps=2, model="openai:test", base_url=openai_server.base_url, sample=0)
    assert [p.name for p in told.purposes] == ["text_to_persona", "persona_to_persona", "turn"]


OWN = Prompt(
    "recipe", 1, "A prompt of a scenario's own.", "$world $persona $observation $actions " + "Write it out. " * 200
)


class IsLong:
    """Asks the model whether a recipe is long enough, which it never is."""

    name, version, revises = "is_long", 1, True

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        prompt = RenderedPrompt("is_long", 1, (("user", f"Is this long enough? {action.emitted_text}"),))
        shape = {"type": "object", "properties": {"yes": {"enum": [False]}}, "required": ["yes"]}
        answer: Answer[Any] = await context.ask(prompt, AnswerSchema("IsLong", shape, lambda given: given))
        return passed() if answer.value is None or answer.value["yes"] else failed("It is short.")


class Recipe(Action):
    """A recipe of this person's kitchen."""

    name: ClassVar[str] = "recipe"
    prompt: ClassVar[str | Prompt] = OWN
    checks: ClassVar[tuple[Check, ...]] = (IsLong(),)
    kind: Literal["recipe"]
    text: str

    @property
    def emitted_text(self) -> str:
        return self.text


class Vote(Action):
    """A vote on tomorrow's lunch."""

    name: ClassVar[str] = "vote"
    prompt: ClassVar[str | Prompt] = replace(OWN, name="vote", user="$world $persona $observation $actions Vote.")
    kind: Literal["vote"]
    dish: Literal["soup", "stew"]

    @property
    def emitted_text(self) -> str:
        return self.dish


class Kitchen(Errands):
    """Who cooks what, and who votes for it?"""

    actions = (Recipe, Vote)

    def offer(self, resident: Resident, observation: Observation, rng: random.Random) -> tuple[type[Action], ...]:
        return (Recipe,) if rng.random() < 0.5 else (Vote,)


@pytest.mark.slow
@pytest.mark.parametrize("sample", [0, 60])
def test_prompts_of_actions_and_questions_of_checks_are_counted(
    openai_server: OpenAIServer, tmp_path: Path, sample: int
) -> None:
    # Without the server's cached half: what these prompts share stands at their end.
    where: dict[str, Any] = {"model": "openai:test", "base_url": openai_server.base_url, "prices": Prices(2.0, 8.0)}
    told = estimate(Kitchen(), growth=SMALL, steps=3, sample=sample, **where)
    purposes = {p.name: p for p in told.purposes}
    assert {"recipe", "vote", "is_long (grader)", "revise"} < purposes.keys()
    assert "turn" not in purposes
    # The recipe's prompt alone repeats a sentence 200 times: at the fewest tokens to a byte, so many more.
    recipe, vote = (purposes[name].input.low / purposes[name].calls.low for name in ("recipe", "vote"))
    assert recipe - vote > 0.95 * len(OWN.user) * TOKENS.low
    run = Society(Kitchen(), growth=SMALL, steps=3, out=tmp_path / "run.duckdb", **where).run()
    if not sample:
        check_holds(told, run)
    ((cost,),) = run.sql("SELECT sum(cost) FROM calls").rows
    assert told.cost is not None
    assert cost in told.cost


def test_a_hook_that_fails_is_named_without_a_file_to_resume() -> None:
    class Failing(Errands):
        def ended(self, society: SocietyView) -> bool:
            raise ValueError("no end")

    with pytest.raises(HookError, match=r"`ended` of Failing failed with ValueError: no end\.$"):
        estimate(Failing(), growth=SMALL, steps=1)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    estimate(Errands(), growth=SMALL, steps=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("options", "words"), [({"steps": 0}, "at least 1"), ({"sample": 3}, "nothing to sample")])
def test_what_cannot_be_estimated_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SetupError, match=words):
        estimate(Errands(), growth=SMALL, **options)


def test_of_a_hub_circles_are_taken_whole(live: Live) -> None:
    growth = Growth.given(hub=live("hub", agents=60).path)
    scale = Scale(growth, read_hub(growth.hub), 0)  # type: ignore[arg-type]
    small = scale.make_smaller(20)
    degrees = [len(s.source.relations) / len(s.source.personas) for s in (scale, small)]  # type: ignore[union-attr]
    assert small.people == 20
    assert degrees[1] > degrees[0] / 2


@given(st.integers(1, 10_000), st.data())
def test_a_share_lies_in_its_own_range(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    span = share_interval(hits, trials)
    assert 0 <= span.low <= hits / trials + 1e-9
    assert hits / trials - 1e-9 <= span.high <= 1

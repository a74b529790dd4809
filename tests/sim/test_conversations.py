"""Two agents talk line by line within a step, and see what they answer."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from openai_server import OpenAIServer

from populace.agents.actions import Action, DialogueLine, Silence
from populace.agents.observation import Observation
from populace.core.errors import PausedError
from populace.scenarios.village import Village
from populace.sim.dynamics.declared import Intervention
from populace.sim.fork import fork
from populace.sim.replay import replay
from populace.sim.resident import Resident
from populace.sim.runfile.reader import FinishedRun
from populace.sim.society import Society

LINES = 5
OF_AGENTS = "'player' NOT IN (sender, recipient)"
TALKATIVE: dict[str, Any] = {"lines": LINES, "acts": ("dialogue",), "flood_at": 2, "ferry_after": 1}

type Live = Callable[..., FinishedRun]


def test_two_alternate_up_to_the_bound_and_nobody_is_in_two_conversations(live: Live) -> None:
    run = live(settings=TALKATIVE)
    said = run.sql(f"SELECT step, sender, recipient, message, reply_to FROM messages WHERE {OF_AGENTS}")
    by_pair: dict[Any, list[Any]] = {}
    for step, sender, recipient, message, reply_to in said.rows:
        by_pair.setdefault((step, frozenset((sender, recipient))), []).append((sender, message, reply_to))
    talks = {where: lines for where, lines in by_pair.items() if len(lines) > 2}
    assert talks
    assert max(map(len, talks.values())) == LINES
    for lines in talks.values():
        # Where both spoke at once, neither line answers the other.
        spoken = {message: place for place, (_, message, _) in enumerate(lines)}
        replies = [(place, one) for place, one in enumerate(lines) if one[2] in spoken]
        assert len(replies) >= len(lines) - 2
        for place, (sender, _, reply_to) in replies:
            assert spoken[reply_to] == place - 1
            assert lines[place - 1][0] != sender
    for step in (1, 2, 3):
        there = [one for (when, pair) in talks if when == step for one in pair]
        assert len(there) == len(set(there))


def test_every_line_is_answered_in_view_of_it_and_of_what_was_said_before(live: Live) -> None:
    run = live(settings=TALKATIVE)
    rows = run.sql(
        "SELECT o.text, m.text, a.name FROM observations AS o, unnest(o.messages) AS u(message) "
        "JOIN messages AS m ON m.message = u.message LEFT JOIN agents AS a ON a.agent = m.sender"
    ).rows
    assert len(rows) > 40
    for seen, line, name in rows:
        assert f'{name or "Visitor"}: "{line}"' in seen
    names = {name for *_, name in rows if name}
    talk = re.compile(r'<conversation with="(.*)">\n(?:.*\n)*?(.*): ".*"\n\1: ".*"\n</conversation>')
    assert any(found[2] in names - {found[1]} for seen, *_ in rows if (found := talk.search(seen)))
    shown = 0
    for seen in {seen for seen, *_ in rows if "<memory>" in seen}:  # earlier lines are not recalled beside it
        recalled, _, said_here = seen.partition("</memory>")
        now = {f'"{line}"' for text, line, _ in rows if text == seen}
        for name, said in re.findall(r'^(?:\(.*?\) )?([^:\n]+): (".*")$', said_here, re.MULTILINE):
            if f'with="{name}"' in said_here and said not in now:
                shown += 1
                assert f"{name} told you: {said}" not in recalled
    assert shown > 10


def test_three_may_talk_and_each_hears_what_the_others_say(live: Live, tmp_path: Path) -> None:
    options = {"settings": TALKATIVE | {"circle": 3}, "network": "complete", "steps": 2}
    run = live(**options)
    rows = run.sql(
        "SELECT o.step, o.text, a.name FROM observations AS o JOIN agents AS a USING (agent) "
        "WHERE regexp_matches(o.text, '<conversation with=\"[^\"]+ and ')"
    ).rows
    talk = re.compile(r'<conversation with="(.*) and (.*)">\n((?:.*\n)*?)</conversation>')
    assert len(rows) > 10
    shown: set[int] = set()
    for step, seen, own in rows:
        found = talk.search(seen)
        assert found is not None
        speakers = re.findall(r"^(?:\(.*?\) )?([^:\n]+): ", found[3], re.MULTILINE)
        assert {*speakers} <= {own, found[1], found[2]}
        assert speakers[-1] == found[1]
        shown |= {step} if len({*speakers}) == 3 else set()
    assert shown == {1, 2}  # somebody saw a line that was said to another
    with pytest.raises(PausedError):
        live("stopped", **options, max_calls=47, max_in_flight=4)
    resumed = Society.resume(tmp_path / "stopped.duckdb", Village, limits={"max_calls": 10_000}).run()
    assert resumed.event_hash == run.event_hash == replay(run.path, Village).event_hash


@pytest.mark.parametrize("calls", [30, 47, 61, 80])
def test_a_run_that_stops_between_lines_goes_on_to_the_same_end(live: Live, tmp_path: Path, calls: int) -> None:
    whole = live(settings=TALKATIVE)
    with pytest.raises(PausedError):
        live("stopped", settings=TALKATIVE, max_calls=calls, max_in_flight=4)
    stopped = tmp_path / "stopped.duckdb"
    resumed = Society.resume(stopped, Village, limits={"max_calls": 10_000}).run()
    assert resumed.event_hash == whole.event_hash
    assert replay(stopped, Village).event_hash == whole.event_hash


def test_it_is_the_same_however_many_are_asked_at_once(live: Live) -> None:
    with OpenAIServer(latency=0.002) as server:
        where = {"model": "openai:test", "base_url": server.base_url, "settings": TALKATIVE, "steps": 2}
        wide, narrow = (live(f"run{n}", max_in_flight=n, **where) for n in (32, 1))
    assert wide.event_hash == narrow.event_hash


def test_a_fork_between_steps_goes_on_as_the_run_did(live: Live, tmp_path: Path) -> None:
    whole = live(settings=TALKATIVE, steps=4)
    forked = fork(whole.path, Village, at=2, out=tmp_path / "fork.duckdb").run()
    query = "SELECT step, sender, recipient, text FROM messages ORDER BY message"
    assert forked.sql(query).rows == whole.sql(query).rows


def test_an_intervention_ends_the_talk_of_those_it_keeps_apart(live: Live) -> None:
    class Divided(Village):
        @property
        def interventions(self) -> tuple[Intervention, ...]:  # type: ignore[override]
            apart = lambda world: [world.suspend(kind) for kind in ("kinship", "friendship", "work", "trade", "other")]  # noqa: E731
            return (Intervention(at=2, name="apart", news="Everybody stays in.", effect=apart),)

    run = live(scenario=Divided(TALKATIVE), steps=2)
    lines = dict(run.sql(f"SELECT step, count(*) FROM messages WHERE {OF_AGENTS} GROUP BY step").rows)
    assert lines[1] > lines.get(2, 0)


class Interrupted(Village):
    """A bell rings while people talk, and two of them are parted behind their third line."""

    pair: tuple[str, str]

    @property
    def interventions(self) -> tuple[Intervention, ...]:  # type: ignore[override]
        return (
            Intervention(at=2, line=3, name="bell", news="A bell rings."),
            Intervention(at=2, line=4, name="parted", effect=lambda levers: levers.block(*self.pair)),
            Intervention(at=2, line=99, name="evening", news="Night falls."),
        )


def test_an_intervention_comes_between_two_lines_of_a_step(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "SELECT count(*) FROM messages WHERE step = 2 AND sender IN ($1, $2) AND recipient IN ($1, $2)"
    plain = live("plain", settings={**TALKATIVE, "flood_at": 0}).sql(
        f"SELECT least(sender, recipient), greatest(sender, recipient) FROM messages WHERE step = 2 AND {OF_AGENTS} "
        "GROUP BY ALL HAVING count(*) = 5 ORDER BY ALL LIMIT 1"
    )
    monkeypatch.setattr(Interrupted, "pair", plain.rows[0], raising=False)
    run = live(scenario=Interrupted(TALKATIVE))
    assert run.sql("SELECT step, name FROM interventions").rows == [(2, "bell"), (2, "parted"), (2, "evening")]
    told = "SELECT step, count(*) FILTER (contains(text, $1)), count(*) FROM observations GROUP BY step ORDER BY step"
    bell, evening = (run.sql(told, (news,)).rows for news in ("A bell rings.", "Night falls."))
    assert 0 < bell[1][1] < bell[1][2]  # those who spoke since
    assert [heard for _, heard, _ in evening] == [0, 0, evening[2][2]]
    assert run.sql(said, Interrupted.pair).rows == [(3,)]
    with pytest.raises(PausedError):
        live("stopped", scenario=Interrupted(TALKATIVE), max_calls=90, max_in_flight=4)
    resumed = Society.resume(tmp_path / "stopped.duckdb", Interrupted, limits={"max_calls": 10_000}).run()
    assert resumed.event_hash == run.event_hash
    assert replay(run.path, Interrupted).event_hash == run.event_hash


class Monastery(Village):
    """Nobody who was spoken to may speak."""

    name = "monastery"
    actions: tuple[type[Action], ...] = (DialogueLine, Silence)  # type: ignore[assignment]

    def offer(self, resident: Resident, observation: Observation, rng: random.Random) -> tuple[type[Action], ...]:
        return (Silence,) if observation.heard else (DialogueLine,)


def test_whoever_is_to_say_nothing_says_nothing_without_a_call(live: Live) -> None:
    run = live(scenario=Monastery({**TALKATIVE, "visited": 0.0}), steps=2)
    kinds = dict(run.sql("SELECT kind, count(*) FROM emissions GROUP BY kind").rows)
    asked = run.sql("SELECT count(*) FROM calls WHERE purpose IN ('turn', 'revise') AND repair IS NULL").rows[0][0]
    assert kinds["silence"] > 0
    assert asked <= 2 * kinds["dialogue"]
    assert run.sql("SELECT count(*) FROM messages WHERE reply_to IS NOT NULL").rows == [(0,)]


def test_a_request_to_the_assistant_is_answered_and_remembered(live: Live) -> None:
    run = live(settings={"assistant": True, "acts": ("instruction",), "visited": 0.0})
    asked = run.sql(
        "SELECT count(*) FROM emissions WHERE kind = 'instruction' "
        "AND emission NOT IN (SELECT emission FROM checks WHERE outcome = 'failed')"
    ).rows
    assert asked[0][0] > 24
    assert run.sql("SELECT count(*) FROM deliberations WHERE kind = 'answer' AND length(text) > 0").rows == asked
    noted = run.sql(
        "SELECT count(*) FROM memories WHERE text LIKE 'The assistant answered you: \"%' AND kind = 'heard'"
    )
    assert noted.rows == asked
    assert run.sql("SELECT count(*) > 0 FROM observations WHERE text LIKE '%The assistant answered you%'").rows == [
        (True,)
    ]
    assert run.sql("SELECT count(*) FROM calls WHERE purpose = 'respond' AND role = 'solver'").rows == asked


def test_an_assistant_that_gives_no_answer_leaves_the_turn_and_a_reason(live: Live) -> None:
    refusal = FakeListChatModel(responses=["I'm sorry, but I can't assist with that request."])
    run = live(
        settings={"assistant": True, "acts": ("instruction",), "visited": 0.0},
        steps=1,
        solver=refusal,
    )
    assert run.sql("SELECT count(*) FROM emissions").rows[0][0] > 12
    assert run.sql("SELECT DISTINCT purpose, outcome FROM failures").rows == [("respond", "refusal")]

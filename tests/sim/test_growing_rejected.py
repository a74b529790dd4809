"""Whom rules reject while people are grown: rows that are marked, that count for nothing, and that can come back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from openai_server import OpenAIServer

from populace.analysis.hub_summary import read_grown
from populace.analysis.summary import summarise
from populace.core.errors import RunError, SetupError
from populace.personas.hub import read_hub
from populace.personas.hub.file import open_hub
from populace.personas.hub.rewrites import count_rejected, undo_rule
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun, open_run
from populace.sim.scenario import GrowthOnly
from populace.sim.society import Society

AWAY = "SELECT persona FROM rule_results WHERE outcome = 'rejected' AND NOT undone"


class Town(OpenAIServer):
    """A server whose model describes a third of all people in too few words, each of them otherwise."""

    #: Of which share of people a description is good.
    good: tuple[bool, ...] = (True, True, False)
    number = 0
    said = ""

    async def _text(self, asked: dict[str, Any]) -> str:
        schema = asked["response_format"]["json_schema"]["schema"]["properties"]
        if "personas" in schema:
            return orjson.dumps({"personas": [self._person()]}).decode()
        count = schema["relations"]["minItems"]
        ties = [{"label": "friend", "kind": "friendship", **self._person()} for _ in range(count)]
        return orjson.dumps({"relations": ties}).decode()

    def _person(self) -> dict[str, str]:
        self.number = n = self.number + 1
        if not self.good[n % len(self.good)]:
            return {"persona": f"Nobody{n}.{self.said}"}
        return {"persona": f"A weaver{n} who has looms{n} and debts{n} in street{n} near mill{n}.{self.said}"}


@pytest.fixture
def town() -> Iterator[Town]:
    """The server."""
    with Town() as server:
        yield server


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Twelve texts."""
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps({"text": f"House {n} has a leaking roof."}) for n in range(12)))
    return path


def grow(town: Town, corpus: Path, **options: Any) -> FinishedRun:
    growth = {"hops": 2, "fan_outs": (2,), "chunk": 5, "quality": True, "acquaintances": 0, **options}
    out = corpus.with_name("hub.duckdb")
    society = Society(
        GrowthOnly(),
        growth=Growth.unlimited(sources=(str(corpus),), **growth),
        model="openai:test",
        base_url=town.base_url,
        out=out,
    )
    return society.run()


def test_they_are_rows_with_their_relations_and_stand_in_no_view(town: Town, corpus: Path) -> None:
    run = grow(town, corpus)
    assert run.sql(f"SELECT count(*) > 5, count(DISTINCT persona) = count(*) FROM ({AWAY})").rows == [(True, True)]
    assert run.sql(f"SELECT count(*) FROM ({AWAY}) ANTI JOIN personas ON id = persona").rows == [(0,)]
    assert run.sql(f"SELECT count(*) > 3 FROM relations WHERE target IN ({AWAY})").rows == [(True,)]
    assert run.sql(f"SELECT count(*) FROM survivors WHERE survivor IN ({AWAY})").rows == [(0,)]
    assert run.sql(f"SELECT count(*) FROM living_relations WHERE target IN ({AWAY})").rows == [(0,)]


def test_nobody_asks_about_them_and_nobody_counts_them(town: Town, corpus: Path) -> None:
    run = grow(town, corpus, acquaintances=3)
    assert run.sql(f"SELECT count(*) FROM frontier WHERE persona IN ({AWAY})").rows == [(0,)]
    assert run.sql(f"SELECT count(*) FROM frontier WHERE list_has_any(known, (SELECT list(persona) FROM ({AWAY})))"
                   ).rows == [(0,)]  # fmt: skip
    chunks = run.sql("SELECT sum(born), sum(dropped) = sum(rejected), min(latest NOT LIKE '%2%') FROM growth_chunks")
    people = len(read_hub(run.path).personas)
    assert chunks.rows[0][:2] == (people, True)
    with open_run(run.path) as reader:
        assert read_grown(reader, summarise(reader)).people == people


def test_growth_ends_when_too_many_of_the_latest_are_rejected(
    town: Town, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("populace.personas.growth.WINDOW", 5)
    town.good = tuple(n == 1 for n in range(100))
    run = grow(town, corpus, until_novelty=0.5)
    assert run.sql("SELECT hop, asked, born FROM growth ORDER BY hop").rows == [(0, 5, 1), (1, 0, 0), (2, 0, 0)]
    # Who is described first depends on whose call arrives first.
    assert run.sql("SELECT list_sort(split(max(latest), '')) FROM growth_chunks").rows == [([*"00001"],)]


def test_a_limit_counts_those_who_were_let_in(town: Town, corpus: Path) -> None:
    run = grow(town, corpus, agents=20, hops=3)
    assert len(read_hub(run.path).personas) == 20
    assert run.sql("SELECT count(*) > 20 FROM personas").rows == [(True,)]


def test_they_live_in_no_society(town: Town, corpus: Path, tmp_path: Path) -> None:
    run = grow(town, corpus)
    village = Society(Village(), growth=Growth.given(hub=run.path), steps=1, out=tmp_path / "village.duckdb").run()
    assert village.sql("SELECT count(*) FROM agents").rows == [(len(read_hub(run.path).personas),)]


def test_whose_rule_result_is_undone_is_back_with_the_relation_that_led_there(town: Town, corpus: Path) -> None:
    run = grow(town, corpus)
    before = read_hub(run.path)
    ((away,),) = run.sql(f"SELECT count(*) FROM ({AWAY})").rows
    with open_hub(run.path, write=True) as hub:
        assert undo_rule(hub, "too_short") == away
    after = read_hub(run.path)
    assert len(after.personas) == len(before.personas) + away
    assert len(after.relations) > len(before.relations)


def test_who_cannot_come_back_is_counted_when_a_rule_is_undone(town: Town, corpus: Path) -> None:
    run = grow(town, corpus, hops=0, fan_outs=())
    with open_hub(run.path, write=True) as hub:
        hub.con.execute(f"DELETE FROM personas WHERE id = (SELECT min(persona) FROM ({AWAY}))")
        undo_rule(hub, "too_short")
        stand = count_rejected(hub, "too_short")
        assert (stand.people, stand.retained, stand.gone) == (3, 3, 1)
        hub.con.execute("UPDATE rule_results SET outcome = 'removed'")
        with pytest.raises(SetupError, match="can come back, for their descriptions were not kept: 1 in all"):
            undo_rule(hub, "too_short")


@pytest.mark.slow
def test_whoever_is_back_is_asked_about_when_growth_goes_on(town: Town, corpus: Path) -> None:
    run = grow(town, corpus, hops=0, fan_outs=())
    ((away,),) = run.sql(f"SELECT list(persona) FROM ({AWAY})").rows
    with open_hub(run.path, write=True) as hub:
        undo_rule(hub, "too_short")
        hub.con.execute('UPDATE jobs SET spec = json_merge_patch(spec, \'{"growth": {"hops": 1}}\')')
    grown = Society.resume(run.path, GrowthOnly).run()
    asked = [persona for (persona,) in grown.sql("SELECT persona FROM frontier WHERE hop = 1").rows]
    assert set(away) < set(asked)
    assert len(asked) == 12


def test_growth_with_people_rejected_is_replayed_to_the_same_hash(town: Town, corpus: Path) -> None:
    run = grow(town, corpus)
    assert replay(run.path, GrowthOnly).event_hash == run.event_hash


@pytest.mark.parametrize(("policy", "rows"), [("drop", 0), ("pseudonymise", 1), ("keep", 1)])
def test_what_may_not_be_kept_is_not_kept_of_those_rejected_either(
    town: Town, corpus: Path, policy: str, rows: int
) -> None:
    town.said = " @adalovelace"
    town.good = (False, False, False)
    with pytest.raises(RunError, match="12 people were described and rejected"):
        grow(town, corpus, personal=policy)
    with open_run(corpus.with_name("hub.duckdb")) as run:
        ((there, told),) = run.query("SELECT count(*), count(*) FILTER (text LIKE '%@ada%') FROM personas").rows
        outcomes = {outcome for (outcome,) in run.query("SELECT DISTINCT outcome FROM rule_results").rows}
    assert (there > 0, told > 0) == (bool(rows), policy == "keep")
    assert ("removed" in outcomes) is (policy == "drop")
    assert ("rejected" in outcomes) is (policy != "drop")


def test_where_all_are_rejected_their_rule_results_are_kept_and_named_with_the_way_out(
    town: Town, corpus: Path
) -> None:
    town.good = (False,)
    corpus.write_text('{"text": "The ferry is late."}')
    with pytest.raises(RunError, match=r"1 person was described and rejected: too_short 1; .*`quality=False`"):
        grow(town, corpus)
    path = corpus.with_name("hub.duckdb")
    with open_hub(path, write=True) as hub:
        assert undo_rule(hub, "too_short") == 1
    town.good = (True,)
    run = Society.resume(path, GrowthOnly).run()
    assert run.sql("SELECT hop, asked FROM growth ORDER BY hop").rows == [(0, 1), (1, 1), (2, 2)]
    assert town.calls == 4


def test_resuming_growth_of_which_all_were_rejected_says_so_again_and_asks_nobody(town: Town, corpus: Path) -> None:
    town.good = (False,)
    with pytest.raises(RunError, match="12 people were described and rejected: too_short 12"):
        grow(town, corpus)
    calls = town.calls
    with pytest.raises(RunError, match="rejected: too_short"):
        Society.resume(corpus.with_name("hub.duckdb"), GrowthOnly).run()
    assert town.calls - calls <= 12

"""Growing people into a run file: in chunks, from texts that are streamed, until a rule says that it is enough."""

import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from openai_server import OpenAIServer

from populace.agents.gateway.limits import Limits
from populace.agents.procedural import ProceduralModel
from populace.core.errors import PausedError, RunError, SetupError, SourceError
from populace.personas.hub import read_hub
from populace.personas.persona import shipped_passages
from populace.scenarios.village import Village
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import FinishedRun
from populace.sim.scenario import GrowthOnly
from populace.sim.society import Society

TRADES = ["baker", "miller", "diver", "nurse", "tailor", "farmer", "clerk", "sailor"]
SMALL = {"hops": 2, "fan_outs": (3, 2), "chunk": 10}

type Grow = Callable[..., FinishedRun]


@pytest.fixture
def grow(tmp_path: Path) -> Grow:
    """Grow people in small chunks from the corpus that ships."""

    def grown(name: str = "hub", *, limits: Limits | None = None, seed: int = 0, **growth: Any) -> FinishedRun:
        model = {key: growth.pop(key) for key in ("model", "base_url") if key in growth}
        society = Society(
            GrowthOnly(),
            growth=Growth.unlimited(**(SMALL | growth)),
            out=tmp_path / f"{name}.duckdb",
            limits=limits,
            seed=seed,
            **model,
        )
        return society.run()

    return grown


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """What `grow` gives when nothing else is wished; never to be written to."""
    out = tmp_path_factory.mktemp("grown") / "hub.duckdb"
    return Society(GrowthOnly(), growth=Growth.unlimited(**SMALL), out=out).run()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Forty different texts, one of them twice."""
    texts = [f"The {TRADES[n % 8]} of street number {n} counts what is left of the winter." for n in range(40)]
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps({"text": text}) for text in [*texts, texts[3]]))
    return path


def test_nobody_lives_and_no_step_is_taken(grown: FinishedRun) -> None:
    counts = "SELECT (SELECT count(*) FROM agents), (SELECT count(*) FROM steps), status, steps_wanted FROM runs"
    assert grown.sql(counts).rows == [(0, 0, "finished", 0)]


def test_every_hop_is_the_sum_of_its_chunks(grown: FinishedRun) -> None:
    run = grown
    columns = "asked, failed, born, duplicates, relations"
    sums = ", ".join(f"sum({name})::INTEGER" for name in columns.split(", "))
    chunks = run.sql(f"SELECT hop, {sums} FROM growth_chunks GROUP BY hop ORDER BY hop").rows
    assert chunks == run.sql(f"SELECT hop, {columns} FROM growth ORDER BY hop").rows
    assert run.sql("SELECT max(asked), max(chunk) > 5 FROM growth_chunks").rows == [(10, True)]
    assert run.sql("SELECT count(*) FROM frontier").rows == run.sql("SELECT sum(asked) FROM growth WHERE hop > 0").rows


def test_ordinals_run_on_from_chunk_to_chunk(grown: FinishedRun) -> None:
    for table in ("personas", "relations", "passages"):
        found = grown.sql(f"SELECT ordinal FROM {table} ORDER BY ordinal").rows
        assert [ordinal for (ordinal,) in found] == list(range(1, len(found) + 1))


@pytest.mark.slow
def test_the_size_of_chunks_changes_the_markers_and_not_the_people(grow: Grow, grown: FinishedRun) -> None:
    small, large = grown, grow("large", chunk=1000)
    people = "SELECT id, ordinal, hop, parent FROM personas ORDER BY ordinal"
    assert small.sql(people).rows == large.sql(people).rows
    assert small.sql("FROM relations").rows == large.sql("FROM relations").rows


@pytest.mark.slow
def test_texts_that_are_streamed_grow_the_same_people_as_texts_in_memory(
    grow: Grow, grown: FinishedRun, tmp_path: Path
) -> None:
    path = tmp_path / "walks_of_life.jsonl.gz"
    rows = [
        {"id": p.source.partition("#")[2], "text": p.text, "language": p.language, "licence": p.licence}
        for p in shipped_passages()
        if p.source is not None
    ]
    path.write_bytes(gzip.compress(b"\n".join(map(orjson.dumps, rows))))
    people = "SELECT id, ordinal FROM personas ORDER BY ordinal"
    assert grow("stream", sources=(str(path),)).sql(people).rows == grown.sql(people).rows


def test_passages_keep_document_offset_and_length(grow: Grow, tmp_path: Path) -> None:
    path = tmp_path / "town.txt"
    path.write_text("\n\n".join(f"The {trade} counts what is left of the winter. " * 9 for trade in TRADES))
    run = grow(sources=(str(path),), hops=0, fan_outs=(), reading={"length": 30})
    places = run.sql(
        'SELECT document, "offset", length, text FROM passages JOIN passage_places USING (passage) ORDER BY ordinal'
    ).rows
    whole = path.read_text()
    assert len(places) >= len(TRADES)
    for document, offset, length, text in places:
        assert document == "town.txt"
        assert whole[offset : offset + length] == text


def test_equal_texts_are_asked_about_once(grow: Grow, corpus: Path) -> None:
    run = grow(sources=(str(corpus),), hops=0, fan_outs=())
    assert run.sql("SELECT count(*) FROM passages").rows == [(40,)]
    assert run.sql("SELECT count(*) FROM calls").rows == [(40,)]


def test_a_limit_takes_its_share_of_the_texts_by_chance(grow: Grow, corpus: Path) -> None:
    def lines(seed: int) -> list[str]:
        run = grow(str(seed), seed=seed, sources=(str(corpus),), agents=30)
        places = run.sql("SELECT document FROM passages JOIN passage_places USING (passage) ORDER BY ordinal").rows
        return [document.partition(":")[2] for (document,) in places]

    first, second = lines(1), lines(2)
    assert len(first) == len(second) == 15
    assert first != second
    assert first == sorted(first, key=int)
    assert max(map(int, first)) > 10


def test_a_limit_is_reached_and_never_exceeded(grow: Grow) -> None:
    run = grow(agents=120, hops=3, fan_outs=(), frontier="novelty")
    found = run.sql("SELECT hop, count(*) FROM personas WHERE id NOT IN (SELECT persona FROM duplicates) GROUP BY hop")
    assert sorted(found.rows) == [(0, 60), (1, 60)]


@pytest.mark.slow
def test_fan_out_is_given_hop_by_hop(grow: Grow, corpus: Path) -> None:
    run = grow(sources=(str(corpus),), hops=3, fan_outs=(3, 1), agents=None, acquaintances=0)
    found = run.sql(
        "SELECT hop, sum(relations) / sum(asked) FROM growth_chunks WHERE hop > 0 GROUP BY hop ORDER BY hop"
    )
    assert found.rows == [(1, 3.0), (2, 1.0), (3, 1.0)]


class Repeating(OpenAIServer):
    """A server whose model knows one person only."""

    async def _text(self, asked: dict[str, Any]) -> str:
        return '{"personas": [{"persona": "A baker who counts."}]}'


def test_growth_ends_when_too_few_newcomers_are_new(grow: Grow, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("populace.personas.growth.WINDOW", 20)
    with Repeating() as server:
        run = grow(sources=(str(corpus),), until_novelty=0.3, model="openai:test", base_url=server.base_url)
    asked = run.sql("SELECT hop, asked, born FROM growth ORDER BY hop").rows
    assert asked == [(0, 20, 1), (1, 0, 0), (2, 0, 0)]
    assert run.sql("SELECT sum(repeats), max(latest) FROM growth_chunks").rows == [(19, "1" + "0" * 19)]


def test_how_new_the_latest_are_is_looked_at_however_large_chunks_are(
    grow: Grow, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("populace.personas.growth.WINDOW", 20)
    with Repeating() as server:
        to = {"model": "openai:test", "base_url": server.base_url}
        run = grow(sources=(str(corpus),), until_novelty=0.3, per_passage=1, chunk=1_000, **to)
    assert run.sql("SELECT asked FROM growth_chunks WHERE hop = 0").rows == [(20,)]


class Unschooled(OpenAIServer):
    """A server whose model knows other words for kinds than it was given, and is not held to them."""

    kinds = ("mentorship", "rivalry")

    async def _text(self, asked: dict[str, Any]) -> str:
        answer = orjson.loads(await super()._text(asked))
        for tie, kind in zip(answer.get("relations", ()), self.kinds, strict=False):
            tie |= {"label": "mentor", "kind": kind}
        return orjson.dumps(answer).decode()


def test_the_label_that_a_model_gave_is_kept_beside_the_kind_that_it_means(grow: Grow, corpus: Path) -> None:
    with Unschooled() as server:
        run = grow(sources=(str(corpus),), hops=1, fan_outs=(2,), model="openai:test", base_url=server.base_url)
    assert run.sql("SELECT DISTINCT label, kind FROM relations ORDER BY kind").rows == [
        ("mentor", "rivalry"),
        ("mentor", "teaching"),
    ]
    assert run.sql("SELECT sum(failed) FROM growth").rows == [(0,)]


def test_relations_of_kinds_that_are_not_wanted_are_counted_and_their_siblings_stay(grow: Grow, corpus: Path) -> None:
    with Unschooled() as server:
        to = {"model": "openai:test", "base_url": server.base_url}
        run = grow(sources=(str(corpus),), hops=1, fan_outs=(2,), acquaintances=0, kinds=("teaching",), **to)
    assert run.sql("SELECT sum(unwanted), sum(failed) FROM growth_chunks").rows == [(40, 0)]
    assert run.sql("SELECT DISTINCT kind FROM relations").rows == [("teaching",)]


def test_people_are_described_in_named_parts_when_that_is_wanted(grow: Grow) -> None:
    run = grow(form="structured", hops=0, fan_outs=())
    (text,) = run.sql("SELECT text FROM personas ORDER BY ordinal LIMIT 1").rows[0]
    assert [part.partition(":")[0] for part in text.split("; ")] == [
        "role", "age", "circumstances", "knowledge", "concern"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_grown_hub_is_a_hub_whose_people_can_live(grown: FinishedRun, tmp_path: Path) -> None:
    people = len(read_hub(grown.path).personas)
    growth = Growth.given(hub=grown.path, agents=people)
    village = Society(Village(), growth=growth, steps=1, out=tmp_path / "village.duckdb").run()
    assert village.sql("SELECT count(*) FROM agents").rows == [(people,)]


def test_growth_is_replayed_without_a_call(grow: Grow, corpus: Path) -> None:
    run = grow(sources=(str(corpus),))
    replayed = replay(run.path, GrowthOnly)
    assert (replayed.event_hash, replayed.calls, replayed.difference) == (run.event_hash, 0, "")


def test_texts_without_an_answer_are_counted_and_lose_nobody_else(grow: Grow, openai_server: OpenAIServer) -> None:
    unlucky = shipped_passages()[3]
    openai_server.fail_forever(orjson.dumps(unlucky.text[:40]).decode()[1:-1], "bad_request")
    run = grow(hops=0, fan_outs=(), model="openai:test", base_url=openai_server.base_url)
    assert run.sql("SELECT owner, number FROM failures").rows == [(unlucky.id, 0)]
    assert run.sql("SELECT asked - born - duplicates, failed FROM growth").rows == [(1, 1)]


def test_a_source_that_is_not_there_leaves_no_file(grow: Grow, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        grow(sources=("nowhere.txt",))
    assert not (tmp_path / "hub.duckdb").exists()


def test_an_empty_source_is_one_sentence(grow: Grow, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(SourceError, match="empty"):
        grow(sources=(str(tmp_path / "empty.txt"),))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hops": 7}, "`hops` must be at most 6, but 7 was given"),
        ({"fan_outs": (3, 0)}, r"fan-out of a hop \(`fan_outs`\) should be 1 to 20, but 0 was given"),
        ({"fan_outs": (3, 3, 3)}, "given for 3 hops and there are 2"),
        ({"verb": " "}, "verb of Text-to-Persona is ' '"),
        ({"granularity": "huge"}, "'huge' is unknown"),
        ({"until_novelty": 1.5}, "`until_novelty` must be at most 1, but 1.5 was given"),
        ({"language": "no tag!"}, "`language`"),
        ({"sources": ("a.txt",), "hub": Path("b.duckdb")}, "give sources or a hub"),
    ],
)
def test_what_cannot_be_grown_is_one_sentence(grow: Grow, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SetupError, match=sentence):
        grow(**options)


def test_nobody_at_all_is_an_error_and_nothing_is_committed(grow: Grow, openai_server: OpenAIServer) -> None:
    openai_server.fault("refusal")
    with pytest.raises(RunError, match="Nobody could be grown"):
        grow(model="openai:test", base_url=openai_server.base_url)


class Gossip(ProceduralModel):
    """A stand-in that tells on somebody real in everything it writes of people."""

    async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        result = await super()._agenerate(messages, *args, **kwargs)
        message = result.generations[0].message
        told = r"\1A friend of Margaret Holloway and "
        message.content = re.sub(r'("persona": ?")', told, str(message.content))
        return result


@pytest.mark.parametrize(("policy", "lives"), [("drop", False), ("pseudonymise", True)])
def test_personal_data_are_judged_before_anybody_is_taken_in(tmp_path: Path, policy: str, lives: bool) -> None:
    growth = Growth.unlimited(agents=6, hops=0, personal=policy)
    society = Society(GrowthOnly(), growth=growth, model=Gossip(), out=tmp_path / "hub.duckdb")
    if not lives:
        with pytest.raises(RunError, match="Nobody could be grown"):
            society.run()
        return
    run = society.run()
    rules = run.sql("SELECT DISTINCT rule, outcome FROM rule_results").rows
    assert rules == [("personal_data", "rewritten")]
    assert run.sql("SELECT count(*) FROM personas WHERE text LIKE '%Holloway%'").rows == [(0,)]
    assert run.sql("SELECT count(*) FROM rule_results JOIN personas ON became = id").rows[0][0] > 0


class Reluctant(ProceduralModel):
    """The built-in generator, which declines two texts of three."""

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any) -> ChatResult:
        if zlib.crc32(str(messages[-1].content).encode()) % 3:
            return ChatResult(generations=[ChatGeneration(message=AIMessage("I cannot help with that."))])
        return await super()._agenerate(messages, stop, run_manager, **options)


def grow_reluctantly(out: Path, **limits: int) -> FinishedRun:
    growth = Growth.unlimited(agents=15, hops=0, chunk=4)
    return Society(
        GrowthOnly(), growth=growth, out=out, model=Reluctant(), limits=Limits(max_error_rate=1, **limits)
    ).run()


def test_growth_goes_on_with_further_texts_until_there_are_as_many_people_as_were_asked_for(tmp_path: Path) -> None:
    run = grow_reluctantly(tmp_path / "hub.duckdb")
    ((people, passages),) = run.sql("SELECT (SELECT count(*) FROM personas), (SELECT count(*) FROM passages)").rows
    assert people == 15
    assert 30 < passages < len(shipped_passages())


@pytest.mark.parametrize("calls", [20, 40, 55])
def test_growth_that_pauses_in_any_round_of_texts_ends_alike(tmp_path: Path, calls: int) -> None:
    whole, out = grow_reluctantly(tmp_path / "whole.duckdb"), tmp_path / "hub.duckdb"
    with pytest.raises(PausedError):
        grow_reluctantly(out, max_calls=calls)
    resumed = Society.resume(out, GrowthOnly, model=Reluctant(), limits={"max_calls": 1000, "max_error_rate": 1}).run()
    assert resumed.event_hash == whole.event_hash


def test_growth_ends_short_only_when_all_texts_were_asked_about(tmp_path: Path) -> None:
    growth = Growth.unlimited(agents=60, hops=0)
    limits = Limits(max_error_rate=1)
    run = Society(GrowthOnly(), growth=growth, out=tmp_path / "hub.duckdb", model=Reluctant(), limits=limits).run()
    assert run.sql("SELECT count(*) FROM passages").rows == [(len(shipped_passages()),)]

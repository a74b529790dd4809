"""The network that a society begins with: drawn once by the seed, stored, and the same in every copy of the run."""

import json
from pathlib import Path
from typing import Any, ClassVar, Literal

import networkx as nx
import pytest
from langchain_core.embeddings import Embeddings
from lasting import check_lasting

from populace.agents.actions import Action, ActionEffects
from populace.core.errors import RunError, SetupError, SourceError
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub.file import filled_hub
from populace.personas.persona import RelationKind
from populace.sim.dynamics.network import _list_names
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.resident import Resident
from populace.sim.scenario import Scenario
from populace.sim.society import Society

PEOPLE = 60
TIES = "SELECT source, target FROM ties ORDER BY ALL"
START = "SELECT source, target, kind, label, weight FROM ties_at_start ORDER BY ordinal"


class Wave(Action):
    """Wave to a neighbour, who becomes a friend."""

    name: ClassVar[str] = "wave"
    addressed: ClassVar[bool] = True
    novelty = "none"
    kind: Literal["wave"]
    to: str

    @property
    def emitted_text(self) -> str:
        return "Hello."

    def apply(self, effects: ActionEffects) -> None:
        effects.tie(self.to, RelationKind.FRIENDSHIP, "friend")


class Island(Scenario):
    """Who waves to whom?"""

    name = "island"
    world = "An island."
    actions = (Wave,)

    def group(self, resident: Resident) -> str | None:
        return None if resident.profile is None else str(resident.profile.value("region"))

    def mind(self) -> Any:
        return self.wave

    def wave(self, observation: Any, rng: Any) -> Wave | None:
        return Wave(kind="wave", to=rng.choice(sorted(observation.addressees))) if observation.addressees else None


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty people of three regions, with names, and nothing between them."""
    folder = tmp_path_factory.mktemp("island")
    regions = ("north", "south", "east")
    rows = "\n".join(f"Number {n} of the island keeps bees.,{regions[n % 3]},bee {n},," for n in range(PEOPLE))
    (folder / "people.csv").write_text(f"text,region,name,party,age\n{rows}")
    with filled_hub(folder / "island.duckdb") as opened:
        list(import_files(opened, [folder / "people.csv"], ImportOptions(personal="ignore")))
    return folder / "island.duckdb"


def society(hub: Path, out: Path, network: str, *, steps: int = 1, seed: int = 3, **growth: Any) -> Society:
    return Society(Island(), growth=Growth.given(hub=hub, **growth), network=network, out=out, steps=steps, seed=seed)


def graph_of(hub: Path, tmp_path: Path, network: str, **options: Any) -> nx.Graph:
    with society(hub, tmp_path / "run.duckdb", network, **options) as opened:
        return nx.Graph(opened.graph.nx)


@pytest.mark.parametrize(
    ("network", "ties"),
    [
        ("watts-strogatz:6,0.2", PEOPLE * 3),
        pytest.param("complete", PEOPLE * (PEOPLE - 1) // 2, marks=pytest.mark.slow),
        pytest.param("ring:4", PEOPLE * 2, marks=pytest.mark.slow),
        pytest.param("barabasi-albert:2", (PEOPLE - 2) * 2, marks=pytest.mark.slow),
        pytest.param("homophily:region,6", PEOPLE * 3, marks=pytest.mark.slow),
    ],
)
def test_networks_have_the_ties_that_their_kind_says(hub: Path, tmp_path: Path, network: str, ties: int) -> None:
    graph = graph_of(hub, tmp_path, network)
    assert graph.number_of_nodes() == PEOPLE
    assert graph.number_of_edges() == ties


def test_a_network_lasts(hub: Path, tmp_path: Path) -> None:
    def begin(out: Path) -> Society:
        return society(hub, out, "watts-strogatz:4,0.3", steps=3)

    whole = begin(tmp_path / "whole.duckdb").run()
    check_lasting(whole, Island, begin, tmp_path, TIES, START, stop=1, at=0)
    assert whole.sql("SELECT network FROM runs").rows == [("watts-strogatz:4,0.3",)]
    assert whole.sql("SELECT count(*) FROM ties WHERE step IS NULL").rows[0][0] == 2 * PEOPLE
    assert len(whole.sql(START).rows) == 2 * PEOPLE


@pytest.mark.slow
def test_a_run_that_was_stopped_before_its_network_draws_it_when_it_goes_on(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped(*given: object) -> None:
        raise RunError("Stopped.")

    whole = society(hub, tmp_path / "whole.duckdb", "barabasi-albert:2").run()
    with monkeypatch.context() as patched:
        patched.setattr("populace.sim.society.draw_network", stopped)
        with pytest.raises(RunError, match="Stopped"):
            society(hub, tmp_path / "cut.duckdb", "barabasi-albert:2").run()
    resumed = Society.resume(tmp_path / "cut.duckdb", Island).run()
    assert resumed.event_hash == whole.event_hash
    assert resumed.sql(START).rows == whole.sql(START).rows


@pytest.mark.slow
def test_blocks_are_the_groups_of_the_scenario_or_the_values_of_a_column(hub: Path, tmp_path: Path) -> None:
    pairs = """
    SELECT a.group_name = b.group_name AS same, count(*) FROM ties_at_start
    JOIN agents AS a ON a.agent = source JOIN agents AS b ON b.agent = target GROUP BY ALL ORDER BY ALL
    """
    for n, network in enumerate(("stochastic-block:0.5,0.0", "stochastic-block:0.5,0.0,region")):
        found = dict(society(hub, tmp_path / f"{n}.duckdb", network).run().sql(pairs).rows)
        assert found.keys() == {True}
        assert 200 < found[True] < 370  # of 570 pairs within the three groups


def test_most_ties_of_a_homophilous_network_are_between_people_who_are_alike(hub: Path, tmp_path: Path) -> None:
    with society(hub, tmp_path / "run.duckdb", "homophily:region,6,0.9") as opened:
        same = [
            opened.resident(one).group == opened.resident(other).group for one, other in nx.Graph(opened.graph.nx).edges
        ]
    assert sum(same) / len(same) > 0.8


class ByNumber(Embeddings):
    """Puts respondents with the same last digit into one direction."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each."""
        numbers = [int(text.split()[1]) for text in texts]
        return [[float(number % 10 == place) + number / 1e4 for place in range(10)] for number in numbers]

    def embed_query(self, text: str) -> list[float]:
        """The same for one."""
        return self.embed_documents([text])[0]


@pytest.mark.slow
def test_people_may_be_alike_by_the_vectors_of_their_descriptions(hub: Path, tmp_path: Path) -> None:
    out, growth = tmp_path / "run.duckdb", Growth.given(hub=hub)
    network = {"network": "homophily:embedding,4,1"}
    run = Society(Island(), growth=growth, embeddings=ByNumber(), out=out, steps=1, **network).run()  # type: ignore[arg-type]
    texts = dict(run.sql("SELECT id, text FROM personas").rows)
    digits = [[texts[end].split()[1][-1] for end in row[:2]] for row in run.sql(START).rows]
    assert len(digits) == 2 * PEOPLE
    assert sum(one == other for one, other in digits) / len(digits) > 0.9
    again = replay(run.path, Island)
    assert again.event_hash == again.expected


def test_the_configuration_model_keeps_how_many_ties_each_person_has(tmp_path: Path) -> None:
    degrees = []
    for network in ("grown", "configuration"):
        out = tmp_path / f"{network}.duckdb"
        with Society(Island(), growth=Growth(agents=40, hops=2), network=network, out=out, steps=1) as opened:
            degrees.append(dict(nx.Graph(opened.graph.nx).degree))
    assert degrees[0] == degrees[1]


def test_people_who_are_related_by_growth_keep_that_relation(tmp_path: Path) -> None:
    growth = Growth(agents=20, hops=1)
    run = Society(Island(), growth=growth, network="complete", out=tmp_path / "run.duckdb", steps=1).run()
    kept = "SELECT count(*) FROM network_ties SEMI JOIN living_relations USING (source, target, kind, label)"
    pairs = "SELECT count(DISTINCT (least(source, target), greatest(source, target))) FROM living_relations"
    assert run.sql(kept).rows == run.sql(pairs).rows
    assert run.sql("SELECT count(*) FROM network_ties").rows == [(190,)]


@pytest.mark.parametrize(
    "form", ["csv", *(pytest.param(form, marks=pytest.mark.slow) for form in ("jsonl", "graphml"))]
)
def test_a_file_of_ties_names_people_by_id_column_or_place(hub: Path, tmp_path: Path, form: str) -> None:
    rows = [("bee 1", "bee 2", "kinship", "sister", 2.5), ("bee 2", "bee 3", "work", "colleague", 1)]
    path = tmp_path / f"ties.{form}"
    if form == "csv":
        path.write_text("source,target,kind,label,weight\n" + "\n".join(",".join(map(str, row)) for row in rows))
    elif form == "jsonl":
        names = ("source", "target", "kind", "label", "weight")
        path.write_text("\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows))
    else:
        graph = nx.Graph()
        for one, other, kind, label, weight in rows:
            graph.add_edge(one, other, kind=kind, label=label, weight=weight)
        nx.write_graphml(graph, path)
    run = society(hub, tmp_path / "run.duckdb", f"file:{path}").run()
    assert [row[2:] for row in run.sql(START).rows] == [("kinship", "sister", 2.5), ("work", "colleague", 1.0)]
    again = replay(run.path, Island)
    assert again.event_hash == again.expected


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("small-world", "is no network; give grown, woven"),
        ("watts-strogatz:3,0.1", "K must be even"),
        ("watts-strogatz:60,0.1", "can be tied to 59 others at most"),
        ("watts-strogatz:4,2", "P must be a number from 0 to 1, and is '2'"),
        ("barabasi-albert:60", "can be tied to 59 others at most"),
        ("homophily:shoe", "names 'shoe', which is no column of people"),
        ("homophily:name", "no two people have the same value of 'name'"),
        ("homophily:education", "names the column 'education', which is empty for all 60 people"),
        ("homophily:embedding", "no embedding model is named; add"),
        ("stochastic-block:0.1", "is no network"),
        ("stochastic-block:blocks.json,0.1", "P_IN must be a number from 0 to 1"),
    ],
)
def test_networks_that_cannot_be_are_refused_in_a_sentence(hub: Path, tmp_path: Path, network: str, said: str) -> None:
    with pytest.raises((SetupError, SourceError), match=said):
        society(hub, tmp_path / "run.duckdb", network).run()
    assert not (tmp_path / "run.duckdb").exists()


def test_a_name_that_several_people_have_names_none_of_them() -> None:
    imported = [("a", '{"name": "Ada"}'), ("b", '{"name": " Bo "}'), ("c", '{"name": "Ada"}')]
    ways = _list_names(["a", "b", "c"], imported)
    assert ways["the column name that they were imported with (but for 1 that several people have)"] == {"Bo": "b"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("source,target\nbee 1,bee 2\nbee 1,bee 77\n", r"ties.csv, line 3: 'bee 77' names none of the 60 people"),
        ("source,target\nbee 1,8\n", r"line 2: '8' names none of the 60 people"),
        ("source,target,weight\nbee 1,bee 2,1\nbee 1,bee 2,3\n", r"line 3 has the tie of 'bee 1' to 'bee 2' again"),
        ("source,target\nbee 1,bee 1\n", r"line 2 ties 'bee 1' to itself"),
        ("source,target,weight\nbee 1,bee 2,-1\n", r"line 2: the weight is '-1'; it must be a number greater than 0"),
        ("from,to\nbee 1,bee 2\n", "has no source and no target, but from, to"),
        ("source,target\nbee 1,\n", "line 2 has no target; fill it in"),
        ("source,target\n", "has no ties"),
    ],
)
def test_a_file_of_ties_that_is_wrong_is_refused_before_a_run_file_is_made(
    hub: Path, tmp_path: Path, lines: str, said: str
) -> None:
    (tmp_path / "ties.csv").write_text(lines)
    with pytest.raises(SourceError, match=said):
        society(hub, tmp_path / "run.duckdb", f"file:{tmp_path}/ties.csv").run()
    assert not (tmp_path / "run.duckdb").exists()


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("homophily:region", "there are no profiles that could have the column 'region'"),
        ("ring:20", "a person of 20 can be tied to 19 others at most"),
    ],
)
def test_people_are_not_grown_for_a_network_that_they_cannot_make(tmp_path: Path, network: str, said: str) -> None:
    with pytest.raises(SetupError, match=said):
        Society(Island(), growth=Growth(agents=20, hops=1), network=network, out=tmp_path / "run.duckdb").run()
    assert not (tmp_path / "run.duckdb").exists()


def test_a_complete_network_of_very_many_is_refused() -> None:
    from populace.personas.network.spec import parse_network

    with pytest.raises(SetupError, match="makes 49,995,000 ties, and a society holds 5,000,000 at most"):
        parse_network("complete").check_people(10_000)

"""networkx graphs as networks of a run, and runs as networkx graphs."""

from pathlib import Path
from typing import Any

import networkx as nx
import pytest

import populace
from populace.core.errors import SetupError
from populace.sim.runfile.reader import FinishedRun


class Quiet(populace.Scenario):
    """Nobody does anything."""

    name = "quiet"


def lived(folder: Path, network: Any, **given: Any) -> FinishedRun:
    return populace.run(Quiet, network=network, hops=0, steps=1, out=folder / "quiet.duckdb", progress=False, **given)


def test_the_ties_of_a_graph_are_those_of_the_society(tmp_path: Path) -> None:
    club = nx.karate_club_graph()
    run = lived(tmp_path, club)
    found = nx.Graph(run.graph())
    assert nx.is_isomorphic(found, club)
    assert sorted(weight for *_, weight in found.edges(data="weight")) == sorted(
        float(weight) for *_, weight in club.edges(data="weight")
    )
    assert all(node["text"] for _, node in run.graph().nodes(data=True))
    assert lived(tmp_path, club).note


def test_a_graph_whose_nodes_are_texts_names_people(tmp_path: Path) -> None:
    first = lived(tmp_path, "ring:2", agents=4)
    one, other, *_ = (agent for (agent,) in first.sql("SELECT agent FROM agents ORDER BY ordinal").rows)
    (tmp_path / "named").mkdir()
    run = lived(tmp_path / "named", nx.DiGraph([(one, other, {"kind": "kinship", "label": "aunt"})]), agents=4)
    assert list(run.graph().edges(data="label")) == [(one, other, "aunt")]


@pytest.mark.parametrize(
    ("network", "reason"), [(nx.empty_graph(3), "has no edges"), (7, "give a name, as 'ring:4', or a networkx graph")]
)
def test_what_is_no_network_is_refused(tmp_path: Path, network: object, reason: str) -> None:
    with pytest.raises(SetupError, match=reason):
        lived(tmp_path, network)

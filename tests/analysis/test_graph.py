import re
from typing import Any

import networkx as nx
import numpy as np
import pytest

from populace.analysis.picture import lay_out
from populace.analysis.report import facts
from populace.analysis.report.facts import draw_society
from populace.analysis.table import Queryable


def test_nobody_is_drawn_on_top_of_somebody_else() -> None:
    named = nx.relabel_nodes(nx.disjoint_union_all([nx.path_graph(n) for n in (1, 1, 1, 2, 2, 5, 9)]), str)
    points = np.array(list(lay_out(named).values()))
    apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    assert apart[~np.eye(len(points), dtype=bool)].min() > 0.3


def test_a_graph_without_anybody_has_no_positions() -> None:
    assert lay_out(nx.Graph()) == {}


def test_a_big_society_is_cut_around_the_best_connected(lived: Queryable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "GRAPH_PEOPLE", 59)
    monkeypatch.setattr(facts, "GRAPH_SAMPLE", 20)
    assert "Drawn: 20 of 60 people" in str(draw_society(lived)[0])


def test_a_person_is_one_point_with_description_and_emissions(lived: Queryable) -> None:
    told = re.findall(r"<circle[^>]*><title>([^<]*)</title>", draw_society(lived)[0] or "")
    assert len(told) == 60
    assert sum("\u00d7" in words for words in told) == 59
    assert all(re.match(r"A \w+ who [^\n]*\(hop \d\)(\n|$)", words) for words in told)


def test_a_society_of_nobody_has_no_picture(make_run: Any) -> None:
    assert draw_society(make_run(upto="header")) == (None, 0)

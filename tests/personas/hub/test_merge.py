"""Uniting hubs: everybody once, all ties and verdicts, and where each came from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hub_people import reject
from hypothesis import strategies as st
from properties import holds

from populace.core.errors import SetupError, SourceError
from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import create_hub, open_hub, read_hub
from populace.personas.hub.check import judge_people
from populace.personas.hub.dedup import read_vectors
from populace.personas.hub.merge import merge_hubs
from populace.personas.persona import content_id
from populace.personas.selection import SelectionSpec, select

type Verdict = tuple[str, str, float, bool]
type Make = Callable[..., Path]


def text(name: str) -> str:
    return f"Somebody by the name of {name}"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A hub of these people, with ties between them and verdicts on them."""

    def made(
        file: str, people: Sequence[str], ties: Sequence[tuple[str, str]] = (), verdicts: Sequence[Verdict] = ()
    ) -> Path:
        (source := tmp_path / f"{file}.csv").write_text("text,from\n" + "".join(f"{text(n)},{file}\n" for n in people))
        with create_hub(path := tmp_path / f"{file}.duckdb") as hub:
            list(import_files(hub, [source], ImportOptions()))
            for n, (one, other) in enumerate(ties, 1):
                row = [n, content_id(text(one)), content_id(text(other)), n]
                hub.con.execute("INSERT INTO relations VALUES (?, ?, ?, 'work', 'colleague', ?)", row)
            for persona, of, similarity, undone in verdicts:
                hub.con.execute(
                    """INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone)
                    VALUES ('persona', ?, ?, 'minhash', ?, ?)""",
                    [content_id(text(persona)), content_id(text(of)), similarity, undone],
                )
        return path

    return made


def asked(path: Path, query: str) -> list[tuple[Any, ...]]:
    with open_hub(path) as hub:
        return hub.con.execute(query).fetchall()


def named(path: Path, query: str) -> list[tuple[Any, ...]]:
    """The same, with the last word of a text instead of its id."""
    names = {i: t.rpartition(" ")[2] for i, t in asked(path, "SELECT id, text FROM personas")}
    return [tuple(names.get(value, value) for value in row) for row in asked(path, query)]


_VERDICTS = 'SELECT persona, "of", similarity, undone FROM duplicates ORDER BY similarity, persona'


def test_equal_texts_are_one_persona_in_order_of_arrival(make: Make, tmp_path: Path) -> None:
    report = merge_hubs([make("a", "xy"), make("b", "yz")], out := tmp_path / "c.duckdb")
    assert (report.people, report.personas, report.equal) == ((2, 2), 3, 1)
    assert named(out, "SELECT id, source FROM personas ORDER BY ordinal") == [
        ("x", "a.csv"),
        ("y", "a.csv"),
        ("z", "b.csv"),
    ]


def test_where_each_row_came_from_is_kept(make: Make, tmp_path: Path) -> None:
    merge_hubs([make("a", "xy"), make("b", "yz")], out := tmp_path / "c.duckdb")
    query = """SELECT persona, name, row, attributes->>'from' FROM imports JOIN imported_files USING (file)
        ORDER BY file, row"""
    expected = [("x", "a.csv", 2, "a"), ("y", "a.csv", 3, "a"), ("y", "b.csv", 2, "b"), ("z", "b.csv", 3, "b")]
    assert named(out, query) == expected


def test_a_file_that_both_hubs_imported_counts_once(make: Make, tmp_path: Path) -> None:
    one = make("a", "xy")
    other = one.rename(tmp_path / "other.duckdb")
    merge_hubs([make("a", "xy"), other], out := tmp_path / "c.duckdb")
    assert asked(out, "SELECT (SELECT count(*) FROM imported_files), (SELECT count(*) FROM imports)") == [(1, 2)]


def test_relations_are_united_and_said_once(make: Make, tmp_path: Path) -> None:
    one, other = make("a", "xy", [("x", "y"), ("y", "x")]), make("b", "xz", [("z", "x"), ("x", "z")])
    again = make("d", "yx", [("y", "x")])
    report = merge_hubs([one, other, again], out := tmp_path / "c.duckdb")
    expected = [(1, "x", "y", 1), (2, "y", "x", 2), (3, "z", "x", 1), (4, "x", "z", 2)]
    assert named(out, "SELECT ordinal, source, target, hop FROM relations ORDER BY ordinal") == expected
    assert (report.relations, report.dangling) == (4, 0)


def test_relations_with_nobody_at_an_end_stay_behind_and_are_counted(make: Make, tmp_path: Path) -> None:
    report = merge_hubs([make("a", "xy", [("x", "y"), ("x", "nobody")]), make("b", "x")], tmp_path / "c.duckdb")
    assert (report.relations, report.dangling) == (1, 1)


def test_a_verdict_points_at_who_came_first_in_the_new_hub(make: Make, tmp_path: Path) -> None:
    other = make("b", "yx", verdicts=[("x", "y", 0.95, False)])
    merge_hubs([make("a", "xz"), other], out := tmp_path / "c.duckdb")
    assert named(out, _VERDICTS) == [("y", "x", 0.95, False)]
    assert [p.text for p in read_hub(out).personas] == [text("x"), text("z")]


def test_what_was_undone_in_one_hub_is_undone(make: Make, tmp_path: Path) -> None:
    one = make("a", "xy", verdicts=[("y", "x", 0.9, False)])
    other = make("b", "yx", verdicts=[("x", "y", 0.9, True)])
    merge_hubs([one, other], out := tmp_path / "c.duckdb")
    assert named(out, _VERDICTS) == [("y", "x", 0.9, True)]


def test_of_several_verdicts_on_one_persona_the_most_similar_stands(make: Make, tmp_path: Path) -> None:
    one = make("a", "xyz", verdicts=[("z", "x", 0.91, False)])
    other = make("b", "yz", verdicts=[("z", "y", 0.97, False)])
    assert merge_hubs([one, other], out := tmp_path / "c.duckdb").verdicts == 1
    assert named(out, _VERDICTS) == [("z", "y", 0.97, False)]


@holds(st.lists(st.permutations("vwxyz"), min_size=2, max_size=3), st.data(), few=2, many=10)
def test_no_verdicts_ever_lead_in_a_circle(
    make: Make, tmp_path: Path, orders: list[list[str]], data: st.DataObject
) -> None:
    for path in tmp_path.iterdir():
        path.unlink()
    hubs = []
    for n, people in enumerate(orders):
        pairs = [(people[late], people[data.draw(st.integers(0, late - 1))], 0.9, False) for late in range(1, 5)]
        hubs.append(make(f"h{n}", people, verdicts=pairs))
    merge_hubs(hubs, out := tmp_path / "c.duckdb")
    assert read_hub(out).personas[0].text == text(orders[0][0])
    # One verdict at most on each, and whom it names stands: a chain from two hubs is decided anew by the texts.
    persons = [row[0] for row in asked(out, _VERDICTS)]
    assert len(set(persons)) == len(persons) >= 1
    assert not {row[1] for row in asked(out, _VERDICTS)}.intersection(persons)


def test_profiles_come_along(make: Make, tmp_path: Path) -> None:
    for path, name in ((one := make("a", "xy"), "x"), (other := make("b", "xz"), "x"), (other, "z")):
        with open_hub(path, write=True) as hub:
            columns = "persona, occupation, evidence, only_evident, model, prompt, made_at"
            row = [content_id(text(name)), path.stem]
            hub.con.execute(f"INSERT INTO profiles ({columns}) VALUES (?, ?, '{{}}', true, 'm', 'p@1', now())", row)
    merge_hubs([one, other], out := tmp_path / "c.duckdb")
    assert named(out, "SELECT persona, occupation FROM profiles ORDER BY occupation") == [("x", "a"), ("z", "b")]


def test_a_hub_with_numbers_of_its_own_is_refused_and_nothing_is_left(make: Make, tmp_path: Path) -> None:
    with create_hub(odd := tmp_path / "odd.duckdb") as hub:
        columns = "id, ordinal, text, origin, hop, language"
        hub.con.execute(f"INSERT INTO personas ({columns}) VALUES ('p1', 1, 'X', 'import', 0, 'en')")
    with pytest.raises(SourceError, match="'p1' is not the hash of its text"):
        merge_hubs([make("a", "x"), odd], tmp_path / "c.duckdb")
    assert not list(tmp_path.glob("c.duckdb*"))


def test_what_cannot_be_merged_is_said(make: Make, tmp_path: Path) -> None:
    one = make("a", "x")
    with pytest.raises(SetupError, match="give two or more"):
        merge_hubs([one], tmp_path / "c.duckdb")
    with pytest.raises(SetupError, match="exists already"):
        merge_hubs([one, one], one)
    with pytest.raises(SourceError, match="There is no hub"):
        merge_hubs([one, tmp_path / "none.duckdb"], tmp_path / "c.duckdb")
    with duckdb.connect(str(other := tmp_path / "other.duckdb")) as con:
        con.execute("CREATE TABLE personas (name VARCHAR)")
    with pytest.raises(SourceError, match="has a table personas without the column"):
        merge_hubs([one, other], tmp_path / "c.duckdb")


def vector(path: Path, name: str, model: str, *numbers: float) -> None:
    with open_hub(path, write=True) as hub:
        hub.con.execute("INSERT INTO vectors VALUES (?, ?, ?, 'call')", [content_id(text(name)), model, numbers])


def chosen(path: Path, name: str, **wish: Any) -> None:
    with open_hub(path, write=True) as hub:
        select(hub, SelectionSpec(name=name, **wish))


def profile(path: Path, name: str, occupation: str) -> None:
    with open_hub(path, write=True) as hub:
        columns = "persona, occupation, evidence, only_evident, model, prompt, made_at"
        row = [content_id(text(name)), occupation, f'{{"from": "{occupation}"}}']
        hub.con.execute(f"INSERT INTO profiles ({columns}) VALUES (?, ?, ?, true, 'm', 'p@1', '2026-01-01')", row)


def contradiction(path: Path, one: str, other: str, rule: str) -> None:
    with open_hub(path, write=True) as hub:
        row = [content_id(text(one)), content_id(text(other)), rule]
        hub.con.execute("INSERT INTO contradictions VALUES (?, ?, ?, 'It is so.', NULL, 'kept', now())", row)


def rule_result(path: Path, name: str, outcome: str, *, undone: bool = False) -> None:
    with open_hub(path, write=True) as hub:
        reject(hub, content_id(text(name)), outcome=outcome, undone=undone)


def test_vectors_come_along_and_of_two_the_first_stays(make: Make, tmp_path: Path) -> None:
    one, other = make("a", "xy"), make("b", "xz")
    vector(one, "x", "m", 9, 9)
    vector(one, "x", "m", 1, 0)
    vector(other, "x", "m", 0, 1)
    vector(other, "x", "n", 2, 2, 2)
    vector(other, "z", "m", 3, 3)
    report = merge_hubs([one, other], out := tmp_path / "c.duckdb")
    assert (report.vectors, report.left_out) == (3, ())
    expected = [("x", "m", [1, 0]), ("x", "n", [2, 2, 2]), ("z", "m", [3, 3])]
    assert [(*row[:2], list(row[2])) for row in named_lists(out)] == expected
    with open_hub(out) as hub:
        assert read_vectors(hub, "m").matrix.tolist() == [[1, 0], [3, 3]]


def named_lists(path: Path) -> list[tuple[Any, ...]]:
    names = {i: t.rpartition(" ")[2] for i, t in asked(path, "SELECT id, text FROM personas")}
    rows = asked(path, "SELECT text_hash, model, vector FROM vectors")
    return sorted((names[i], model, numbers) for i, model, numbers in rows)


def test_what_holds_for_one_hub_only_stays_behind_and_is_counted(make: Make, tmp_path: Path) -> None:
    one, other = make("a", "x"), make("b", "yz")
    vector(other, "nobody", "m", 1, 2)
    contradiction(other, "y", "z", "sibling_age")
    chosen(other, "few", n=2, seed=3)
    report = merge_hubs([one, other], tmp_path / "c.duckdb")
    assert report.left_out == (
        ("contradictions", 1),
        ("selected", 2),
        ("selections", 1),
        ("vectors of other texts", 1),
    )


def test_a_rule_result_is_said_once_and_undone_in_one_hub_it_is_undone(make: Make, tmp_path: Path) -> None:
    one, other = make("a", "xy"), make("b", "xyz")
    for path, name, undone in ((one, "x", True), (other, "x", False), (one, "y", False), (other, "z", False)):
        rule_result(path, name, "rejected", undone=undone)
    merge_hubs([one, other], out := tmp_path / "c.duckdb")
    assert named(out, "SELECT persona, undone FROM rule_results") == [("x", True), ("y", False), ("z", False)]


@pytest.mark.slow
def test_whoever_a_check_removed_and_another_hub_brings_back_is_counted_and_judged_again(
    make: Make, tmp_path: Path
) -> None:
    rule_result(one := make("a", "x"), "y", "removed")
    report = merge_hubs([one, make("b", "yz")], out := tmp_path / "c.duckdb")
    assert report.returned == 1
    with open_hub(out, write=True) as hub:
        assert judge_people(hub, personal=None).judged == 3
        reject(hub, *map(content_id, map(text, "xyz")))
        assert judge_people(hub, personal=None).judged == 1


def test_whoever_has_only_replaced_columns_did_not_come_again(make: Make, tmp_path: Path) -> None:
    rule_result(one := make("a", "x"), "x", "rewritten")
    with open_hub(one, write=True) as hub:
        hub.con.execute('UPDATE rule_results SET "column" = \'name\', file = 1, "row" = 1')
    assert merge_hubs([one, make("b", "y")], tmp_path / "c.duckdb").returned == 0


def test_what_a_run_has_besides_its_people_stays_with_it_and_is_counted(make: Make, tmp_path: Path) -> None:
    with open_hub(one := make("a", "xy"), write=True) as hub:
        hub.con.execute("CREATE TABLE calls AS SELECT range AS call FROM range(7); CREATE TABLE steps (step INTEGER)")
        hub.con.execute("INSERT INTO duplicates VALUES ('joke', 1, 'p', 'q', 2, 1, 'minhash', 0.9, false)")
    report = merge_hubs([one, make("b", "z")], tmp_path / "c.duckdb")
    assert report.left_out == (("calls", 7), ("duplicates among emissions", 1))

"""What tasks draw for each request: uniformly, independently, and never what does not go together."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import chisquare

from populace.agents.action_schema import prompt_of
from populace.agents.turn_prompt import drawn_angle
from populace.core.errors import SetupError
from populace.core.prompt import Prompt, read_prompt
from populace.facade import make
from populace.scenarios.catalog import find_task

TASKS = ("math", "logic", "spatial", "brainteaser", "instruction", "knowledge", "npc", "conversation")
#: 2,000 seeds as calls have them, which are no small numbers in a row.
SEEDS = [7_919 * 10**9 * number % 2**63 for number in range(1, 2_001)]
#: A right generator fails a test of this level once in 10,000 runs; these seeds are always the same.
LEVEL = 1e-4


def prompts_of(task: str) -> Sequence[Prompt]:
    ways: list[dict[str, object]] = [{}, {"between": "personas"}] if task == "conversation" else [{}]
    return [prompt_of(find_task(task)[0](settings).actions) for settings in ways]


def goes_with(prompt: Prompt, table: str, words: Mapping[str, str]) -> list[str]:
    """The words of a table that may be drawn beside these, by what the file says."""
    return [
        word
        for word, phrase in prompt.choices[table].items()
        if phrase and word != "other" and not any(
            theirs in prompt.never.get(table, {}).get(word, {}).get(other, ())
            or word in prompt.never.get(other, {}).get(theirs, {}).get(table, ())
            for other, theirs in words.items()
        )
    ]  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_each_table_is_drawn_uniformly_and_independently_from_what_goes_together(task: str) -> None:
    for prompt in prompts_of(task):
        counts, expected = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
        for words in map(prompt.drawn_words, SEEDS):
            before = dict(prompt.fixed)
            shown = " ".join(prompt.choices[table][word] for table, word in words.items())
            assert {table: prompt.word_in(table, shown) for table in words} == words
            for table, word in words.items():
                fitting = goes_with(prompt, table, before)
                # Alone, and beside what each table before it gave.
                for beside in (("", ""), *before.items()):
                    counts[table, *beside, word] += 1
                    expected.update({(table, *beside, one): 1 / len(fitting) for one in fitting})
                before[table] = word
            assert list(before) == [*prompt.fixed, *(one for one in prompt.draws if one not in prompt.fixed)]
        assert counts.keys() <= expected.keys()
        for cells in {cell[:2] for cell in expected}:
            these = [cell for cell in expected if cell[:2] == cells]
            result = chisquare([counts[cell] for cell in these], [expected[cell] for cell in these])
            assert result.pvalue > LEVEL, (prompt.name, cells)


TWINS = """
name = "twins"
version = 1
about = "Two tables of one length, and a third that excludes."
draws = ["one", "two", "three"]
user = "$angle"

[choices.one]
a = "A."
b = "B."
c = "C."
d = "D."

[choices.two]
a = "a."
b = "b."
c = "c."
d = "d."

[choices.three]
x = "X."
y = "Y."
other = "$three"

[never.one]
a = {three = ["x"]}
"""


@pytest.fixture
def twins(tmp_path: Path) -> Prompt:
    (path := tmp_path / "twins.v1.toml").write_text(TWINS, encoding="utf-8")
    return read_prompt(path)


def test_tables_of_one_length_do_not_share_their_place(twins: Prompt) -> None:
    drawn = [twins.drawn_words(seed) for seed in SEEDS]
    pairs = Counter((words["one"], words["two"]) for words in drawn)
    assert chisquare([pairs[one, two] for one in "abcd" for two in "abcd"]).pvalue > LEVEL
    thirds = Counter((words["one"], words["three"]) for words in drawn)
    assert thirds["a", "x"] == 0
    assert chisquare([thirds[one, three] for one in "bcd" for three in "xy"]).pvalue > LEVEL


def test_a_word_that_is_chosen_is_not_drawn_and_is_respected(twins: Prompt) -> None:
    chosen = replace(twins, fixed={"three": "x"})
    drawn = [chosen.drawn_words(seed) for seed in SEEDS]
    assert {tuple(words) for words in drawn} == {("one", "two")}
    assert {words["one"] for words in drawn} == set("bcd")
    assert drawn_angle(chosen, 1) == drawn_angle(chosen, 1) != ""
    assert drawn_angle(chosen, None) == ""


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ('draws = ["one", "two", "four"]', r"it names the table 'four' and has no \[choices.four\]"),
        ('a = {three = ["z"]}', r"it names the word 'z', which \[choices.three\] does not have"),
    ],
)
def test_a_table_or_word_that_is_missing_is_named(wrong: str, reason: str, tmp_path: Path) -> None:
    right = 'draws = ["one", "two", "three"]' if wrong.startswith("draws") else 'a = {three = ["x"]}'
    (path := tmp_path / "twins.v1.toml").write_text(TWINS.replace(right, wrong), encoding="utf-8")
    with pytest.raises(SetupError, match=reason):
        read_prompt(path)


def test_a_setting_wins_over_the_draw(tmp_path: Path) -> None:
    prompt = prompt_of(find_task("math")[0]({"focus": "Calculus"}).actions)
    drawn = [prompt.drawn_words(seed) for seed in SEEDS]
    assert {"focus"} & drawn[0].keys() == set()
    assert {words["difficulty"] for words in drawn} == {"competition", "university"}
    own = prompt_of(find_task("math")[0]({"focus": "knot theory"}).actions)
    assert {words["difficulty"] for words in map(own.drawn_words, SEEDS)} == {
        "school", "competition", "olympiad", "university"}  # fmt: skip


def test_the_tables_of_a_copied_task_are_edited_in_its_file_and_drawn_phrases_are_in_the_requests(
    tmp_path: Path,
) -> None:
    shutil.copytree(Path("scenarios/brainteaser"), tmp_path / "mine")
    (path := tmp_path / "mine" / "brainteaser.v2.toml").write_text(
        path.read_text("utf-8").replace("\n[choices.voice]\n", '\n[choices.voice]\nghost = "A ghost asks."\n'), "utf-8"
    )
    made = make(str(tmp_path / "mine"), n=30, agents=30, hops=0, out=tmp_path / "made.duckdb")
    ((asked, of_ghosts, with_two),) = made.sql(
        """SELECT count(*), count_if(contains(text, 'A ghost asks.')),
        count_if(contains(text, 'A ghost asks.') AND contains(text, 'A child asks a grown-up.'))
        FROM requests WHERE purpose = 'brainteaser'"""
    ).rows
    assert 0 < of_ghosts < asked
    assert with_two == 0
    ((ghosts, rows, made_of),) = made.sql(
        """SELECT count_if(word = 'ghost'), count(*), (SELECT count(*) FROM emissions) FROM draws
        WHERE choice = 'voice'"""
    ).rows
    assert (ghosts, rows) == (of_ghosts, made_of)


@pytest.mark.parametrize("task", TASKS)
def test_what_is_the_same_in_all_requests_precedes_the_person_and_what_is_drawn_comes_last(task: str) -> None:
    for prompt in prompts_of(task):
        slots = ["$task", "$actions", "$persona", "$observation", "$examples", "$angle", "$language"]
        places = [prompt.user.index(slot) for slot in slots if slot in prompt.user]
        assert places == sorted(places)
        assert {"$task", "$persona", "$angle"} <= {slot for slot in slots if slot in prompt.user}
        assert not any(slot in prompt.system for slot in slots)

"""`populace hub enrich`, as it is given on the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hub_people import make_hub, townsfolk

from populace.personas.hub.file import open_hub

from .conftest import Ask, Said

PEOPLE = 6

type Give = Callable[..., Said]


@pytest.fixture
def give(folder: Path, ask: Ask) -> Give:
    """Give `populace hub enrich` for a hub of six people, `town.duckdb` in the folder."""
    make_hub(folder / "town.duckdb", *townsfolk(PEOPLE))
    return lambda *arguments: ask("hub", "enrich", "town.duckdb", *arguments)


def test_it_says_what_came_of_it_and_that_no_language_model_was_asked(give: Give) -> None:
    said = give("--wiki")
    assert (said.code, said.complaint) == (0, "")
    assert f"profiles           {PEOPLE} of {PEOPLE}\n" in said.out
    assert f"biographies        {PEOPLE} of {PEOPLE}\n" in said.out
    assert "town.enrich.duckdb" in said.out
    assert "no language model wrote it" in said.out


def test_given_again_there_is_nothing_to_do(give: Give) -> None:
    give()
    said = give()
    assert (said.code, said.out) == (0, "There was nothing to do: everybody who was meant has what was wished.\n")


@pytest.mark.parametrize("tier", ["1", "1%"])
def test_a_tier_is_written_with_or_without_its_sign(give: Give, folder: Path, tier: str) -> None:
    assert give("--raise", "chess", "--tier", tier, "--n", "2").code == 0
    with open_hub(folder / "town.duckdb") as hub:
        assert hub.con.execute("SELECT DISTINCT skill, tier FROM elites").fetchall() == [("chess", "1%")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--raise", "chess"], "takes a skill and a tier"),
        (["--tier", "5"], "Invalid value for '--tier'"),
        (["--where", "shoe_size = 43"], "'shoe_size'"),
        (["--n", "0"], "n must be at least 1"),
        (["--model", "oracle"], "There is no model named 'oracle'"),
    ],
)
def test_wrong_wishes_are_one_sentence(give: Give, folder: Path, arguments: list[str], words: str) -> None:
    give(*arguments).complains(2, words)
    assert not list(folder.glob("*.enrich*"))


def test_a_spent_budget_says_how_to_go_on(give: Give) -> None:
    give("--max-calls", "2").complains(3, "Paused.", "give the same command again")
    assert give().code == 0


def test_a_model_that_cannot_be_reached_leaves_the_way_free_for_another(give: Give) -> None:
    give("--model", "openai:m", "--base-url", "http://127.0.0.1:9/v1").complains(1, "give the same command again")
    said = give()
    assert said.code == 0
    assert "town.enrich-2.duckdb" in said.out

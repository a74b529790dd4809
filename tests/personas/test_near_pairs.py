"""Near-duplicates in ten languages: what is found of labelled pairs, and what is taken for one and is none."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from populace.personas.dedup import NearDuplicates

SAID = tomllib.loads(Path(__file__).with_name("near_pairs.toml").read_text("utf-8"))


def pairs(tag: str, half: str) -> Iterator[tuple[str, str, str]]:
    """How the second text of each pair differs from the first: `word` and `more` say the same, the others do not."""
    said = SAID[tag]
    *roles, (third,) = said["roles"]
    for a, b in roles[:2] if half == "tune" else roles[2:]:
        for kind, (one, other) in (("person", said["numbers"][:2]), ("problem", said["numbers"][2:])):
            first = {"a": a, "b": b, "n": one, "w": said["word"][0], "i": ""}
            for what, change in {
                "word": {"w": said["word"][1]},
                "more": {"i": said["more"]},
                "swap": {"a": b, "b": a},
                "number": {"n": other},
                "role": {"a": third},
            }.items():
                yield what, said[kind].format(**first), said[kind].format(**{**first, **change})


def found(tag: str, half: str, *, ordered: bool) -> dict[str, int]:
    numbers = Counter[str]()
    for what, one, other in pairs(tag, half):
        index = NearDuplicates[str](ordered=ordered)
        assert index.add("one", one) is None
        numbers[what] += index.find(other) is not None
    return dict(numbers)


@pytest.mark.parametrize("tag", SAID)
@pytest.mark.parametrize(("half", "each"), [("tune", 4), ("held", 6)])
def test_outputs_with_other_numbers_or_roles_exchanged_are_no_near_duplicates(tag: str, half: str, each: int) -> None:
    """Of a text of some 22 words: an edit of one word repeats it, and so does another profession, which is one word."""
    numbers = found(tag, half, ordered=True)
    # In the person of the Spanish set two words change.
    assert numbers["word"] == (each // 2 if tag == "es" else each)
    assert (numbers["more"], numbers["number"]) == (each, 0)
    # Bits that tell pairs of neighbours fall on each other once in some 30 texts.
    assert numbers["swap"] == ((tag, half) == ("ko", "tune"))
    assert numbers["role"] >= each - 2


@pytest.mark.parametrize("tag", SAID)
def test_of_people_order_and_numbers_count_where_each_character_is_a_word(tag: str) -> None:
    numbers = found(tag, "held", ordered=False)
    assert (numbers["swap"], numbers["number"]) == ((0, 0) if tag in ("zh", "ja", "ko", "th") else (6, 6))
    assert numbers["word"] == (3 if tag == "es" else 6)
    assert numbers["more"] == 6


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("医生的老师住在城里，养蜜蜂，也唱歌。", "老师的医生住在城里，养蜜蜂，也唱歌。"),
        ("一位四十岁的护士住在海边的小城里。", "一位四十一岁的护士住在海边的小城里。"),
        ("一位４０岁的护士住在海边的小城里。", "一位41岁的护士住在海边的小城里。"),
    ],
)
def test_characters_in_other_places_are_another_text(one: str, other: str) -> None:
    index = NearDuplicates[str]()
    assert index.add("one", one) is None
    assert index.find(other) is None
    match = index.find(one.replace("４０", "40"))
    assert match is not None
    assert match.similarity == 1


def test_numbers_of_long_texts_are_words_as_others() -> None:
    text = " ".join(f"word{n}" for n in range(200))
    index = NearDuplicates[str](ordered=True)
    index.add("one", f"{text} 40")
    assert index.find(f"{text} 41") is not None

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import strategies as st
from properties import holds

from populace.personas.rules import Policy, find_personal, personal_judge, without_personal
from populace.personas.rules.languages import is_invented
from populace.personas.rules.personal import Pseudonyms, pseudonym
from populace.personas.rules.quality import rows_to_search

#: What is personal stands between double brackets.
LINES = (Path(__file__).with_name("lines") / "personal.txt").read_text(encoding="utf-8").splitlines()
#: Lines whose names no list has, and no word around them says that they are names: the net's holes.
HOLES = ("Fela Kuti", "Rigoberta Menchú")


def plain(line: str) -> str:
    return line.replace("[[", "").replace("]]", "")


def found(text: str) -> list[str]:
    return [text[piece.start : piece.end] for piece in find_personal(text)]


@pytest.mark.parametrize("line", [line for line in LINES if not any(hole in line for hole in HOLES)])
def test_what_is_personal_is_found_and_nothing_else(line: str) -> None:
    assert found(plain(line)) == re.findall(r"\[\[(.*?)\]\]", line)


@pytest.mark.parametrize("hole", HOLES)
def test_some_names_pass_through_the_net(hole: str) -> None:
    (line,) = (line for line in LINES if hole in line)
    assert found(plain(line)) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("A potter who answers at clay.shop@example.org on weekdays", "email"),
        ("A potter who shows her work on https://example.org/pots", "url"),
        ("A dancer whom many follow as @dancing_anew every day", "handle"),
        ("A clerk to be called at +351 912 345 678 after six", "phone"),
        ("A saver whose account is DE89 3704 0044 0532 0130 00 at a bank", "iban"),
        ("A buyer who pays with 4111 1111 1111 1111 in every shop", "payment_card"),
        ("A worker with the number 078-05-1120 on her card", "social_security"),
        ("An engineer whose server is 192.168.17.4 at home", "ip_address"),
        ("A baker at 12 Orchard Road who opens at five", "street_address"),
        ("A traveller with passport number X1234567 in his boot", "identity_number"),
        ("一名身份证号码为11010519491231002X的工人", "identity_number"),
        ("A woman born on 12 May 1961 in Porto", "birth_date"),
        ("A nurse called Margaret Holloway from a town by the sea", "name"),
    ],
)
def test_each_kind_is_found(text: str, kind: str) -> None:
    assert [piece.kind for piece in find_personal(text)] == [kind]


def test_a_name_is_found_without_the_ending_of_its_owner() -> None:
    text = "A driver of Elon Musk's first car and of James’ last one"
    assert found(text) == ["Elon Musk"]
    assert "'s first car" in without_personal(text, find_personal(text))


def test_pseudonyms_are_the_same_for_the_same_name() -> None:
    texts = ["A nurse called Margaret Holloway", "The brother of Margaret Holloway, by the sea"]
    names = Pseudonyms()
    changed = [without_personal(text, find_personal(text), names) for text in texts]
    name = changed[0].removeprefix("A nurse called ")
    assert name != "Margaret Holloway"
    assert changed[1] == f"The brother of {name}, by the sea"


def test_pseudonyms_of_different_names_differ() -> None:
    names = [
        f"{first}{middle} {last}{middle}" for first, middle, last in product("ABCDEFGHIJ", range(50), "KLMNOPQRST")
    ]
    assert len({pseudonym(name, b"key") for name in names}) == len(names) == 5_000


@pytest.mark.parametrize("line", LINES)
def test_what_has_been_replaced_is_not_found_again(line: str) -> None:
    now = without_personal(plain(line), find_personal(plain(line)), Pseudonyms())
    assert find_personal(now) == ()


@pytest.mark.parametrize("around", ["A nurse named {}", "{}, the founder of a school", "Dr. {}", "The poet {} sings"])
@holds(name=st.text(min_size=1))
def test_an_invented_name_is_never_found(around: str, name: str) -> None:
    assert is_invented(pseudonym(name, b"key"))
    assert find_personal(around.format(pseudonym(name, b"key"))) == ()


def test_each_policy_does_what_it_says() -> None:
    text = "A potter who answers at clay.shop@example.org on weekdays"
    kept, changed, dropped = (personal_judge(policy)(text) for policy in Policy)
    assert kept
    assert changed
    assert dropped
    assert (kept.is_kept, changed.is_kept, dropped.is_kept) == (True, True, False)
    assert (kept.text, changed.text) == (None, "A potter who answers at [email] on weekdays")
    assert all("example" not in result.reason for result in (kept, changed, dropped))


@holds(st.text())
def test_what_is_found_lies_in_the_text_and_does_not_overlap(text: str) -> None:
    pieces = find_personal(text)
    ends = [0, *(piece.end for piece in pieces)]
    assert all(end <= piece.start < piece.end <= len(text) for end, piece in zip(ends, pieces, strict=False))


def test_no_line_with_personal_data_is_passed_over_by_the_quick_look() -> None:
    texts = [plain(line) for line in LINES]
    suspected = set(rows_to_search(texts))
    assert [text for place, text in enumerate(texts) if find_personal(text) and place not in suspected] == []
    assert len(suspected) < len(texts)


_PIECES = st.sampled_from(sorted({piece for line in LINES for piece in re.findall(r"[\w'’@.+-]+|\W", plain(line))}))


@holds(st.lists(_PIECES, max_size=12))
def test_the_quick_look_finds_whatever_is_found(pieces: list[str]) -> None:
    for text in ("".join(pieces), " ".join(pieces)):
        assert not find_personal(text) or rows_to_search([text]) == [0]

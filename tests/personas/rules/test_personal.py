import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.personas.rules import Policy, find_personal, personal_judge, without_personal


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("A potter who answers at clay.shop@example.org on weekdays", "email"),
        ("A potter who shows her work on https://example.org/pots", "url"),
        ("A dancer whom many follow as @dancing_anew every day", "handle"),
        ("A clerk to be called at +351 912 345 678 after six", "phone"),
        ("A clerk to be called at (020) 7946-0958 after six", "phone"),
        ("A saver whose account is DE89 3704 0044 0532 0130 00 at a bank", "iban"),
        ("A buyer who pays with 4111 1111 1111 1111 in every shop", "payment_card"),
        ("A worker with the number 078-05-1120 on her card", "social_security"),
        ("An engineer whose server is 192.168.17.4 at home", "ip_address"),
        ("A baker at 12 Orchard Road who opens at five", "street_address"),
        ("Eine Bäckerin in der Lindenstraße 12 mit zwei Öfen", "street_address"),
        ("A nurse called Margaret Holloway from a town by the sea", "name"),
        ("A pupil of Dr. Wexcombe who paints only doors", "name"),
        ("A friend of Vincent van Hollen and his two dogs", "name"),
    ],
)
def test_each_kind_is_found(text: str, kind: str) -> None:
    assert [found.kind for found in find_personal(text)] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "A historian of the years 1939-1945 in New York and the Hague",
        "A retired nurse from Porto, aged 67, with 12 grandchildren and 3 cats",
        "A guide in the Grand Canyon who speaks Navajo and High German",
        "A clerk born on 12.05.1961 in a village of 2,345,678 olive trees",
        "一位在上海工作的护士，喜欢唱歌",
    ],
)
def test_what_tells_on_nobody_is_left_alone(text: str) -> None:
    assert find_personal(text) == ()


def test_pseudonyms_are_the_same_for_the_same_name() -> None:
    texts = ["A nurse called Margaret Holloway", "The brother of Margaret Holloway, by the sea"]
    changed = [without_personal(text, find_personal(text)) for text in texts]
    name = changed[0].removeprefix("A nurse called ")
    assert name != "Margaret Holloway"
    assert changed[1] == f"The brother of {name}, by the sea"


def test_each_policy_does_what_it_says() -> None:
    text = "A potter who answers at clay.shop@example.org on weekdays"
    kept, changed, dropped = (personal_judge(policy)(text) for policy in Policy)
    assert kept
    assert changed
    assert dropped
    assert (kept.is_kept, changed.is_kept, dropped.is_kept) == (True, True, False)
    assert (kept.text, changed.text) == (None, "A potter who answers at [email] on weekdays")
    assert all("example" not in ruling.reason for ruling in (kept, changed, dropped))


@given(st.text())
def test_what_is_found_lies_in_the_text_and_does_not_overlap(text: str) -> None:
    found = find_personal(text)
    ends = [0, *(f.end for f in found)]
    assert all(end <= f.start < f.end <= len(text) for end, f in zip(ends, found, strict=False))

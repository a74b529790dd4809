"""The sign of a number counts in near-duplicates of outputs; hyphens of words and ranges do not."""

import pytest

from populace.personas.dedup.near_duplicates import NearDuplicates

TEXT = (
    "The lake froze when the air fell to {} degrees at dawn, and the fishermen of the north shore waited before "
    "walking out on the ice with their old dogs and sleds behind them"
)
CHINESE = "昨天早上湖边的气温降到了{}度，北岸的渔民们等了很久才敢走到冰面上去，他们的狗和雪橇都跟在后面一起走"


def is_repeated(one: str, other: str) -> bool:
    """Whether the second text repeats the first, asked for both at once and one by one."""
    index = NearDuplicates[int](ordered=True)
    index.add(0, one)
    found = index.find(other) is not None
    assert (NearDuplicates[int](ordered=True).add_all([0, 1], [one, other])[1] is not None) == found
    return found


@pytest.mark.parametrize("text", [TEXT, CHINESE])
@pytest.mark.parametrize(
    ("one", "other"), [("-3", "3"), ("−3", "3"), ("–3", "3"), ("-0.5", "0.5"), ("-$4", "$4"), ("$x^{-2}$", "$x^{2}$")]
)
def test_a_number_and_its_negative_differ(text: str, one: str, other: str) -> None:
    assert not is_repeated(text.format(one), text.format(other))
    assert not is_repeated(text.format(other), text.format(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [("−3", "-3"), ("3-5", "3–5"), ("3-5", "3 5"), ("COVID-19", "COVID 19"), ("well-known", "well known"),
     ("2024-01-05", "2024 01 05"), ("5%-10%", "5% 10%"), ("- 3", "3"), ("--3", "3")],
)  # fmt: skip
def test_hyphens_of_words_and_ranges_are_no_signs(one: str, other: str) -> None:
    assert is_repeated(TEXT.format(one), TEXT.format(other))

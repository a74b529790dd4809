"""Lines of a text that comes in parts, none longer than memory can hold."""

from collections.abc import Iterable, Iterator

__all__ = ["LONGEST_LINE", "iter_lines"]

#: Most characters of a line; a longer one is passed over without being held.
LONGEST_LINE = 1 << 23


def iter_lines(parts: Iterable[str]) -> Iterator[str | None]:
    """The lines without their ends; None in the place of one that is longer than `LONGEST_LINE`."""
    held, is_long = "", False
    for part in parts:
        *whole, rest = part.split("\n")
        for line in whole:
            yield None if is_long or len(held) + len(line) > LONGEST_LINE else held + line
            held, is_long = "", False
        is_long = is_long or len(held) + len(rest) > LONGEST_LINE
        held = "" if is_long else held + rest
    if held or is_long:
        yield None if is_long else held

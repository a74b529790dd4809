"""Reads fields of what an endpoint sent: each has a type and a range, and a value outside them is unknown."""

import math
from collections.abc import Mapping
from typing import Any

#: Decoded bytes of a response that are read at most, where nothing else is said.
MOST_BYTES = 16 * 2**20
#: The largest count of tokens that is taken for one: no model reads or writes a thousandth of it in a call.
MOST_TOKENS = 10**9
#: Characters of a finish reason, a name or a fingerprint.
_LONGEST = 256
#: Seconds that an endpoint may ask for.
_LONGEST_WAIT = 7 * 86_400.0
#: Numbers below it are shown.
_LONG = 10**40


class FieldReader:
    """Reads an object of untrusted JSON. Fields that are absent or null are None.

    So are those of a wrong type or out of range; `invalid` names these, with the value where it is a number.
    """

    def __init__(self, data: object, *, path: str = "", invalid: list[str] | None = None) -> None:
        self.invalid: list[str] = [] if invalid is None else invalid
        self._path = path
        self._data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        if data is not None and not isinstance(data, Mapping):
            self.reject(path.rstrip("."), data)

    def reject(self, place: str, value: object) -> None:
        """Record that a value is not usable."""
        # Text of any kind may stand where a number should, and has no place in a note.
        is_short = isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < _LONG)
        self.invalid.append(f"{place}={value if is_short else type(value).__name__}")

    def object(self, name: str) -> "FieldReader":
        """Return a reader of an object in this one, or of an empty object if there is none."""
        return FieldReader(self._data.get(name), path=f"{self._path}{name}.", invalid=self.invalid)

    def count(self, name: str, most: int = MOST_TOKENS) -> int | None:
        """Return a whole number from 0 to `most`, or None for any other value."""
        value = self._data.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            return value
        self._note(name)
        return None

    def count_ending(self, name: str, most: int = MOST_TOKENS) -> int | None:
        """Return the count whose name ends with `name`.

        langchain-openai puts the service tier before it (`priority_cache_read`).
        """
        return self.count(next((key for key in self._data if str(key).endswith(name)), name), most)

    def text(self, name: str, longest: int = _LONGEST) -> str | None:
        """Return a text of at most `longest` characters, or None for any other value."""
        value = self._data.get(name)
        if isinstance(value, str) and len(value) <= longest and is_encodable(value):
            return value
        self._note(name)
        return None

    def _note(self, name: str) -> None:
        if (value := self._data.get(name)) is not None:
            self.reject(f"{self._path}{name}", value)


def is_encodable(text: str) -> bool:
    """Return whether a text can be written. A str can hold half a surrogate pair, but a file cannot."""
    return text.isascii() or text.encode("utf-8", "replace").decode() == text


def read_seconds(text: str | None, *, scale: float = 1.0) -> float | None:
    """Return the seconds in a header, from 0 to a week, or None for anything else."""
    try:
        return check_seconds(float(text or "") * scale)
    except ValueError:
        return None


def check_seconds(seconds: float) -> float | None:
    """Return the seconds that an endpoint asks for, or 0 for a time in the past.

    Return None for more than a week, or for something that is not a finite number.
    """
    return max(0.0, seconds) if math.isfinite(seconds) and seconds <= _LONGEST_WAIT else None

"""Invented names for names of people, drawn with a secret key that is kept in a file of its own.

Without the key nobody can tell whose a pseudonym is, not even by trying every name. A hub or a run has its own key, in
`HUB.key` beside it with mode 0600, which no export, merge or copy takes along: the same person has different pseudonyms
in different hubs, unless a hub is given the key of another one (`use_key`).
"""

import secrets
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from string import ascii_uppercase

from ...core.errors import SetupError, parameter
from ...core.files import make_file
from .languages import invented_parts

_BYTES = 32
_INITIALS = tuple(ascii_uppercase)


class Pseudonyms:
    """One pseudonym for each name. The key is read, or made, when the first name is replaced."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` is the file of the key; without one, a key is drawn that is kept nowhere."""
        self._path = path
        self._key = secrets.token_bytes(_BYTES) if path is None else None

    @classmethod
    def of(cls, database: Path) -> "Pseudonyms":
        """Return those of a hub or a run."""
        return cls(key_path(database))

    def replace(self, name: str) -> str:
        """The pseudonym of a name."""
        if self._key is None and self._path is not None:
            self._key = _read_key(self._path) if self._path.exists() else _make_key(self._path)
        return pseudonym(name, self._key or b"")


def key_path(database: Path) -> Path:
    """Where the key of a hub or a run lies."""
    return database.with_name(f"{database.name}.key")


def use_key(database: Path, given: Path) -> None:
    """Give a hub or a run this key, of which it gets a copy: its pseudonyms are those of all others with the key.

    A file that is not there yet is made. Raises `SetupError` for a file that holds no key, and for a hub that has
    another key already.
    """
    key = _read_key(given) if given.exists() else _make_key(given)
    path = key_path(database)
    if not path.exists():
        _write_key(path, key)
    elif _read_key(path) != key:
        raise SetupError(
            f"{str(database)!r} has another key already, in {str(path)!r}; leave {parameter('key')} out, or make a new "
            "hub with this key: with two keys in one hub, one name would have two pseudonyms."
        )


def copy_key(database: Path, to: Path) -> None:
    """Give what repeats or continues a run the run's key."""
    if (path := key_path(database)).exists():
        use_key(to, path)


def pseudonym(name: str, key: bytes) -> str:
    """An invented name in Latin letters for a name in any script: one word for one word.

    There are about 3 * 10 ** 9 of them, and 80,000 of one word. The chance that any two of 10,000 names get the same
    one is one in sixty.
    """
    folded = " ".join(name.casefold().split())
    number = int.from_bytes(blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16, key=key).digest())
    picked = []
    for part in _kinds_of_parts():
        number, place = divmod(number, len(part))
        picked.append(part[place])
    last = "".join(picked[:3])
    return f"{picked[3]}{picked[4]} {picked[5]}. {last}" if " " in folded or not folded.isascii() else last


@cache
def _kinds_of_parts() -> tuple[Sequence[str], ...]:
    return (*map(invented_parts, ("onsets", "middles", "lasts", "onsets", "firsts")), _INITIALS)


def _make_key(path: Path) -> bytes:
    key = secrets.token_bytes(_BYTES)
    _write_key(path, key)
    return _read_key(path)


def _write_key(path: Path, key: bytes) -> None:
    try:
        make_file(path, private=True)
        path.write_text(f"{key.hex()}\n", encoding="ascii")
    except FileExistsError:
        return  # another process was first
    except OSError as error:
        raise SetupError(
            f"The key of the pseudonyms cannot be written to {str(path)!r} ({error.strerror}); give a folder that can "
            "be written, or keep the names."
        ) from error


def _read_key(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="ascii").strip()
        key = bytes.fromhex(text)
    except (OSError, ValueError) as error:
        raise SetupError(f"{str(path)!r} cannot be read as a key of pseudonyms: {error}.") from error
    if len(key) != _BYTES:
        raise SetupError(f"{str(path)!r} holds no key of pseudonyms: one is {2 * _BYTES} hexadecimal digits.")
    return key

"""Personal data in descriptions: contacts, numbers, people called by full names; and the pseudonyms that replace names.

Detection is by patterns, by lists of common names and by context. It is no proof that a text is free of personal data:
a name that is in no list and has no telling context, and names in scripts that are not known are not found. How much is
found is measured in tests/personas/rules/test_biographies.py.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import cache, lru_cache
from hashlib import blake2b
from pathlib import Path
from string import ascii_uppercase

from ...core.errors import SetupError, parameter
from ...core.files import make_file
from ..judgement import Judge, Redaction, RuleResult
from .columns import ColumnKind, column_of, is_empty, json_pointer, leftover_words, rewrite_strings
from .contacts import KINDS, PersonalDataSpan, find_contacts
from .languages import MARKS, folded, invented_parts, is_invented, name_words
from .mentions import begins_sentence, find_mentions
from .names import (
    OWNER,
    PARTICLE,
    context_words,
    find_foreign_names,
    find_names,
    has_deed_behind,
    is_given,
    is_surname,
    is_word,
    short_forms,
)

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


#: A word in any script, with combining marks, hyphens and apostrophes.
_MARKED = rf"(?:[^\W\d_]|[{MARKS}])+"
_WORD = re.compile(rf"{_MARKED}(?:['’‑-]{_MARKED})*")
#: Characters of scripts that put no spaces between words, or particles behind them.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff가-힣]")
_DOUBLED = re.compile(r"([kpt])\1")
_PARTICLES = re.compile(rf"(?i:\b{PARTICLE}+)$")
#: Before a word that is a name too, but not here: "in March", "the Jordan".
_BEFORE_THINGS = re.compile(r"\b(?:the|a|an|in|on|at|every|each|last|next|this|since|until|early|late|no) $")
_DIVIDED = re.compile(r"['’‑-]")
_BEHIND = re.compile(r" ([^\W\d_]\S*)")
#: The most characters of the particles before a surname.
_BEFORE = 16
#: The fewest letters of a stem, and the most that an inflection adds or changes.
_STEM, _ENDING = 4, 3
_LAST_LATIN = 0x24F


class People:
    """The people whom a record names. A shorter form belongs to the first longer name that it fits."""

    def __init__(self, names: Iterable[str], certain: Iterable[str] = ()) -> None:
        """`certain` are those of the names whose parts count in small letters too."""
        self._certain = {part for name in certain for word in words_of(name) for part in (word, *_DIVIDED.split(word))}
        self._wholes: dict[tuple[str, ...], str] = {}
        self._parts: dict[str, str] = {}
        #: Parts by the letters that an inflected form has too.
        self._stems: dict[str, list[str]] = {}
        listed = {(words_of(name), name) for name in names if not is_invented(name)}
        # Sorted, so that a form that fits two people is always the same one's.
        for words, name in sorted(listed, key=lambda one: (-min(len(one[0]), 2), not short_forms(one[1]), one)):
            if words and (whole := self.whole_of(name)) == name:
                self._wholes.setdefault(words, whole)
                for word in words:
                    for part in {word, *(_DIVIDED.split(word) if len(word) > 2 else ())}:
                        is_part = len(part) > 1 and (len(part) > 2 or part == word) and part not in _no_parts()
                        if is_part and part not in self._parts:
                            self._parts[part] = whole
                            self._stems.setdefault(_single_consonants(part)[:_STEM], []).append(part)

    def whole_of(self, name: str) -> str:
        """The longer name that this is a form of; the name itself where there is none."""
        words = words_of(name)
        if words in self._wholes:
            return self._wholes[words]
        for whole, said in self._wholes.items():
            if words and len(words) <= len(whole) and (_is_form(words, whole) or name in short_forms(said)):
                return said
        return self._find_inflected(words[0]) or name if len(words) == 1 else name

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """The places (end excluded) of these names and their parts in a text, inflected or not, and whose they are."""
        for whole in self._wholes.values():
            # Scripts without spaces have no words to compare.
            if _UNSPACED.match(whole):
                forms = "|".join(map(re.escape, (whole, *short_forms(whole))))
                apart = "(?<![가-힣])" if "가" <= whole[0] <= "힣" else ""
                yield from ((m.start(), m.end(), whole) for m in re.finditer(f"{apart}(?:{forms})", text))
        for token in _WORD.finditer(text) if self._parts else ():
            word = folded(OWNER.sub("", token[0]))
            is_capital = token[0][0].isupper()
            said = self._parts.get(word) or (self._find_inflected(word) if is_capital else None)
            is_written = is_capital or ord(token[0][0]) > _LAST_LATIN or word in self._certain
            if said is not None and is_written and _is_meant(text, token, word):
                owner, particles = (
                    OWNER.search(token[0]),
                    _PARTICLES.search(text, max(0, token.start() - _BEFORE), token.start()),
                )
                start = particles.start() if particles and folded(particles[0]) in folded(said) else token.start()
                yield start, token.end() - (len(owner[0]) if owner else 0), said

    def _find_inflected(self, word: str) -> str | None:
        near = self._stems.get(_single_consonants(word)[:_STEM], ())
        if not near or len(word) < _STEM or is_word(word) or context_words().is_place(word):
            return None
        for part in near:
            whole, shared = self._parts[part], _count_shared(_single_consonants(word), _single_consonants(part))
            is_ending = shared >= max(_STEM, len(part) - _ENDING) and len(word) - shared <= _ENDING
            if is_ending and (word in (f"{part}s", f"{part}es") or not (is_given(word) or is_surname(word))):
                return whole
            if shared == len(word) and len(part) - shared > 1:  # Encarna, of Encarnación
                return whole
        return None


@cache
def _no_parts() -> frozenset[str]:
    particles = "al bin da das de del della den der di do dos du e el ibn la le st ten ter van von y zu zur"
    return frozenset((*name_words()["titles"], *particles.split()))


@lru_cache(maxsize=65_536)
def words_of(name: str) -> tuple[str, ...]:
    """The words of a name without titles, cases and accents, its surname last."""
    last, comma, first = name.partition(", ")
    words = (folded(OWNER.sub("", word)) for word in _WORD.findall(f"{first} {last}" if comma else name))
    return tuple(word for word in words if word not in name_words()["titles"] or len(word) < 2)


def written_as(piece: str, whole: str, pseudonym: str) -> str:
    """The pseudonym of a person in the form in which a piece of text has the name: whole, given name or surname."""
    words, wholes = words_of(piece), words_of(whole)
    if words == wholes or not words or " " not in pseudonym:
        return pseudonym
    first, *_, last = pseudonym.split(" ")
    is_last = _count_shared(words[-1], wholes[-1]) >= min(_STEM, len(wholes[-1])) or words[-1] in wholes[-1].split("-")
    if len(words) == 1:
        return last if is_last else f"{first[0]}." if len(words[0]) == 1 else first
    given = f"{first[0]}." if len(words[0]) == 1 else first
    return f"{given} {last}" if is_last else given


def _is_form(words: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    """Whether all words are words of the whole name, or initials before its surname."""
    if len(words) == 1:
        return len(words[0]) > 1 and (words[0] in whole or words[0] in whole[-1].split("-"))
    if len(whole) < 2 or words[-1] != whole[-1]:
        return set(words) < set(whole)
    return all(
        word in whole or (len(word) == 1 and any(one.startswith(word) for one in whole[:-1])) for word in words[:-1]
    )


def _is_meant(text: str, token: re.Match[str], word: str) -> bool:
    """Whether a word that is a part of a name stands for the person here."""
    lists, start, end = name_words(), token.start(), token.end()
    is_ordinary = is_word(word) or word in lists["also_words"] or word in lists["surname_words"]
    if not token[0][0].isupper() and ord(token[0][0]) <= _LAST_LATIN:
        return not is_ordinary and len(word) > 2
    behind = _BEHIND.match(text, end)
    follows = folded(OWNER.sub("", behind[1].strip(".,;:!?"))) if behind and behind[1][0].isupper() else ""
    if follows in lists["bodies"] or text.startswith(" &", end) or (follows and text.endswith("the ", 0, start)):
        return False
    is_place = context_words().is_place(word)
    if OWNER.search(token[0]) or not (is_ordinary or is_place):
        return True
    if _BEFORE_THINGS.search(text, max(0, start - 10), start):
        return False
    if has_deed_behind(text, end):
        return not (is_place and text.startswith((" is ", " was "), end))
    return not (follows or (is_place and text.endswith((" to ", " from "), 0, start)) or begins_sentence(text, start))


def _single_consonants(word: str) -> str:
    """Write doubled consonants once, as Finnish inflection does: Matti, Matin."""
    return _DOUBLED.sub(r"\1", word)


def _count_shared(one: str, other: str) -> int:
    """How many letters two words share from the beginning."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


#: The name of the rule on personal data.
PERSONAL_RULE = "personal_data"


class Policy(StrEnum):
    """What happens to a description with personal data, from the mildest policy to the strictest."""

    #: It is admitted, and the finding is recorded.
    KEEP = "keep"
    #: The data are replaced: equal names by equal pseudonyms, everything else by its kind, as `[email]`.
    PSEUDONYMISE = "pseudonymise"
    #: It is not admitted.
    DROP = "drop"


_DONE = {
    Policy.KEEP: "It was kept.",
    Policy.PSEUDONYMISE: "It was replaced.",
    Policy.DROP: "It was rejected.",
}


_PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(KINDS)})\]")
_HAS_DATA = re.compile(r"\d|@")


def find_personal(text: str, wholes: Iterable[str] = ()) -> tuple[PersonalDataSpan, ...]:
    """The personal data in a text, in order and without overlaps; `wholes` are names found elsewhere in its record.

    Parts and other forms of a name (a surname, a given name, initials) count wherever the text or its record has it.
    """
    found, wholes = _find_alone(text), tuple(wholes)
    names = [*wholes, *(text[piece.start : piece.end] for piece in found if piece.kind == "name")]
    if not names:
        return found
    people = People(names, certain=wholes)
    # First what was found in full: of two pieces that begin alike the longer one stays.
    found = _keep_apart([*found, *(PersonalDataSpan("name", *piece) for piece in people.find(text))])
    return tuple(
        replace(f, whole=people.whole_of(text[f.start : f.end])) if f.kind == "name" and not f.whole else f
        for f in found
    )


def personal_changes(
    text: str,
    columns: Mapping[str, ColumnKind] | None = None,
    pseudonyms: Pseudonyms | None = None,
    wholes: Iterable[str] = (),
    *,
    with_keys: bool = False,
) -> tuple[str, tuple[Redaction, ...]]:
    """The text without its personal data, and each piece that was replaced; in JSON, the strings inside are searched.

    `columns` gives the kinds of the values of a JSON object, by pointer (`*` for any place in a list); other columns
    count as text. Numbers are searched when their column is personal. Without `pseudonyms`, `[name]` replaces a name.
    Names in any value of a JSON object, and `wholes`, count in all its values, whole and in part;
    with `with_keys` names that are keys are replaced too.
    """
    changes: list[Redaction] = []
    if columns is not None:
        wholes = (*wholes, *find_record_names(text, columns))

    def rewrite(path: tuple[str, ...], value: str) -> str:
        column = json_pointer(path) if path and columns is not None else None
        kind = columns.get(json_pointer(column_of(path))) if path and columns is not None else None
        found = _find_of_kind(value, kind or ColumnKind.TEXT, wholes)
        changes.extend(
            Redaction(f.kind, value, f.start, value[f.start : f.end], _replace_piece(value, f, pseudonyms), column)
            for f in found
        )
        return without_personal(value, found, pseudonyms)

    numbers = any(kind.is_personal for kind in columns.values()) if columns else False
    now = rewrite_strings(text, rewrite, numbers=numbers, keys=with_keys)
    return now, tuple(changes)


def without_personal(text: str, found: Iterable[PersonalDataSpan], pseudonyms: Pseudonyms | None = None) -> str:
    """The text with each piece replaced: names by their pseudonyms, everything else by the name of its kind."""
    parts, end = [], 0
    for finding in found:
        parts += [text[end : finding.start], _replace_piece(text, finding, pseudonyms)]
        end = finding.end
    return "".join(parts) + text[end:]


def find_record_names(attributes: str, columns: Mapping[str, ColumnKind]) -> tuple[str, ...]:
    """The names in a row, a JSON object or a text: the values of its columns of names, and those found in its texts."""
    found: list[str] = []

    def add(path: tuple[str, ...], value: str) -> str:
        kind = columns.get(json_pointer(column_of(path)), ColumnKind.TEXT) if path else ColumnKind.TEXT
        if kind is ColumnKind.NAME and not is_empty(value):
            found.append(value.strip())
        elif kind is ColumnKind.TEXT:
            found.extend(value[piece.start : piece.end] for piece in _find_alone(value) if piece.kind == "name")
        return value

    rewrite_strings(attributes, add)
    return tuple(dict.fromkeys(found))


def personal_judge(policy: Policy, pseudonyms: Pseudonyms | None = None, wholes: Iterable[str] = ()) -> Judge:
    """A judge that finds personal data and applies `policy`; its reasons name kinds, never the data."""
    # No key is made where no name is replaced.
    names = pseudonyms if policy is Policy.PSEUDONYMISE else None

    def judge(text: str) -> RuleResult | None:
        changed, changes = personal_changes(text, pseudonyms=names, wholes=wholes)
        if not changes:
            return None
        is_kept = policy is not Policy.DROP
        now = changed if policy is Policy.PSEUDONYMISE else None
        return RuleResult(
            PERSONAL_RULE, reason_of(changes, policy), is_kept, now, is_erased=not is_kept, changes=changes
        )

    return judge


def reason_of(changes: Iterable[Redaction], policy: Policy) -> str:
    """The reason of a rule result in one sentence, which names kinds and never the data."""
    return f"It holds {', '.join(sorted({change.kind for change in changes}))}. {_DONE[policy]}"


def _replace_piece(text: str, finding: PersonalDataSpan, pseudonyms: Pseudonyms | None) -> str:
    if finding.kind != "name" or pseudonyms is None:
        return f"[{finding.kind}]"
    piece = text[finding.start : finding.end]
    whole = finding.whole or piece
    return written_as(piece, whole, pseudonyms.replace(whole))


def _find_of_kind(value: str, kind: ColumnKind, wholes: Iterable[str] = ()) -> tuple[PersonalDataSpan, ...]:
    """The personal data in a value of a column of this kind."""
    if kind is ColumnKind.IDENTIFIER:
        # The query of a link may contain an address.
        return _keep_apart(f for f in find_contacts(value) if f.kind == "email") if "@" in value else ()
    if kind is ColumnKind.TERM:
        return _keep_apart(find_contacts(value))
    plain = value.strip()
    if not kind.is_personal or is_empty(value) or _PLACEHOLDER.search(plain):
        return find_personal(value, wholes)
    if kind is ColumnKind.NAME:
        found = find_personal(value)
        if is_invented(plain) or (found and _is_covered(found, value)):
            return found
    elif kind is not ColumnKind.HANDLE and not _HAS_DATA.search(plain):
        return find_personal(value)
    start = value.index(plain)
    return (PersonalDataSpan(str(kind), start, start + len(plain)),)


def _is_covered(found: Iterable[PersonalDataSpan], value: str) -> bool:
    """Whether only titles and punctuation are left of a value without these pieces."""
    parts, end = [], 0
    for finding in found:
        parts.append(value[end : finding.start])
        end = finding.end
    return not leftover_words(" ".join((*parts, value[end:])))


def _keep_apart(found: Iterable[PersonalDataSpan]) -> tuple[PersonalDataSpan, ...]:
    """The pieces without overlaps, in order; of two, the one that begins first or is longer."""
    kept: list[PersonalDataSpan] = []
    for finding in sorted(found, key=lambda f: (f.start, f.start - f.end)):
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
    return tuple(kept)


# The first pass over a record is followed by one that replaces, so each text is searched twice.
@lru_cache(maxsize=4096)
def _find_alone(text: str) -> tuple[PersonalDataSpan, ...]:
    """What is found in a text without its record."""
    return _keep_apart(_find_all(text))


def _find_all(text: str) -> Iterator[PersonalDataSpan]:
    yield from find_contacts(text)
    found = [*find_names(text), *find_foreign_names(text)]
    for start, end in (*found, *find_mentions(text, found)):
        yield PersonalDataSpan("name", start, end)

"""Characters of the task npc for games: as JSON, as Ink and as Yarn. Hooks lead to the characters of the same run."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from ...core.errors import SetupError
from ...core.files import whole_file
from ...core.model import PROCEDURAL_NOTICE
from ...sim.runfile.reader import open_made

type CharacterFormat = Literal["npc-json", "ink", "yarn"]

_SHEETS = """
SELECT o.emission, o.agent, o.payload, o.model, p.text AS persona
FROM outputs AS o
LEFT JOIN personas AS p ON p.id = o.agent
WHERE o.kind = 'npc' AND o.status = 'accepted'
ORDER BY o.emission
"""
_PROCEDURAL = "procedural"
#: Characters of a persona's hash in an identifier: a million people have none in common.
_HASH = 16
_PROCEDURAL_NOTICE = f"Synthetic. {PROCEDURAL_NOTICE}"
_MODEL_NOTICE = "Synthetic: written by a language model."
#: Says in Yarn what the character does not: what stands before the first colon of a line is taken for its speaker.
_NARRATOR = "Narrator"


@dataclass(frozen=True, slots=True)
class Character:
    """A sheet, and an identifier of its person that stays when the sheet is made anew.

    It is unique in its run, and valid in Ink, in Yarn and in most languages.
    """

    id: str
    emission: int
    persona: str
    description: str
    sheet: Mapping[str, Any]
    is_procedural: bool

    @property
    def name(self) -> str:
        """The character's name."""
        return str(self.sheet["name"])


def export_characters(run: Path | str, path: Path | str, form: CharacterFormat) -> tuple[int, int]:
    """Write the accepted sheets of a run to a new file; return how many they are, and how many hooks were left out.

    A hook is left out if the person it leads to has no accepted sheet.

    Raises `SetupError` for a run without sheets and for an existing file; `StorageError` if it cannot be written.
    """
    characters = read_characters(run)
    if not characters:
        raise SetupError(f"{str(run)!r} holds no accepted sheets of characters; {form} is for runs of the task npc.")
    path = Path(path)
    if path.exists():
        raise SetupError(f"{str(path)!r} exists already; give another path for the export.")
    if not path.parent.is_dir():
        raise SetupError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to; make it first.")
    notice = _PROCEDURAL_NOTICE if any(one.is_procedural for one in characters) else _MODEL_NOTICE
    with whole_file(path) as part:
        part.write_text(_WRITERS[form](characters, notice), encoding="utf-8", newline="\n")
    known = _by_persona(characters)
    kept = sum(1 for one in characters for _ in _iter_hooks(one, known))
    return len(characters), sum(len(one.sheet.get("knows", ())) for one in characters) - kept


def read_characters(run: Path | str) -> list[Character]:
    """The accepted sheets of a run, in the order in which they were made."""
    with open_made(run) as file:
        rows = file.query(_SHEETS).rows
    taken: set[str] = set()
    return [
        Character(
            _make_identifier(agent, taken),
            emission,
            agent,
            persona or "",
            json.loads(payload),
            model == _PROCEDURAL,
        )
        for emission, agent, payload, model, persona in rows
    ]


def to_json(characters: Sequence[Character], notice: str) -> str:
    """An object with the characters, each with its hooks to others by their identifiers and names."""
    known = _by_persona(characters)
    made = [
        {
            "id": one.id,
            **{key: value for key, value in one.sheet.items() if key != "knows"},
            "hooks": [
                {
                    "to": other.id,
                    "name": other.name,
                    **{key: hook[key] for key in ("relation", "kind", "text")},
                }
                for hook, other in _iter_hooks(one, known)
            ],
            "persona": {"id": one.persona, "text": one.description},
            "emission": one.emission,
        }
        for one in characters
    ]
    return json.dumps({"notice": notice, "synthetic": True, "characters": made}, ensure_ascii=False, indent=2) + "\n"


def to_ink(characters: Sequence[Character], notice: str) -> str:
    """An Ink story: a list of all characters, and a knot for each with its lines and what it says of others."""
    known = _by_persona(characters)
    lines = [f"// {_join_line(notice)}", "-> characters", "", "=== characters ==="]
    lines += [f"+ [{_escape_ink(one.name)}] -> {one.id}" for one in characters]
    lines += ["+ [Leave] -> END"]
    for one in characters:
        lines += ["", f"=== {one.id} ===", *_ink_tags(one), _escape_ink(one.sheet["barks"]["greeting"])]
        lines += ["- (talk)", "+ [Who are you?]", f"    {_escape_ink(one.sheet['background'])}", "    -> talk"]
        for hook, other in _iter_hooks(one, known):
            lines += [f"+ [About {_escape_ink(other.name)}]", f"    {_escape_ink(hook['text'])}", "    -> talk"]
        for key, asked in _ASKED.items():
            lines += [f"+ [{asked}]", f"    {_escape_ink(one.sheet['barks'][key])}", "    -> talk"]
        lines += ["+ [Leave]", f"    {_escape_ink(one.sheet['barks']['farewell'])}", "    -> characters"]
    return "\n".join(lines) + "\n"


def to_yarn(characters: Sequence[Character], notice: str) -> str:
    """A file of Yarn Spinner 2 or later: a node `Characters` that leads to one for each character."""
    known = _by_persona(characters)
    parts = [_make_node("Characters", "", [f"// {_join_line(notice)}", *_yarn_list(characters)])]
    for one in characters:
        name = _escape_speaker(one.name)
        lines = [f"{name}: {_escape_yarn(one.sheet['barks']['greeting'])}"]
        lines += [
            "-> Who are you?",
            f"    {_NARRATOR}: {_escape_yarn(one.sheet['background'])}",
            f"    <<jump {one.id}>>",
        ]
        for hook, other in _iter_hooks(one, known):
            lines += [
                f"-> About {_escape_yarn(other.name)}",
                f"    {_NARRATOR}: {_escape_yarn(hook['text'])}",
                f"    <<jump {one.id}>>",
            ]
        for key, asked in _ASKED.items():
            lines += [f"-> {asked}", f"    {name}: {_escape_yarn(one.sheet['barks'][key])}", f"    <<jump {one.id}>>"]
        lines += ["-> Leave", f"    {name}: {_escape_yarn(one.sheet['barks']['farewell'])}", "    <<jump Characters>>"]
        headers = {key: one.sheet[key] for key in ("people", "place", "role")}
        parts.append(_make_node(one.id, "npc", lines, {"persona": one.persona, **headers}))
    return "\n".join(parts) + "\n"


#: What a player can ask for, by the bark that answers it.
_ASKED = {
    "idle": "Say nothing",
    "busy": "Have you got a moment?",
    "refusal": "Do something for me",
    "thanks": "Help out",
}

_WRITERS: Mapping[CharacterFormat, Callable[[Sequence[Character], str], str]] = {
    "npc-json": to_json,
    "ink": to_ink,
    "yarn": to_yarn,
}


def _by_persona(characters: Sequence[Character]) -> dict[str, Character]:
    return {one.persona: one for one in characters}


def _iter_hooks(one: Character, known: Mapping[str, Character]) -> Iterator[tuple[Mapping[str, str], Character]]:
    """Yield the hooks of a character to the `known` ones, each with the character it leads to."""
    for hook in one.sheet.get("knows", ()):
        if (other := known.get(hook["persona"])) is not None:
            yield hook, other


def _make_identifier(persona: str, taken: set[str]) -> str:
    """An identifier by the hash that a persona's id is: sheets made anew keep it, further ones are numbered."""
    stem = f"npc_{persona[:_HASH]}"
    found = next(name for number in count(1) if (name := stem if number == 1 else f"{stem}_{number}") not in taken)
    taken.add(found)
    return found


def _join_line(text: object) -> str:
    return " ".join(str(text).split())


#: What ink gives a meaning to, anywhere in a line; behind a backslash it is text.
_INK = re.compile(r"[\\{}|~\[\]#/<>*+\-=]|^(?:TODO|INCLUDE|VAR|CONST|LIST|EXTERNAL)\b")


def _escape_ink(text: object) -> str:
    return _INK.sub(lambda found: f"\\{found[0]}", _join_line(text))


def _ink_tags(one: Character) -> Iterator[str]:
    for key in ("name", "people", "place", "role"):
        yield f"# {key}: {_escape_ink(one.sheet[key])}"


#: What Yarn gives a meaning to within a line; behind a backslash it is text.
_YARN = re.compile(r"[\\{}<>\[\]#/]")


def _escape_yarn(text: object) -> str:
    said = _YARN.sub(lambda found: f"\\{found[0]}", _join_line(text))
    return f"\\{said}" if said.startswith(("->", "=>", "---", "===")) else said


def _escape_speaker(name: str) -> str:
    return _escape_yarn(name.replace(":", " "))


def _yarn_list(characters: Sequence[Character]) -> Iterator[str]:
    for one in characters:
        yield f"-> {_escape_yarn(one.name)}"
        yield f"    <<jump {one.id}>>"
    yield "-> Leave"
    yield "    <<stop>>"


def _make_node(title: str, tags: str, lines: Sequence[str], headers: Mapping[str, object] | None = None) -> str:
    told = [f"title: {title}", f"tags: {tags}".rstrip(), *(f"{k}: {_join_line(v)}" for k, v in (headers or {}).items())]
    return "\n".join((*told, "---", *lines, "==="))

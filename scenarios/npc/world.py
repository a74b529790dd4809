"""World files: text that goes verbatim in front of every prompt, with what it declares of itself in its front matter.

    +++
    title = "Harrowmere"
    peoples = ["Quaysider", "Reedfolk"]     # a character belongs to one of these
    places = ["the Eel Market"]             # and is found at one of these
    classes = ["lock keeper", "smuggler"]   # the roles there are; left out, any role
    persons = ["Ysolde Farrant"]            # who is there already
    factions = ["the Order of the Gate"]
    never = ["gun", "telephone"]            # words for what there is not, in all their forms
    doubtful = ["train", "spell"]           # words that are probably wrong: a warning
    names = true                            # names must be of this world
    new = ["person", "thing"]               # what may have a name that the world does not know
    language = "en"                         # left out, it is told from the text
    +++

    The text of the world ...

The front matter may be left out: then nothing is checked.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from populace.personas.errors import SetupError, SourceError
from populace.personas.inputs import nearest

_FOLDER = Path(__file__).with_name("worlds")
_FRONT = re.compile(r"\ufeff?\+\+\+[ \t]*\r?\n(.*?)\r?\n\+\+\+[ \t]*(?:\r?\n|$)", re.DOTALL)

type NameKind = Literal["person", "place", "people", "faction", "thing"]

#: Kinds of names that a sheet may make up where names must be of the world, if it does not say.
_NEW: tuple[NameKind, ...] = ("person", "thing")
_KINDS: tuple[NameKind, ...] = (*_NEW, "place", "people", "faction")

type _WorldPhrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class Canon(BaseModel):
    """What a world file declares; what it leaves out is open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    peoples: tuple[_WorldPhrase, ...] = ()
    places: tuple[_WorldPhrase, ...] = ()
    #: The roles that characters can have.
    classes: tuple[_WorldPhrase, ...] = ()
    persons: tuple[_WorldPhrase, ...] = ()
    factions: tuple[_WorldPhrase, ...] = ()
    #: Words for what there is not, in any of their forms; and words that are probably out of place.
    never: tuple[_WorldPhrase, ...] = ()
    doubtful: tuple[_WorldPhrase, ...] = ()
    #: Whether the names in a sheet must be of this world, apart from `new` ones.
    names: bool = False
    new: tuple[NameKind, ...] = ()
    #: As a BCP 47 tag; empty where it is told from the text.
    language: str = ""

    @model_validator(mode="after")
    def _default_new(self) -> Self:
        if "new" not in self.model_fields_set:
            object.__setattr__(self, "new", _NEW if self.names else _KINDS)
        return self


@dataclass(frozen=True, slots=True)
class WorldFile:
    """A world: its whole text as it stands in the file, and what it declares."""

    text: str
    canon: Canon

    @property
    def body(self) -> str:
        """The text without its front matter."""
        front = _FRONT.match(self.text)
        return self.text[front.end() :] if front else self.text


def shipped_worlds() -> dict[str, Path]:
    """The worlds that ship with Populace, by name."""
    return {path.stem.replace("_", "-"): path for path in sorted(_FOLDER.glob("*.md"))}


def find_world(name: str) -> Path:
    """The file of a world that ships, or the one at the path `name`. Raises `SetupError` when there is neither."""
    worlds = shipped_worlds()
    if name in worlds:
        return worlds[name]
    path = Path(name)
    if path.is_file():
        return path
    is_path = "/" in name or "\\" in name or path.suffix
    said = f"There is no world file {name!r}" if is_path else f"There is no world {name!r}{nearest(name, worlds)}"
    raise SetupError(f"{said}; give {' or '.join(worlds)}, or the path of a text file, as ./my_world.md.")


def read_world(path: Path) -> WorldFile:
    """The world in a text file. Raises `SourceError` for one without text, or whose front matter is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"The world file {str(path)!r} cannot be read as UTF-8 text ({error}).") from error
    front = _FRONT.match(text)
    opening, *others = (line.rstrip() for line in text.split("\n"))
    if opening == "+++" and "+++" not in others:
        raise SourceError(f"The front matter of {str(path)!r} has no end; close it with a line that is +++.")
    if not text[front.end() if front else 0 :].strip():
        raise SourceError(f"The world file {str(path)!r} holds no text; describe the world in it.")
    try:
        canon = Canon.model_validate(tomllib.loads(front[1]) if front else {})
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"The front matter of {str(path)!r} is not TOML ({error}).") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SourceError(
            f"The front matter of {str(path)!r} has {where!r} wrong ({first['msg'].lower()}); it may have "
            f"{', '.join(Canon.model_fields)}."
        ) from error
    return WorldFile(text, canon)

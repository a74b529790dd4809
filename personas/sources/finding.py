"""From what was given (files, folders, patterns, standard input) to documents, always in the same order."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ..errors import SourceError
from ..inputs import resolve_file, shown
from .document import STDIN, Document, DocumentError, Format, Skip, Skips, known_endings, recognise
from .prose import check_extra

_MAGIC = frozenset("*?[")

type _Place = tuple[str, Path]


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds the documents of the given paths. Paths that are named directly are checked before anything is read."""

    paths: Sequence[str]
    #: Read everything that was named as this, whatever its ending.
    format: Format | None
    skips: Skips

    def check(self) -> None:
        """Raise `SourceError` for a path that leads to nothing readable."""
        if not self.paths:
            raise SourceError(
                "No source of texts was given; name a file, a folder, a pattern, or - for standard input."
            )
        if list(self.paths).count(STDIN) > 1:
            raise SourceError("Standard input (-) was given twice, but it can be read only once; leave one out.")
        for argument, given in enumerate(self.paths):
            if not given.strip():
                raise SourceError(f"A source is {given!r}, which is no name; leave it out, or give . for this folder.")
            if _is_pattern(given):
                if next(_matches(given), None) is None:
                    raise SourceError(f"No file matches {shown(given)}; check the pattern, or name a file or folder.")
            elif given != STDIN and not Path(given).is_dir():
                check_extra(self._named(given, argument))

    def documents(self, *, first: int = 0) -> Iterator[Document]:
        """Every document from the source numbered `first` on: sources in the given order, folders by name."""
        for argument, given in enumerate(self.paths):
            if argument < first:
                continue
            if given == STDIN:
                yield Document(STDIN, None, self.format, None, argument)
            elif _is_pattern(given):
                yield from self._found(_matches(given), argument, deep="**" not in given)
            elif (folder := Path(given)).is_dir():
                yield from self._found(iter([(folder.name, folder)]), argument)
            else:
                yield self._named(given, argument)

    def _named(self, given: str, argument: int) -> Document:
        path = resolve_file(Path(given))
        form, packing = recognise(path)
        form = self.format or form
        if form is None:
            raise SourceError(
                f"{path} ends in {shown(path.suffix)}, which passages are not read from; "
                f"give one of {known_endings()}, or say what it is with `populace grow --format`."
            )
        if packing and not form.is_streamed:
            raise SourceError(f"{path} is {form} inside {packing}, which cannot be read so; unpack it first.")
        return Document(_writable(path.name), path, form, packing, argument)

    def _found(self, places: Iterator[_Place], argument: int, *, deep: bool = True) -> Iterator[Document]:
        """The documents below the places. Each folder is entered once, so that links cannot lead in circles."""
        entered: set[tuple[int, int]] = set()
        open_folders = [places]
        while open_folders:
            place = next(open_folders[-1], None)
            if place is None:
                open_folders.pop()
            elif _is_folder(place[1]):
                if deep and self._enters(place[1], entered):
                    open_folders.append(self._entries(*place))
            elif document := self._document(*place, argument):
                yield document

    def _enters(self, folder: Path, entered: set[tuple[int, int]]) -> bool:
        status = folder.stat()
        key = (status.st_dev, status.st_ino)
        if key in entered:
            self.skips.count(Skip.LOOP, f"{folder} leads to a folder that was read before; it is read once.")
            return False
        entered.add(key)
        return True

    def _entries(self, name: str, folder: Path) -> Iterator[_Place]:
        try:
            entries = sorted(entry.name for entry in folder.iterdir())
        except OSError as error:
            sentence = f"{folder} cannot be listed ({error.strerror}); check its rights."
            self.skips.add(DocumentError(Skip.UNREADABLE, sentence))
            return
        for entry in entries:
            if entry.startswith("."):
                self.skips.count(Skip.HIDDEN, f"{folder / entry} is hidden; name it itself if it is to be read.")
            else:
                yield f"{name}/{entry}" if name else entry, folder / entry

    def _document(self, name: str, path: Path, argument: int) -> Document | None:
        form, packing = recognise(path)
        if not _is_file(path):
            sentence = f"{path} is no regular file, or none that may be looked at; write what it gives to a file."
            self.skips.count(Skip.UNREADABLE, sentence)
        elif form is None or (packing and not form.is_streamed):
            self.skips.count(Skip.ENDING, f"{path} is not read for its ending; known are {known_endings()}.")
        else:
            return Document(_writable(name), path, form, packing, argument, is_named=False)
        return None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # so it is no file either, and counted as such
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder may be listed whose entries may not be looked at
        return False


def _is_pattern(given: str) -> bool:
    # A file may well be called `notes [1].txt`.
    return not _MAGIC.isdisjoint(given) and not os.path.lexists(given)


def _matches(pattern: str) -> Iterator[_Place]:
    """The matching paths, by name; hidden ones only when the pattern names them."""
    parts = PurePath(pattern).parts
    fixed = next(n for n, part in enumerate(parts) if not _MAGIC.isdisjoint(part))
    base, rest = Path(*parts[:fixed]), "/".join(parts[fixed:])
    if parts[-1] == "**":
        rest += "/*"  # before Python 3.13 two stars alone were folders alone
    for path in sorted(base.glob(rest), key=str):
        inside = path.relative_to(base).parts
        if "/." in f"/{rest}" or not any(part.startswith(".") for part in inside):
            yield "/".join((*filter(None, [base.name]), *inside)), path


def _writable(name: str) -> str:
    """The name as valid UTF-8, for a file that was named in another encoding."""
    return name.encode("utf-8", "backslashreplace").decode()

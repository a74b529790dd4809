"""Folders and links: what is found, in which order, and what is passed over and counted."""

import os
from pathlib import Path
from typing import Any

import pytest

from populace.core.errors import SourceError
from populace.personas.sources import Skip, Sources, open_sources


def grown(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"This is {name}.")
    return folder


def documents(*paths: str | Path, **options: Any) -> list[str | None]:
    return [passage.document for passage in open_sources([str(path) for path in paths], **options)]


def read(*paths: Path) -> tuple[list[str | None], Sources]:
    sources = open_sources([str(path) for path in paths])
    return [passage.document for passage in sources], sources


def complaint(*paths: str | Path) -> str:
    with pytest.raises(SourceError) as caught:
        open_sources([str(path) for path in paths])
    return str(caught.value)


def test_a_folder_is_read_with_all_that_is_in_it_by_name(tmp_path: Path) -> None:
    town = grown(tmp_path / "town", "b.txt", "a/z.md", "a/b/c.txt", "c.txt")
    assert documents(town) == ["town/a/b/c.txt", "town/a/z.md", "town/b.txt", "town/c.txt"]


def test_sources_are_read_in_the_order_given(tmp_path: Path) -> None:
    grown(tmp_path, "b/1.txt", "a.txt")
    assert documents(tmp_path / "b", tmp_path / "a.txt") == ["b/1.txt", "a.txt"]


def test_brackets_in_a_name_are_letters(tmp_path: Path) -> None:
    grown(tmp_path, "notes [1].txt", "notes 1.txt")
    assert documents(tmp_path / "notes [1].txt") == ["notes [1].txt"]


def test_what_is_passed_over_in_a_folder_is_counted_with_its_reason(tmp_path: Path) -> None:
    town = grown(tmp_path / "town", "a.txt", ".git/x.txt", "photo.jpg", "book.pdf.gz")
    (town / "noise.txt").write_bytes(b"ab\0c")
    (town / "old.txt").write_bytes("caf\xe9".encode("latin-1"))
    (town / "cut.txt.gz").write_bytes(b"\x1f\x8b\x08")
    (town / "blank.md").write_text("\n\n")
    found, sources = read(town)
    assert found == ["town/a.txt"]
    kinds = {Skip.HIDDEN: 1, Skip.ENDING: 2, Skip.BINARY: 1, Skip.ENCODING: 1, Skip.CORRUPT: 1, Skip.EMPTY: 1}
    assert sources.skips.counts == kinds
    assert sources.skips.summary().startswith("7 skipped: 2 of another kind, 1 ")
    assert any("noise.txt is a binary file: byte 2 is NUL" in example for example in sources.skips.examples)


def test_what_stands_before_the_damage_is_kept(tmp_path: Path) -> None:
    town = grown(tmp_path / "town", "b.txt")
    (town / "a.txt").write_bytes(b"Lock nine. " * 30_000 + b"\xff")
    found, sources = read(town)
    assert found.count("town/a.txt") > 200
    assert found[-1] == "town/b.txt"
    assert sources.skips.counts == {Skip.ENCODING: 1}


def test_links_that_lead_in_circles_are_followed_once(tmp_path: Path) -> None:
    town = grown(tmp_path / "town", "a/x.txt")
    (town / "a" / "up").symlink_to(town)
    (town / "b").symlink_to(town / "a")
    (town / "self").symlink_to(town / "self")
    found, sources = read(town)
    assert found == ["town/a/x.txt"]
    assert sources.skips.counts == {Skip.LOOP: 2, Skip.UNREADABLE: 1}


def test_what_may_not_be_read_is_counted_or_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    town, opened = grown(tmp_path / "town", "a.txt", "b.txt"), Path.open

    def guarded(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", guarded)
    found, sources = read(town)
    assert (found, sources.skips.counts) == (["town/b.txt"], {Skip.UNREADABLE: 1})
    with pytest.raises(SourceError, match=r"a.txt cannot be read \(Permission denied\); check its rights."):
        read(town / "a.txt")


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    town = grown(tmp_path / "town", "a.txt")
    os.mkfifo(town / "pipe.txt")
    found, sources = read(town)
    assert (found, sources.skips.counts) == (["town/a.txt"], {Skip.UNREADABLE: 1})


def test_a_name_that_is_no_utf_8_is_written_so_that_it_is(tmp_path: Path) -> None:
    town = grown(tmp_path / "town", "a.txt")
    (town / "a.txt").rename(town / os.fsdecode(b"caf\xe9.txt"))
    assert documents(town) == ["town/caf\\udce9.txt"]


def test_a_folder_with_nothing_to_read_says_why(tmp_path: Path) -> None:
    town = grown(tmp_path / "town", "photo.jpg")
    with pytest.raises(SourceError, match=r"There is no text in .*town. 1 skipped: 1 of another kind. .*photo.jpg is"):
        read(town)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "No source of texts was given"),
        (["-", "-"], "was given twice"),
        (["town/*.xml"], "There is no file town/*.xml"),
        (["town/b.txt"], "There is no file town/b.txt; did you mean a.txt?"),
        (["town/c.rtf"], "ends in '.rtf', which passages are not read from; give one of .txt,"),
        (["town/d.pdf.gz"], "is pdf inside gzip, which cannot be read so; unpack it first."),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], said: str
) -> None:
    grown(tmp_path / "town", "a.txt", "c.rtf", "d.pdf.gz")
    monkeypatch.chdir(tmp_path)
    assert said in complaint(*given)

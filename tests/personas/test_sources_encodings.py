"""Encodings: each file is judged on its own, and what is not understood is named with its byte."""

from pathlib import Path

import pytest

from populace.personas.errors import SourceError
from populace.personas.sources import open_sources
from populace.personas.sources.documents import iter_text

TEXT = "Étage neuf.\nLa crue – à midi."


def texts(path: Path, encoding: str | None = None) -> list[str]:
    return [passage.text for passage in open_sources([str(path)], encoding=encoding)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("named", [None, "cp1252"])
def test_utf_8_and_whatever_has_a_mark_is_known(tmp_path: Path, encoding: str, named: str | None) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT.encode(encoding))
    assert texts(tmp_path / "a.txt", named) == [TEXT]


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
def test_utf_16_of_either_order_is_known(tmp_path: Path, mark: bytes, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(mark + TEXT.encode(encoding))
    assert texts(tmp_path / "a.txt") == [TEXT]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "mac_roman", "utf-7"])
def test_the_encoding_that_was_named_is_taken(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT.encode(encoding))
    assert texts(tmp_path / "a.txt", encoding) == [TEXT]


def test_a_folder_of_mixed_encodings_is_read_file_by_file(tmp_path: Path) -> None:
    for name, encoding in (("a", "utf-8"), ("b", "cp1252"), ("c", "utf-16"), ("d", "utf-8-sig")):
        (tmp_path / f"{name}.txt").write_bytes(TEXT.encode(encoding))
    assert texts(tmp_path, "cp1252") == [TEXT] * 4


def test_what_is_not_understood_is_named_with_its_byte(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"un\ncaf\xe9")
    with pytest.raises(
        SourceError, match=r"not UTF-8: byte 6, on line 2, is 0xE9; .* with `populace grow --encoding`."
    ):
        texts(tmp_path / "a.txt")


def test_a_byte_that_is_wrong_in_the_named_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("水".encode("shift_jis") + b"\n\x80\x80")
    with pytest.raises(SourceError, match=r"a.txt is not shift_jis: byte 3, on line 2, is 0x80"):
        texts(tmp_path / "a.txt", "shift_jis")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1_000])
def test_the_byte_is_right_however_the_bytes_arrive(size: int) -> None:
    data = "水é\r\n".encode() * 9 + b"\xe6\xb0"
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    with pytest.raises(SourceError, match=f"byte {len(data) - 2}, on line 10, is 0xE6"):
        list(iter_text("a.txt", pieces))


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_line_ends_become_newlines_however_the_bytes_arrive(size: int) -> None:
    data = "é\r\nb\rc\n\r\n".encode()
    assert "".join(iter_text("a.txt", [data[at : at + size] for at in range(0, len(data), size)])) == "é\nb\nc\n\n"

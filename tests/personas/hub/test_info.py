"""What a hub says of itself."""

import json
from pathlib import Path

import pytest

from populace.personas.formats.importing import import_files
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import create_hub, open_hub
from populace.personas.hub.file import describe_hub
from populace.personas.persona import content_id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Twelve people from twelve sources; two of them are near-duplicates, of whom one was let go."""
    lines = [json.dumps({"text": f"Person {n}", "source": f"s{n}", "language": "de" if n else "fr"}) for n in range(12)]
    (source := tmp_path / "p.jsonl").write_text("\n".join(lines))
    with create_hub(path := tmp_path / "hub.duckdb") as hub:
        list(import_files(hub, [source], ImportOptions(licence="CC0-1.0")))
        one, two, three = (content_id(f"Person {n}") for n in range(3))
        hub.con.execute(
            "INSERT INTO relations VALUES (1, ?, ?, 'care', 'nurse', 1), (2, ?, ?, 'care', 'aunt', 1)", [one, two] * 2
        )
        hub.con.execute(
            """INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone) VALUES
            ('persona', $2, $1, 'exact', 1, false), ('persona', $3, $1, 'minhash', 0.9, true),
            ('problem', $3, $1, 'minhash', 0.9, false)""",
            [one, two, three],
        )
    return path


def test_people_relations_and_verdicts_are_counted(path: Path) -> None:
    with open_hub(path) as hub:
        info = describe_hub(hub)
    assert (info.personas, info.near_duplicates, info.relations, info.unfinished) == (12, 1, 2, ())
    assert (info.stages, info.undone, info.kinds) == ((("exact", 1),), (("minhash", 1),), (("care", 2),))
    assert info.people["language"] == (("de", 11), ("fr", 1))
    assert (info.people["licence"], info.people["model"]) == ((("CC0-1.0", 12),), ((None, 12),))
    assert (len(info.people["source"]), info.values["source"], info.tables) == (10, 12, {"imports": 12})
    assert info.bytes == path.stat().st_size == round((info.bytes_per_persona or 0) * 12)


def test_it_is_said_in_words_and_in_json(path: Path) -> None:
    with open_hub(path) as hub:
        info = describe_hub(hub)
    rows = dict(info.as_rows())
    assert rows["personas"] == "12, 1 of them near-duplicates; 11 retained"
    assert rows["by source"].endswith(" and 2 more")
    assert (rows["by model"], rows["undone"], "cut off" in rows) == ("not stated 12", "minhash 1", False)
    assert json.loads(json.dumps(info.as_dict()))["people"]["language"] == [["de", 11], ["fr", 1]]


def test_a_file_whose_import_was_cut_off_is_named(path: Path) -> None:
    with open_hub(path, write=True) as hub:
        hub.con.execute("UPDATE imported_files SET complete = false, read_to = 7")
        assert dict(describe_hub(hub).as_rows())["cut off"] == "p.jsonl behind line or row 7"


def test_an_empty_hub_has_nobody_and_no_bytes_a_persona(tmp_path: Path) -> None:
    with create_hub(tmp_path / "hub.duckdb") as hub:
        info = describe_hub(hub)
    assert (info.personas, info.bytes_per_persona, dict(info.as_rows())["duplicates"]) == (0, None, "none found")

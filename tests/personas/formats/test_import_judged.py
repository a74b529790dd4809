"""What judges do with rows on their way into a hub."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_people import ask_hub

from populace.core.arrow import take as take_rows
from populace.core.errors import SetupError
from populace.personas.formats.importing import Batch, FileReport, import_files, prepare_rows, screen_rows
from populace.personas.formats.options import ImportOptions
from populace.personas.hub import HubFile
from populace.personas.hub.check import judge_people
from populace.personas.persona import content_id
from populace.personas.rules import Policy

NURSE = "A night nurse who keeps a list of birds"
FRIEND = "A friend of Margaret Holloway by the sea"
POTTER = "A potter who answers at clay@example.org on weekdays"
SPEAKER = "I am a ferry captain who teaches children to read tides"

type Import = Callable[..., FileReport]


@pytest.fixture
def take(hub: HubFile, tmp_path: Path) -> Import:
    """Import some texts, with a note to each."""

    def taken(*given: str, part: int = 1_000, note: str = "", **wish: Any) -> FileReport:
        path = tmp_path / "people.jsonl"
        path.write_text("".join(json.dumps({"persona": text, "note": note}) + "\n" for text in given))
        (report,) = import_files(hub, [path], ImportOptions.given(**wish), part=part)
        return report

    return taken


def texts(hub: HubFile) -> list[str]:
    return [text for (text,) in ask_hub(hub, "SELECT text FROM personas ORDER BY ordinal")]


def test_personal_data_are_flagged_and_kept_unless_something_else_is_asked_for(hub: HubFile, take: Import) -> None:
    report = take(NURSE, FRIEND, POTTER)
    assert report.rule_results == {("personal_data", "kept"): 2}
    assert texts(hub) == [NURSE, FRIEND, POTTER]
    flagged = ask_hub(hub, "SELECT persona, outcome, text FROM rule_results ORDER BY persona")
    assert flagged == sorted((content_id(text), "kept", None) for text in (FRIEND, POTTER))


def test_whoever_is_pseudonymised_comes_in_under_the_new_text_alone(hub: HubFile, take: Import) -> None:
    report = take(NURSE, FRIEND, POTTER, note="tell Barack Obama", personal="pseudonymise")
    assert report.rule_results == {("personal_data", "rewritten"): 2}
    assert texts(hub)[2] == "A potter who answers at [email] on weekdays"
    ids = ask_hub(hub, "SELECT id, text FROM personas")
    assert all(content_id(text) == identity for identity, text in ids)
    everything = repr([ask_hub(hub, f"FROM {name}") for name in ("personas", "imports")])
    assert not any(word in everything for word in ("Holloway", "example.org", "Obama"))


def test_whoever_is_dropped_is_counted_and_leaves_no_row(hub: HubFile, take: Import) -> None:
    report = take(FRIEND, NURSE, POTTER, NURSE + " at home", personal="drop", strict=True)
    assert (report.rows, report.new) == (2, 2)
    assert [(skip.rows, skip.first) for skip in report.skipped] == [(2, [1, 3])]
    assert ask_hub(hub, "SELECT ordinal, text FROM personas ORDER BY 1") == [(1, NURSE), (2, NURSE + " at home")]
    assert ask_hub(hub, "SELECT row FROM imports ORDER BY 1") == [(2,), (4,)]
    assert ask_hub(hub, "SELECT DISTINCT outcome, text FROM rule_results") == [("removed", None)]


def test_columns_with_personal_data_are_dropped_one_by_one(hub: HubFile, take: Import, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"persona": NURSE, "mail": "a@example.org", "town": "Porto"}) + "\n")
    list(import_files(hub, [path], ImportOptions(personal="drop")))
    assert ask_hub(hub, "SELECT attributes::VARCHAR FROM imports") == [('{"town":"Porto"}',)]


def test_quality_is_judged_when_it_is_asked_for(hub: HubFile, take: Import) -> None:
    assert take(NURSE, SPEAKER, "Here is a persona: a baker of rye").rule_results == {}
    report = take(NURSE, SPEAKER, "Here is a persona: a baker of rye", quality=True)
    assert report.rule_results == {("first_person", "rewritten"): 1, ("template_leak", "rejected"): 1}
    assert texts(hub)[-1] == "A ferry captain who teaches children to read tides"
    away = ask_hub(hub, "SELECT text FROM personas SEMI JOIN rule_results ON persona = id AND outcome = 'rejected'")
    assert away == [("Here is a persona: a baker of rye",)]


def test_each_row_is_judged_in_its_own_language(hub: HubFile, tmp_path: Path) -> None:
    rows = [{"text": NURSE, "language": "de"}, {"text": NURSE + " too", "language": "en"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (report,) = import_files(hub, [path], ImportOptions(quality=True))
    assert report.rule_results == {("other_language", "rejected"): 1}


def test_an_import_judged_otherwise_is_another_import(take: Import) -> None:
    take(NURSE, FRIEND)
    assert take(NURSE, FRIEND).already
    assert not take(NURSE, FRIEND, personal="drop", quality=True).already
    assert not take(NURSE, FRIEND, personal="ignore").already


def test_settings_of_hubs_that_did_not_judge_imports_mean_the_same() -> None:
    assert {"personal", "quality"}.isdisjoint(ImportOptions(personal="ignore").settings())
    assert ImportOptions().settings()["personal"] == "keep"


def test_rows_that_come_again_are_flagged_once(hub: HubFile, take: Import) -> None:
    take(FRIEND)
    take(FRIEND, POTTER, FRIEND)
    assert ask_hub(hub, "SELECT count(*), count(DISTINCT persona) FROM rule_results") == [(2, 2)]


def test_rule_results_are_committed_with_the_part_they_belong_to(
    hub: HubFile, take: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing, given = "populace.personas.formats.importing", [f"{FRIEND} {n}" for n in range(6)]

    def pair_by_pair(*args: Any, **options: Any) -> Iterator[Batch]:
        for part in prepare_rows(*args, **options):
            for start in range(0, part.rows.num_rows, 2):
                rows = take_rows(part.rows, [start, start + 1])
                places = rows["row"].to_pylist()
                yield Batch(rows, places[-1])

    def cut_off(*args: Any) -> Iterator[Any]:
        for number, part in enumerate(screen_rows(*args)):
            if number == 2:
                raise KeyboardInterrupt
            yield part

    monkeypatch.setattr(f"{importing}.prepare_rows", pair_by_pair)
    with monkeypatch.context() as stopped:
        stopped.setattr(f"{importing}.screen_rows", cut_off)
        with pytest.raises(KeyboardInterrupt):
            take(*given, part=2)
    assert ask_hub(hub, "SELECT count(*) FROM rule_results") == ask_hub(hub, "SELECT count(*) FROM personas")
    report = take(*given, part=2)
    assert report.resumed_at > 0
    assert ask_hub(hub, "SELECT count(*), count(DISTINCT persona) FROM rule_results") == [(6, 6)]


def test_a_check_does_not_judge_again_what_an_import_has_judged(hub: HubFile, take: Import) -> None:
    take(NURSE, FRIEND, SPEAKER, quality=True)
    assert judge_people(hub).rule_results == {}
    assert judge_people(hub, personal=Policy.DROP).rule_results == {("personal_data", "removed"): 1}


def test_a_policy_that_is_none_is_refused_in_one_sentence() -> None:
    with pytest.raises(SetupError, match="`personal` must be keep, pseudonymise, drop or ignore, but 'hide' was given"):
        ImportOptions.given(personal="hide")

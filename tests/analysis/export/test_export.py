"""Exports of runs: every format read back, with where each row comes from."""

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from made_run import TOOL_TALK, NewRun, read_lines

from populace.analysis.export import DatasetFormat, DatasetOptions, PersonalPolicy, export_outputs, preview_outputs
from populace.analysis.export.source import PROVENANCE
from populace.core.errors import RunFileError, SetupError
from populace.core.writers import read_cells, unescape_cell

#: Columns of each format as the documentation of TRL has them (dataset formats and types).
TRL = {
    DatasetFormat.OPENAI: {"messages"},
    DatasetFormat.DPO: {"prompt", "chosen", "rejected"},
    DatasetFormat.TOOLS: {"messages", "tools"},
}


def written(run: Path, out: str, **options: Any) -> list[dict[str, Any]]:
    path = run.with_name(out)
    export_outputs([run], path, DatasetOptions(**options))
    return read_lines(path)


@pytest.mark.slow
def test_only_accepted_outputs_are_written_and_each_says_where_it_comes_from(asked: Path) -> None:
    rows = written(asked, "rows.jsonl")
    assert [row["text"] for row in rows] == [
        "How long does rye dough rest?", "Write to the miller.", "Make a table of trains."
    ]  # fmt: skip
    assert all(set(PROVENANCE) <= row.keys() and row["synthetic"] is True for row in rows)
    first, second, third = rows
    assert (first["licence"], second["licence"], third["licence"]) == ("CC-BY-SA-4.0", "CC-BY-SA-4.0", "unknown")
    assert (second["parent"], second["hop"]) == (first["persona"], 1)
    assert first["source"] == second["source"] == "notes.md#A baker by"
    assert (first["model"], first["prompt_version"], first["seed"]) == ("openai:qwen3", "turn@3", 7)
    assert json.loads(first["sampling"]) == {"temperature": 0.7}
    assert first["payload"]["response"] == "Overnight."


def test_rejected_outputs_come_with_their_stage_and_reason_when_all_are_wanted(asked: Path) -> None:
    rows = written(asked, "all.jsonl", rejected=True)
    assert [row["stage"] for row in rows] == [None, "near_duplicate", None, "leak", None]
    assert rows[3]["reason"] == "It repeats the description."


def test_unknown_licences_become_what_the_user_grants_and_stated_ones_stay(asked: Path) -> None:
    rows = written(asked, "granted.jsonl", licence="CC0-1.0")
    assert [row["licence"] for row in rows] == ["CC-BY-SA-4.0", "CC-BY-SA-4.0", "CC0-1.0"]
    assert "taken as CC0-1.0" in asked.with_name("granted.jsonl.card.md").read_text()


def test_a_row_without_a_response_is_left_out_of_a_training_format_and_counted(new_run: NewRun) -> None:
    run = new_run()
    person = run.person("A diver.")
    run.output(person, "How deep?", response="Forty metres.")
    run.output(person, "How cold?", response="  ")
    run.output(person, "How dark?", response=None)
    path = run.done().with_name("chat.jsonl")
    report = export_outputs([run.path], path, DatasetOptions(format=DatasetFormat.OPENAI))
    assert (report.rows, report.tally.left_out) == (1, {"no response": 2})
    assert read_lines(path)[0]["messages"] == [
        {"role": "user", "content": "How deep?"}, {"role": "assistant", "content": "Forty metres."}
    ]  # fmt: skip


def test_a_kind_without_a_response_is_refused_in_a_sentence_that_says_what_can_be_done(new_run: NewRun) -> None:
    run = new_run()
    run.output(run.person("A diver."), "How deep?")
    run.done()
    with pytest.raises(SetupError, match=r"no response to train on \(their fields: text\).*jsonl"):
        export_outputs([run.path], run.path.with_name("chat.jsonl"), DatasetOptions(format=DatasetFormat.OPENAI))


def test_fields_that_the_user_names_make_a_training_row(new_run: NewRun) -> None:
    run = new_run()
    run.output(run.person("A diver."), "Diving", "article", title="On diving", body="It is dark.")
    rows = written(run.done(), "a.jsonl", format=DatasetFormat.ALPACA, mapping={"prompt": "title", "response": "body"})
    assert (rows[0]["instruction"], rows[0]["input"], rows[0]["output"]) == ("On diving", "", "It is dark.")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("out", ["How long does rye dough rest?"]),
        ("in", ["A baker by the mill.\n\nHow long does rye dough rest?"]),
        ("system", ["Be brief.\n\nA baker by the mill.", "How long does rye dough rest?"]),
    ],
)
def test_the_persona_stands_where_it_is_wanted(asked: Path, place: Any, said: list[str]) -> None:
    system = "Be brief." if place == "system" else None
    rows = written(asked, "chat.jsonl", format=DatasetFormat.OPENAI, persona=place, system=system)
    assert [message["content"] for message in rows[0]["messages"]][:-1] == said


def test_sharegpt_has_speakers_and_calls_of_tools(new_run: NewRun) -> None:
    run = new_run()
    run.output(run.person("A pilot."), "When is high water?", "talk", **TOOL_TALK)
    (row,) = written(run.done(), "chat.jsonl", format=DatasetFormat.SHAREGPT)
    speakers = [turn["from"] for turn in row["conversations"]]
    assert speakers == ["human", "function_call", "observation", "gpt"]
    called = json.loads(row["conversations"][1]["value"])
    assert called == {"name": "tide", "arguments": {"day": 3, "pier": "east"}}


def test_tool_calling_rows_have_the_columns_of_trl(new_run: NewRun) -> None:
    run = new_run()
    run.output(run.person("A pilot."), "When is high water?", "talk", **TOOL_TALK)
    (row,) = written(run.done(), "tools.jsonl", format=DatasetFormat.TOOLS)
    assert TRL[DatasetFormat.TOOLS] <= row.keys()
    assert row["tools"] == TOOL_TALK["tools"]
    call = row["messages"][1]["tool_calls"][0]["function"]
    assert call == {"name": "tide", "arguments": {"day": 3, "pier": "east"}}
    assert row["messages"][2] == {"role": "tool", "content": "14:05", "name": "tide", "tool_call_id": "c1"}
    export_outputs([run.path], run.path.with_name("t.parquet"), DatasetOptions(format=DatasetFormat.TOOLS))
    (held,) = pq.read_table(run.path.with_name("t.parquet")).to_pylist()
    assert json.loads(held["tools"]) == TOOL_TALK["tools"]


def call_talk(*results: str) -> dict[str, Any]:
    """A conversation in which each call of one step gives one of the results, and then the assistant answers."""
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
        for n, _ in enumerate(results)
    ]
    given = [{"role": "tool", "tool_call_id": f"c{n}", "name": "tide", "content": one} for n, one in enumerate(results)]
    messages = [{"role": "user", "content": "High water?"}, {"role": "assistant", "content": None, "tool_calls": calls}]
    return {"messages": [*messages, *given, {"role": "assistant", "content": "At two."}], "tools": TOOL_TALK["tools"]}


def test_a_conversation_with_a_wrong_call_is_left_out(new_run: NewRun) -> None:
    run = new_run()
    pilot = run.person("A pilot.")
    for number, result in enumerate(("14:05", '{"error": "There is no pier \'west\'."}')):
        run.output(pilot, f"High water {number}?", "talk", **call_talk(result))
    run.done()
    for form in (DatasetFormat.OPENAI, DatasetFormat.TOOLS, DatasetFormat.SHAREGPT):
        path = run.path.with_name(f"{form}.jsonl")
        report = export_outputs([run.path], path, DatasetOptions(format=form))
        assert (report.rows, report.tally.left_out.total()) == (1, 1)


def test_sharegpt_turns_alternate_and_tools_are_json_text(new_run: NewRun) -> None:
    run = new_run()
    run.output(run.person("A pilot."), "High water?", "talk", **call_talk("14:05", "15:10"))
    (row,) = written(run.done(), "s.jsonl", format=DatasetFormat.SHAREGPT)
    turns = row["conversations"]
    assert [turn["from"] for turn in turns] == ["human", "function_call", "observation", "gpt"]
    assert json.loads(turns[1]["value"]) == [{"name": "tide", "arguments": {}}] * 2
    assert turns[2]["value"] == "14:05\n15:10"
    assert json.loads(row["tools"]) == TOOL_TALK["tools"]


@pytest.mark.parametrize(
    ("roles", "rows"), [("ua", 1), ("uaua", 1), ("uau", 1), ("uua", 0), ("uaa", 0), ("sua", 1), ("usa", 0)]
)
def test_sharegpt_leaves_out_what_cannot_alternate(new_run: NewRun, roles: str, rows: int) -> None:
    run = new_run()
    person = run.person("A diver.")
    names = {"u": "user", "a": "assistant", "s": "system"}
    for talk in (roles, "ua"):
        messages = [{"role": names[role], "content": role} for role in talk]
        run.output(person, f"About {talk} {len(talk)}", "talk", messages=messages)
    found = written(run.done(), "s.jsonl", format=DatasetFormat.SHAREGPT)
    assert len(found) == rows + 1
    for row in found:
        said = [turn["from"] for turn in row["conversations"] if turn["from"] != "system"]
        assert said == ["human", "gpt"] * (len(said) // 2)


def test_rows_and_card_name_the_recipe(asked: Path) -> None:
    (row, *_) = written(asked, "r.jsonl")
    assert json.loads(row["recipe"])["task"] == "errands"
    assert row["recipe"] in asked.with_name("r.jsonl.card.md").read_text()


def test_preferences_become_dpo_rows(new_run: NewRun) -> None:
    run = new_run()
    diver = run.person("A diver.")
    emission, other, held = (run.output(diver, text) for text in ("How deep?", "How far?", "How long?"))
    for chosen, rejected in ((emission, emission), (other, held)):
        pair = ["How deep?", "Forty metres.", "Deep.", chosen, rejected, None, None, 0.6, "grades"]
        run.fill("preferences", [2, chosen, *pair])
    run.fill("held_out", [held, 3])  # of a pair with one answer on either side no row comes
    run.done()
    (row,) = written(run.path, "dpo.jsonl", format=DatasetFormat.DPO)
    assert row["prompt"] == [{"role": "user", "content": "How deep?"}]
    assert row["chosen"] == [{"role": "assistant", "content": "Forty metres."}]
    assert row["rejected"] == [{"role": "assistant", "content": "Deep."}]


STRANGE = (
    '{"nested": "json", "a": [1, "\\"x\\""]}',
    "混ぜた text עברית и кириллица 👩‍👩‍👧‍👦",
    "line\r\nbreak\rand, commas; \"quotes\" 'too'\ttab",
    "=cmd|' /C calc'!A0",
    "NUL \x00 inside",
    "x" * 200_000,
    " blanks at both ends ",
)


@pytest.mark.slow
def test_strange_texts_are_read_back_as_they_were_from_every_file(new_run: NewRun) -> None:
    run = new_run()
    person = run.person('Ein Mensch, der =alles sagt, "auch" das.')
    for text in STRANGE:
        run.output(person, text, field={"deep": [text]})
    run.done()
    found = {}
    for name in ("s.jsonl", "s.jsonl.gz", "s.csv", "s.parquet"):
        export_outputs([run.path], run.path.with_name(name))
    found["jsonl"] = [row["text"] for row in read_lines(run.path.with_name("s.jsonl"))]
    found["gz"] = [row["text"] for row in read_lines(run.path.with_name("s.jsonl.gz"))]
    found["parquet"] = pq.read_table(run.path.with_name("s.parquet")).column("text").to_pylist()
    with run.path.with_name("s.csv").open(encoding="utf-8", newline="") as file:
        csv.field_size_limit(1 << 24)
        names, *rows = read_cells(csv.reader(file))
    found["csv"] = [row[names.index("text")] for row in rows]
    assert all(texts == list(STRANGE) for texts in found.values())
    assert pd.read_csv(run.path.with_name("s.csv"))["text"].map(unescape_cell).tolist() == list(STRANGE)
    assert [row["payload"]["field"]["deep"][0] for row in read_lines(run.path.with_name("s.jsonl"))] == list(STRANGE)


def test_cells_that_a_spreadsheet_would_run_are_escaped(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run()
    run.output(run.person("A clerk."), "=1+1")
    run.done()
    export_outputs([run.path], run.path.with_name("a.csv"), DatasetOptions(columns=("text",)))
    assert pd.read_csv(run.path.with_name("a.csv"))["text"].tolist() == ["'=1+1"]
    monkeypatch.setenv("POPULACE_CSV_FORMULAS", "keep")
    export_outputs([run.path], run.path.with_name("b.csv"), DatasetOptions(columns=("text",)))
    assert pd.read_csv(run.path.with_name("b.csv"))["text"].tolist() == ["=1+1"]


def test_half_a_character_within_an_argument_becomes_a_mark_and_loses_no_row(new_run: NewRun) -> None:
    run = new_run()
    function = {"name": "say", "arguments": '{"text": "half \\ud83d"}'}
    talk = [{"role": "user", "content": "Say it."}, {"role": "assistant", "tool_calls": [{"function": function}]}]
    run.output(run.person("A poet."), "Say it.", "talk", messages=talk, tools=[])
    (row,) = written(run.done(), "t.jsonl", format=DatasetFormat.TOOLS)
    assert row["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"text": "half \ufffd"}


def test_columns_are_chosen_also_from_the_fields_of_outputs(new_run: NewRun) -> None:
    run = new_run()
    run.output(run.person("A teacher."), "2 + 2?", "problem", focus="sums", levels=[1, 2])
    (row,) = written(run.done(), "c.jsonl", columns=("focus", "levels", "text"))
    assert list(row)[:3] == ["focus", "levels", "text"]
    assert (row["focus"], row["levels"]) == ("sums", "[1,2]")
    with pytest.raises(SetupError, match="did you mean 'focus'"):
        written(run.path, "d.jsonl", columns=("fokus",))


@pytest.mark.parametrize("policy", PersonalPolicy)
def test_personal_data_are_flagged_dropped_or_redacted_within_nested_values_too(
    new_run: NewRun, policy: PersonalPolicy
) -> None:
    run = new_run()
    person = run.person("A clerk.")
    run.output(person, "Write to them.", response="Send it to mary.miller@example.org today.")
    run.output(person, "Count the trains.", response="Nine.")
    path = run.done().with_name("p.jsonl")
    options = DatasetOptions(format=DatasetFormat.OPENAI, personal=policy)
    report = export_outputs([run.path], path, options)
    assert (report.tally.personal_rows, dict(report.tally.personal)) == (1, {"email": 1})
    rows = read_lines(path)
    answers = [row["messages"][1]["content"] for row in rows]
    match policy:
        case PersonalPolicy.FLAG:
            assert "mary.miller@example.org" in answers[0]
            assert [row["personal"] for row in rows] == [["email"], []]
        case PersonalPolicy.DROP:
            assert answers == ["Nine."]
            assert report.tally.left_out == {"personal data": 1}
        case PersonalPolicy.REDACT:
            assert answers[0] == "Send it to [email] today."


def test_generated_text_is_labelled_in_rows_and_card(new_run: NewRun) -> None:
    run = new_run(model="procedural")
    run.output(run.person("A diver."), "How deep?")
    path = run.done().with_name("p.jsonl")
    (row,) = written(run.path, "p.jsonl")
    assert row["procedural"] is True
    assert "1 of these rows are procedural" in path.with_name("p.jsonl.card.md").read_text()


@pytest.mark.parametrize(("author", "found"), [("procedural", 0), (None, 1)])
def test_only_names_that_the_built_in_generator_invented_raise_no_alarm(
    new_run: NewRun, author: str | None, found: int
) -> None:
    run = new_run(model="procedural")
    person = run.person("A diver.")
    run.con.execute("UPDATE personas SET model = ?", [author])
    run.output(person, "Miriam Adeyemi has five apples. How many are left?")
    report = export_outputs([run.done()], run.path.with_name("p.jsonl"))
    assert report.tally.personal_rows == found


def test_what_is_there_is_never_written_over(asked: Path) -> None:
    for name in ("rows.jsonl", "rows.jsonl.card.md"):
        asked.with_name(name).write_text("mine")
        with pytest.raises(SetupError, match="exists already"):
            export_outputs([asked], asked.with_name("rows.jsonl"))
        assert asked.with_name(name).read_text() == "mine"
        asked.with_name(name).unlink()


def test_a_run_without_accepted_outputs_says_how_to_get_the_rejected_ones(new_run: NewRun) -> None:
    run = new_run()
    run.fails(run.output(run.person("A clerk."), "As a clerk, I ask."), "leak", "It repeats the description.")
    run.done()
    with pytest.raises(SetupError, match=r"All 1 outputs .* were rejected or .*`rejected`"):
        export_outputs([run.path], run.path.with_name("a.jsonl"))
    empty = new_run("empty").done()
    with pytest.raises(SetupError, match="has no outputs"):
        export_outputs([empty], empty.with_name("a.jsonl"))
    with pytest.raises(RunFileError, match="no run file"):
        export_outputs([empty.with_name("none.duckdb")], empty.with_name("a.jsonl"))


def test_a_preview_shows_rows_and_writes_nothing(asked: Path) -> None:
    before = sorted(asked.parent.iterdir())
    rows = preview_outputs([asked], DatasetFormat.OPENAI, 2)
    assert len(rows) == 2
    assert set(PROVENANCE) <= rows[0].keys()
    assert sorted(asked.parent.iterdir()) == before


def test_solved_problems_are_rows_with_the_solution_of_most(new_run: NewRun) -> None:
    run = new_run()
    person = run.person("A teacher.")
    sums, hard, wrong = (run.output(person, text, "math", topic="sums") for text in ("2 + 2?", "P = NP?", "3 * 3?"))
    job = run.con.execute("SELECT * REPLACE (2 AS job, 'j2' AS id, 'solving' AS kind) FROM jobs").fetchall()[0]
    run.fill("jobs", job)
    solutions = [(sums, "5", 2), (sums, "Four it is.", 1), (sums, "It is 4.", 1), (hard, "", None), (wrong, "6", 1)]
    for ordinal, (emission, text, cluster) in enumerate(solutions):
        outcome = "ok" if cluster else "no_answer"
        correct = emission != wrong if cluster else None
        run.fill("solutions", [
            2, emission, ordinal, "openai:qwen3", ordinal, "text", text, text or None, cluster, outcome, "", correct
        ])  # fmt: skip
    path = run.done().with_name("math.jsonl")
    options = DatasetOptions(format=DatasetFormat.OPENAI, columns=("agreement", "topic"))
    report = export_outputs([run.path], path, options)
    (row,) = read_lines(path)
    assert [message["content"] for message in row["messages"]] == ["2 + 2?", "Four it is."]
    assert (round(row["agreement"], 3), row["topic"]) == (0.667, "sums")
    assert report.tally.left_out == {"no response": 1, "a solution with a wrong answer": 1}


def test_a_response_by_the_stand_in_makes_the_row_procedural_whoever_asked(new_run: NewRun) -> None:
    run = new_run()
    person = run.person("A diver.")
    run.output(person, "How deep?", response="Forty metres.")
    run.output(person, "How cold?", response="")
    spec = json.dumps({"scenario": "errands", "roles": {"solver": {"model": "procedural:accuracy=0.8"}}})
    run.con.execute("UPDATE jobs SET spec = ?", [spec])
    run.done()
    rows = written(run.path, "p.jsonl")
    assert [row["response_model"] for row in rows] == ["procedural:accuracy=0.8", None]
    assert [row["procedural"] for row in rows] == [True, False]


def test_a_conversation_of_two_people_has_the_stricter_licence_of_both(new_run: NewRun) -> None:
    run = new_run()
    first, second = run.person("A baker.", licence="CC0-1.0"), run.person("A miller.", licence="CC-BY-NC-4.0")
    talk = [{"role": "user", "content": "Is there flour?"}, {"role": "assistant", "content": "On Monday."}]
    run.output(first, "Is there flour?", "talk", messages=talk, personas=[first, second])
    run.output(first, "And rye?", "talk", messages=talk, personas=[first])
    (alone,) = written(run.done(), "alone.jsonl", format=DatasetFormat.OPENAI)
    assert alone["emission"] == 2
    both, alone = written(run.path, "talk.jsonl", format=DatasetFormat.OPENAI, persona="system")
    assert [row["messages"][0]["content"] for row in (both, alone)] == ["A miller.", "A baker."]
    assert (both["licence"], both["persona"], both["other_personas"]) == ("CC-BY-NC-4.0", first, [second])
    assert (alone["licence"], alone["other_personas"]) == ("CC0-1.0", [])

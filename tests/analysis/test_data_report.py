"""The report of a data job: counts and rows are those of the run file, and no text of the run becomes markup."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from html_page import Page
from openai_server import OpenAIServer
from warm_process import WarmProcess

from populace.analysis.report.report import render_report
from populace.analysis.report.society import ROW_BYTES
from populace.analysis.table import Queryable
from populace.sim.runfile.reader import open_run

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> <!-- \x00 & \u2028 {{ 7 * 7 }} [x](http://a.b/c)"
)
SETTINGS = {"n": 400, "per_persona": 5, "prompting": "zero-shot"}


def make_data(make_run: Any, **options: Any) -> Any:
    """A small run that passes for one of a task: turns, outputs, near-duplicates, and outputs that a check rejected."""
    run = make_run(**options)
    run.query("UPDATE jobs SET spec = json_merge_patch(spec, ?)", [json.dumps({"settings": SETTINGS})])
    run.fill("checks", [
        [emission, "leak", "failed", f"It names the persona{'.' * (emission % 3)}", None, 1]
        for emission in range(1, 30, 4)
    ])  # fmt: skip
    return run


@pytest.fixture(scope="module")
def data(make_run: Any) -> Any:
    return make_data(make_run)


def rows_of(html: str) -> tuple[list[str], list[list[Any]]]:
    """The people and the rows that the page's script reads."""
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    held = json.loads(found)
    return held["people"], held["rows"]


def words_of(html: str) -> str:
    return " ".join(Page(html).text.split())


def test_the_counts_of_the_page_are_those_of_the_run_file(data: Queryable) -> None:
    html = render_report(data)
    told = words_of(html)
    stages = dict(data.query("SELECT coalesce(stage, 'accepted'), count(*) FROM outputs GROUP BY ALL").rows)
    rejected = stages["leak"] + stages["near_duplicate"]
    assert stages["leak"] == 8
    assert f"{stages['accepted']:,} of 400 rows wanted were accepted, in 310 calls; text by procedural" in told
    for number, lost in ((stages["near_duplicate"], 287 - stages["near_duplicate"]), (8, 287)):
        assert f"{lost} {lost / 300:.1%} \u2212{number}" in told
    assert f"{stages['accepted']} of {stages['accepted']} accepted rows and {rejected} of {rejected} rejected" in told
    assert f"Diversity of all {stages['accepted']} accepted outputs" in told


def test_every_row_is_in_the_page_with_its_reason_and_its_person(data: Queryable) -> None:
    people, rows = rows_of(render_report(data))
    texts = dict(data.query("SELECT id, text FROM personas").rows)
    stored = data.query("SELECT agent, emission, status, kind, stage, reason, text FROM outputs ORDER BY emission").rows
    assert [(people[row[0]], *row[1:7]) for row in rows] == [
        (texts[agent], emission, status, kind, stage or "", reason or "", text)
        for agent, emission, status, kind, stage, reason, text in stored
    ]


def test_a_data_job_shows_no_steps_and_no_network(data: Queryable) -> None:
    html = render_report(data)
    assert 'class="plot network"' not in html
    assert "<svg" not in html.partition("</svg>")[2]
    assert {"Steps", "Relations", "Conversations"}.isdisjoint(words_of(html).split())


def test_hostile_text_stays_text(make_run: Any) -> None:
    run = make_data(make_run, people=12, steps=1, odd_texts=[HOSTILE])
    run.query(
        "UPDATE emissions SET text = ?, payload = json_object('answer', ?, ?, 1)", [HOSTILE, f"{HOSTILE}!", HOSTILE]
    )
    run.query('UPDATE checks SET reason = ?, "check" = ?', [HOSTILE] * 2)
    run.query("UPDATE jobs SET spec = json_merge_patch(spec, ?)", [json.dumps({"scenario": HOSTILE})])
    html = render_report(run)
    page = Page(html)
    assert {"img", "a"} & {tag for tag, attrs in page.tags if not str(attrs.get("href")).startswith("#")} == set()
    assert len(page.scripts) == 2
    assert "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)" in page.scripts[0]
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", html)
    people, rows = rows_of(html)
    shown = HOSTILE.replace("\x00", "\u2400")
    assert shown in people
    assert {row[6] for row in rows} == {shown}
    assert [shown, "1"] in rows[0][7]
    assert ["answer", f"{shown}!"] in rows[0][7]


def test_a_browser_loads_nothing_and_runs_the_own_script_alone(data: Queryable) -> None:
    html = render_report(data)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|@font-face|url\((?!#p\d\))", html)
    assert not [tag for tag, attrs in Page(html).tags if "src" in attrs or tag in ("link", "img", "iframe", "base")]
    assert html.count("<script>") == 1
    assert "innerHTML" not in html


@pytest.mark.parametrize(
    "text",
    [
        "a plain sentence, number {}. " * 12,
        pytest.param("<&> \u4eca\u5929\u5403\u4ec0\u4e48 {} " * 90, marks=pytest.mark.slow),
    ],
)
def test_a_page_of_5000_rows_says_how_many_it_holds_and_stays_small(make_run: Any, text: str) -> None:
    run = make_data(make_run, people=40, steps=1)
    names = "step, agent, kind, payload, revised, model, prompt"
    run.query(
        f"INSERT INTO emissions BY NAME SELECT 1000 + i AS emission, {names}, replace(?, '{{}}', i::VARCHAR) AS text "
        "FROM range(5000) AS r(i), (SELECT * FROM emissions LIMIT 1)",
        [text],
    )
    html = render_report(run)
    assert len(html.encode()) < 600_000
    (found,) = re.findall(r'id="data">(.*?)</script>', html)
    assert len(found.encode()) < ROW_BYTES + 5_000
    shown = Counter(row[2] for row in rows_of(html)[1])
    all_rows = dict(run.query("SELECT status, count(*) FROM outputs GROUP BY ALL").rows)
    assert shown["accepted"] < all_rows["accepted"]
    assert shown["rejected"] == all_rows["rejected"]
    told = words_of(html)
    assert f"{shown['accepted']:,} of {all_rows['accepted']:,} accepted rows and {shown['rejected']} of" in told
    assert "nobody picked them" in told


def test_answers_and_grades_stand_beside_their_rows(make_run: Any) -> None:
    run = make_data(make_run, people=12, steps=1)
    for job, kind in ((2, "solving"), (3, "grading"), (4, "grading")):
        run.query(f"INSERT INTO jobs SELECT * REPLACE ({job} AS job, '{kind}' AS kind) FROM jobs WHERE job = 1")
    run.fill("solutions", [
        [2, 2, n, "openai:m", n, "text", "so it is", answer, cluster, "ok", "", answer == "1"]
        for n, (answer, cluster) in enumerate([("1", 1), ("1", 1), ("2", 2)], start=1)
    ])  # fmt: skip
    run.fill("votes", [
        [job, 2, None, None, None, criterion, "openai:g", n, "3", score, None, "ok", ""]
        for job, criterion, n, score in (
            (3, "clear", 0, 0.1), (4, "clear", 0, 0.5), (4, "clear", 1, 1.0), (4, "fair", 0, 0.25),
        )
    ])  # fmt: skip
    notes = {row[1]: row[8] for row in rows_of(render_report(run))[1]}
    assert notes.pop(2) == ["2 of 3 solutions give 1: right", "clear 0.75 by 2, fair 0.25 by 1 votes"]
    assert not any(notes.values())


def test_a_job_in_which_nothing_was_accepted_says_so(make_run: Any) -> None:
    run = make_run(upto="header")
    run.query("UPDATE jobs SET spec = json_merge_patch(spec, ?)", [json.dumps({"settings": SETTINGS})])
    told = words_of(render_report(run))
    assert "0 of 400 rows wanted were accepted, in 0 calls" in told
    assert "nothing to measure" in told


@pytest.mark.slow
def test_a_job_that_is_killed_and_resumed_reports_each_time(warm: WarmProcess, tmp_path: Path) -> None:
    path = tmp_path / "rows.duckdb"
    making = ("--n", 400, "--per-persona", 100, "--agents", 12, "--hops", 1, "--set", "response=off")
    with OpenAIServer() as server:
        model = ("--model", "openai:test", "--base-url", server.base_url)
        server.stall(120)
        warm.begin_command("populace", "make", "instruction", *making, *model, "--out", path)
        warm.kill_when(lambda: server.calls >= 120)
        server.stall(None)
        accepted = _reported_until_complete(path, warm)
    assert accepted == 400


def _reported_until_complete(path: Path, warm: WarmProcess) -> int:
    """Report a job of 400 rows before and after it is resumed; gives its accepted rows."""
    for command, notice in ((("sql", path, "FROM runs"), "was interrupted"), (("resume", path), "")):
        assert warm.run("populace", *command).returncode in (0, 4)
        assert warm.run("populace", "report", path).returncode == 0
        html = path.with_suffix(".html").read_text("utf-8")
        with open_run(path) as run:
            ((accepted,),) = run.query("SELECT count(*) FROM outputs WHERE status = 'accepted'").rows
        told = words_of(html)
        assert f"{accepted:,} of 400 rows wanted were accepted" in told
        assert notice in told
        assert ("Not complete." in told) is (accepted < 400)
    return int(accepted)

import hashlib
import os
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from html_page import Page

from populace.analysis.report import write_report
from populace.analysis.report.report import render_report
from populace.analysis.summary import describe_measures
from populace.analysis.table import Queryable
from populace.core.errors import SetupError
from populace.sim.runfile.reader import open_run

ODD = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script> & \"double\" 'single' <!-- <b>bold</b>",
    "<img src=x onerror=alert(3)> {{ 7 * 7 }} %{x} $x^2$",
    "خبّاز يعمل في الليل ويحبّ الشعر القديم",
    "在海边修补渔网的老人，每天清晨听潮声，晚上教孩子们写字",
    "a NUL \x00, an escape \x1b, a noncharacter \ufffe, and C1 \x85",
]


@pytest.fixture(scope="session")
def odd_html(make_run: Any) -> str:
    return render_report(make_run(people=30, steps=2, odd_texts=ODD))


@pytest.fixture(scope="session")
def odd(odd_html: str) -> Page:
    return Page(odd_html)


def test_odd_texts_are_shown_as_they_are_and_become_no_element(odd: Page) -> None:
    assert "img" not in {tag for tag, _ in odd.tags}
    (script,) = odd.scripts
    assert "alert" not in script
    for text in (ODD[0], "خبّاز", "在海边修补渔网的老人", "{{ 7 * 7 }}"):
        assert text in odd.text


def test_what_no_page_may_hold_is_shown_as_something_visible(odd: Page, odd_html: str) -> None:
    assert "a NUL \u2400, an escape \u241b, a noncharacter \ufffd, and C1 \ufffd" in odd.text
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]", odd_html)


def test_a_browser_loads_nothing(odd: Page, odd_html: str) -> None:
    loading = [
        (tag, attrs)
        for tag, attrs in odd.tags
        if tag in ("link", "img", "iframe", "object", "embed", "base", "audio", "video", "source") or "src" in attrs
    ]
    assert loading == []
    assert not [name for _, attrs in odd.tags for name in attrs if name.startswith("on")]
    assert all(str(attrs["href"]).startswith("#") for _, attrs in odd.tags if "href" in attrs)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|@font-face|url\((?!#p\d\))", odd_html)


def test_the_policy_lets_only_the_own_script_run(odd: Page) -> None:
    (policy,) = [attrs["content"] for _, attrs in odd.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    hashes = [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in odd.scripts]
    assert re.findall(r"'sha256-([^']+)'", str(policy)) == hashes
    assert str(policy).startswith("default-src 'none'; script-src 'sha256-")


def test_a_page_is_small_and_says_in_its_head_whose_it_is(odd_html: str) -> None:
    assert len(odd_html.encode()) < 250_000
    assert odd_html.index('name="populace-mark" content="populace-report:r1"') < 1_000


def test_who_wrote_it_comes_first_then_network_and_talk_then_counts_and_details_last(lived: Queryable) -> None:
    text = Page(render_report(lived)).text
    ordered = ("No language model wrote this", "Network", ", step 1", "outputs", "lines spoken")
    places = [text.index(words) for words in (*ordered, "Event hash")]
    assert places == sorted(places)
    assert "Draw no conclusions about people" in text


def test_few_findings_are_shown_however_much_is_found(make_run: Any) -> None:
    run = make_run(people=12, steps=2)
    run.fill("measures", [[step, f"measure_{n} " * 9, 1e9 * step / n] for step in (1, 2) for n in range(1, 9)])
    assert render_report(run).partition("What this run shows")[2].partition("</dl>")[0].count("<dt>") == 4
    assert dict(describe_measures(run, 9))["measure 1 " * 9] == "1e+09 in step 1, 2e+09 in step 2"


def test_the_settings_used_are_listed(make_run: Any) -> None:
    run = make_run(people=12, steps=1)
    settings = '{"settings": {"talk": 0.5, "mode": "<open>"}}'
    run.connection.execute("UPDATE jobs SET spec = json_merge_patch(spec, ?)", [settings])
    text = " ".join(Page(render_report(run)).text.split())
    assert "talk 0.5" in text.replace("talk0.5", "talk 0.5")
    assert "<open>" in text
    assert "agents60" in text.replace("agents 60", "agents60")


def test_a_language_models_text_is_no_statement_of_people(make_run: Any) -> None:
    run = make_run(people=20, steps=1, model="openai:small")
    run.connection.execute("UPDATE personas SET model = if(ordinal <= 5, 'procedural', 'openai:small')")
    run.connection.execute("UPDATE personas SET model = NULL, origin = 'import' WHERE ordinal = 6")
    text = Page(render_report(run)).text
    assert "The descriptions of 1 of 2" in text
    assert "were given, in a file or by the scenario" in text
    assert "Synthetic text by \u201copenai:small\u201d" in text
    assert "no interval here says what another seed would give" in text
    assert "The descriptions of 5 of 2" in text
    assert "by the built-in generator, not a language model" in text


def test_the_honesty_block_gives_prompts_and_what_was_not_checked(lived: Queryable) -> None:
    text = Page(render_report(lived)).text
    assert "Not complete" not in text
    assert "turn@1" in text
    assert "python 3.13.0" in text
    assert "What was not checked" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"upto": "header", "status": "running"}, "This run was interrupted: 0 of 5 steps are complete."),
        ({"upto": "growth", "status": "running", "is_live": True}, "This run is still going: 0 of 5 steps"),
        ({"upto": "growth", "status": "failed"}, "This run failed (no reason was recorded)"),
        ({"upto": "growth", "status": "paused"}, "This run is paused (no reason was recorded): 0 of 5 steps"),
        ({"upto": "growth"}, "No step is complete in this run"),
    ],
)
def test_a_run_that_is_not_whole_says_so(made: dict[str, Any], said: str, make_run: Any) -> None:
    text = Page(render_report(make_run(people=20, **made))).text
    assert said in text
    assert "Nothing was emitted yet." in text


@pytest.mark.slow
def test_the_report_of_a_run_is_always_the_same(lived: Queryable) -> None:
    assert render_report(lived) == render_report(lived)


def test_the_commands_name_the_run_file(lived: Queryable, tmp_path: Path) -> None:
    path = write_report(lived, tmp_path / "report.html", run_file="my.duckdb")
    assert 'populace sql my.duckdb "SELECT' in Page(path.read_text(encoding="utf-8")).text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_a_run_file_reports_the_same_through_its_reader(make_run: Any, tmp_path: Path) -> None:
    run = make_run(people=30, steps=3, path=tmp_path / "run.duckdb")
    told = render_report(run)
    run.connection.close()
    with open_run(tmp_path / "run.duckdb") as reader:
        assert render_report(reader) == told


def test_a_report_that_cannot_be_written_is_one_sentence(lived: Queryable, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be written"):
        write_report(lived, tmp_path / "missing" / "report.html")


@pytest.mark.slow
def test_a_report_is_written_over_one_of_the_same_run_and_over_nothing_else(
    lived: Queryable, make_run: Any, tmp_path: Path
) -> None:
    page = write_report(lived, tmp_path / "run.html")
    assert write_report(lived, page) == page
    other = make_run(upto="header")
    other.connection.execute("UPDATE jobs SET id = 'r2'")
    for there in (page.read_text("utf-8"), "<p>mine</p>", "\x00\udcff", ""):
        page.write_text(there, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(SetupError, match="is there already and is no report of the same run"):
            write_report(other, page)
        assert page.read_text(encoding="utf-8", errors="surrogateescape") == there
    page.unlink()
    os.mkfifo(page)
    with pytest.raises(SetupError, match="is there already"):
        write_report(other, page)


def test_nothing_is_said_of_failures_where_there_are_none(make_run: Any) -> None:
    run = make_run(people=12, steps=1)
    run.connection.execute("DELETE FROM failures")
    html = render_report(run)
    assert 'href="#failures"' not in html

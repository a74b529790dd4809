import hashlib
import json
import re
import subprocess
import sys
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs

from populace.analysis.queryable import Queryable
from populace.analysis.report import write_report
from populace.analysis.report.report import render_report
from populace.personas.errors import SetupError
from populace.sim.runfile.reader import open_run

ODD = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script> & \"double\" 'single' <!-- <b>bold</b>",
    "<img src=x onerror=alert(3)> {{ 7 * 7 }} %{x} $x^2$",
    "خبّاز يعمل في الليل ويحبّ الشعر القديم",
    "在海边修补渔网的老人，每天清晨听潮声，晚上教孩子们写字",
]


class Page(HTMLParser):
    """Everything a browser would see: elements with attributes, text, and what stands in scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.text += data

    def _scripts(self) -> list[tuple[dict[str, str | None], str]]:
        return list(zip([attrs for tag, attrs in self.tags if tag == "script"], self.scripts, strict=True))

    def figures(self) -> dict[str, Any]:
        return {str(attrs["id"]): json.loads(text) for attrs, text in self._scripts() if "type" in attrs}

    def runnable(self) -> list[str]:
        return [text for attrs, text in self._scripts() if "type" not in attrs]


@pytest.fixture(scope="session")
def odd_html(make_run: Any) -> str:
    return render_report(make_run(people=30, steps=2, odd_texts=ODD))


@pytest.fixture(scope="session")
def odd(odd_html: str) -> Page:
    return Page(odd_html)


def test_no_text_of_the_run_becomes_an_element(odd: Page) -> None:
    assert "img" not in {tag for tag, _ in odd.tags}
    assert odd.runnable() == [get_plotlyjs(), odd.runnable()[1]]
    assert "alert" not in odd.runnable()[1]


def test_odd_texts_are_shown_as_they_are(odd: Page) -> None:
    for text in (ODD[0], "خبّاز", "在海边修补渔网的老人", "{{ 7 * 7 }}"):
        assert text in odd.text


def test_no_text_ends_the_script_that_holds_a_chart(odd: Page) -> None:
    assert set(odd.figures()) >= {"figure-society", "figure-emissions", "figure-novelty"}


def test_hover_labels_hold_no_markup_but_ours(odd: Page) -> None:
    hovers = [h for trace in odd.figures()["figure-society"]["data"] for h in trace.get("hovertext", ())]
    tags = {tag for hover in hovers for tag in re.findall(r"<[^>]*>", hover)}
    assert tags == {"<b>", "</b>", "<br>", "<i>", "</i>"}


def test_no_attribute_runs_a_script(odd: Page) -> None:
    assert not [name for _, attrs in odd.tags for name in attrs if name.startswith("on")]


def test_a_browser_loads_nothing(odd: Page, odd_html: str) -> None:
    loading = [
        (tag, attrs)
        for tag, attrs in odd.tags
        if tag in ("link", "img", "iframe", "object", "embed", "base", "audio", "video", "source") or "src" in attrs
    ]
    assert loading == []
    assert all(str(attrs["href"]).startswith("#") for _, attrs in odd.tags if "href" in attrs)
    ours = odd_html.replace(get_plotlyjs(), "")
    assert not re.search(r"https?://|@import|@font-face|url\(", ours)


def test_charts_use_no_trace_that_fetches_maps(odd: Page) -> None:
    kinds = {trace["type"] for figure in odd.figures().values() for trace in figure["data"]}
    assert kinds <= {"bar", "scatter"}


def test_the_policy_lets_only_the_two_own_scripts_run(odd: Page) -> None:
    (policy,) = [attrs["content"] for _, attrs in odd.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    hashes = [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in odd.runnable()]
    assert re.findall(r"'sha256-([^']+)'", str(policy)) == hashes
    assert str(policy).startswith("default-src 'none'; script-src 'sha256-")


def test_the_stand_in_is_named_as_no_language_model_before_any_number(lived: Queryable) -> None:
    text = Page(render_report(lived)).text
    assert text.index("No language model wrote this") < text.index("turns lost") < text.index("Model calls")
    assert "Nothing here says anything about people" in text


def test_a_language_models_text_is_no_statement_of_people(make_run: Any) -> None:
    text = Page(render_report(make_run(people=20, steps=1, model="openai:small"))).text
    assert "Synthetic text by \u201copenai:small\u201d" in text
    assert "no number here has error bars" in text


def test_the_honesty_block_gives_shares_prompts_and_what_was_not_checked(lived: Queryable) -> None:
    text = Page(render_report(lived)).text
    assert "turns lost: 5 of 300 (1.7%)" in text
    assert "turn@1" in text
    assert "python 3.13.0" in text
    assert "What was not checked" in text


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"upto": "header", "status": "running"}, "This run was interrupted: 0 of 5 steps are complete."),
        ({"upto": "growth", "status": "running", "is_live": True}, "This run is still going: 0 of 5 steps"),
        ({"upto": "growth", "status": "failed"}, "This run failed (no reason was recorded)"),
        ({"upto": "growth"}, "No step is complete in this run"),
    ],
)
def test_a_run_that_is_not_whole_says_so(made: dict[str, Any], said: str, make_run: Any) -> None:
    text = Page(render_report(make_run(people=20, **made))).text
    assert said in text
    assert "Nothing was emitted yet." in text


def test_a_whole_run_has_no_such_notice(lived: Queryable) -> None:
    assert "Not the whole story" not in Page(render_report(lived)).text


def test_the_report_of_a_run_is_always_the_same(lived: Queryable) -> None:
    assert render_report(lived) == render_report(lived)


def test_the_commands_name_the_run_file(lived: Queryable, tmp_path: Path) -> None:
    path = write_report(lived, tmp_path / "report.html", run_file="my.duckdb")
    assert 'populace sql my.duckdb "SELECT' in Page(path.read_text(encoding="utf-8")).text
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_file_reports_the_same_through_its_reader(make_run: Any, tmp_path: Path) -> None:
    run = make_run(people=30, steps=3, path=tmp_path / "run.duckdb")
    told = render_report(run)
    run.connection.close()
    with open_run(tmp_path / "run.duckdb") as reader:
        assert render_report(reader) == told


def test_a_report_that_cannot_be_written_is_one_sentence(lived: Queryable, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be written"):
        write_report(lived, tmp_path / "missing" / "report.html")


def test_plotly_stays_unloaded_until_a_report_is_made() -> None:
    code = (
        "import sys, populace.analysis.report, populace.analysis.table\n"
        "assert not {'plotly', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

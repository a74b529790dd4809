"""The facts of a report: its network, origin, costs and losses, and samples of what was said and made."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace as Shown
from typing import Any

import numpy as np
import orjson
from markupsafe import Markup

from ...personas.network import Acquaintance, Excerpt, Link
from ...personas.network.excerpts import around_the_best
from ...personas.network.network import Network
from ..page import clip_text, short_label
from ..picture import Drawing
from ..summary import Summary
from ..table import Queryable, Rows

#: Whom people stand for, where they were not selected to meet targets, and where they were.
_STAND_FOR = (
    "Whether these people resemble any population: none was drawn from one or compared with one.",
    "Whether these people resemble a population in anything but the shares that their selection was to meet.",
)
_NOT_CHECKED = (
    "Whether anything that was said is true, safe, or free of bias.",
    "Likeness in meaning: near-duplicates are found by the words they share, so a paraphrase counts as new.",
    "Whether a tool could be built as specified; only the form of its specification was checked.",
    "Whether a description or a line names or resembles a living person.",
    "What another seed, model or prompt would have given.",
)

_PROMPTS = """
SELECT DISTINCT prompt FROM (
    SELECT prompt FROM personas UNION ALL SELECT prompt FROM emissions
    UNION ALL SELECT DISTINCT purpose || '@' || prompt_version FROM calls
) WHERE prompt IS NOT NULL ORDER BY prompt
"""

_WRITERS = """
SELECT count(*) FILTER (origin = 'import'), count(*) FILTER (model = 'procedural'), count(*) FROM personas
"""


def read_provenance(run: Queryable, summary: Summary) -> dict[str, Any]:
    """Read what this run's report has to say about its origin."""
    headline, consequence = _describe_origin(summary)
    versions = orjson.loads(run.query("SELECT versions FROM runs").rows[0][0])
    return {
        "headline": headline,
        "consequence": consequence,
        "imports": _describe_writers(run, summary),
        "prompts": [prompt for (prompt,) in run.query(_PROMPTS).rows],
        "versions": sorted((str(name), str(version)) for name, version in versions.items()),
        "not_checked": (_STAND_FOR[bool(summary.targets)], *_NOT_CHECKED),
    }


def _describe_origin(summary: Summary) -> tuple[str, str]:
    if list(summary.authors) == ["rule"]:
        return (
            "No model wrote this: rules of the scenario decided everything.",
            "A rule decides as it is written. Nothing here says anything about people beyond what the rule assumes.",
        )
    if not summary.is_language_model:
        return (
            f"No language model wrote this: the text is by the built-in generator, \u201c{summary.model}\u201d.",
            "It fills templates from word lists. Draw no conclusions about people, society, or what a language model "
            "would have written.",
        )
    return (
        f"Synthetic text by \u201c{summary.model}\u201d. No person said any of this.",
        "A language model wrote it in the roles it was given: these are not statements of people, and no "
        "evidence of what people think or do. "
        f"It is one run with one seed ({summary.seed}): no interval here says what another seed would give.",
    )


def _describe_writers(run: Queryable, summary: Summary) -> str:
    """Describe who wrote the descriptions of people, if that is not who wrote the rest."""
    ((unknown, by_stand_in, people),) = run.query(_WRITERS).rows
    told = []
    if unknown:
        part = f"{unknown:,} of {people:,} people were given, in a file or by the scenario"
        told.append(f"The descriptions of {part}; who wrote them is not known here.")
    if by_stand_in and summary.is_language_model:
        part = f"{by_stand_in:,} of {people:,} people"
        told.append(f"The descriptions of {part} are by the built-in generator, not a language model.")
    return " ".join(told)


HOPS = """
SELECT hop, asked, failed, born AS "new people", duplicates AS "near-duplicates", relations AS "new relations"
FROM growth ORDER BY hop
"""
#: The commonest reasons why turns and growth requests failed, and last in how many reasons there are.
FAILURES = """
SELECT failures AS lost, format('{:.1f}%', 100 * failures / sum(failures) OVER ()) AS share, attempts,
       phase || ', ' || purpose AS "when", outcome, reason
FROM failure_reasons ORDER BY failures DESC, phase, purpose, outcome, reason
"""
_PURPOSES = """
WITH others AS (SELECT purpose, outcome, count(*) AS n FROM calls WHERE outcome <> 'ok' GROUP BY ALL)
SELECT purpose, count(*) AS calls, count(*) FILTER (NOT is_sent) AS recalled, count(*) FILTER (outcome = 'ok') AS ok,
       (SELECT string_agg(o.outcome || ' ' || n, ', ' ORDER BY n DESC, o.outcome) FROM others AS o
        WHERE o.purpose = c.purpose) AS otherwise,
       sum(input_tokens) FILTER (is_sent)::BIGINT AS "{unit} in",
       sum(output_tokens) FILTER (is_sent)::BIGINT AS "{unit} out", {dollars}
       round(1000 * median(seconds) FILTER (is_sent), 1) AS "median ms",
       round(1000 * quantile_cont(seconds, 0.95) FILTER (is_sent), 1) AS "95 % ms"
FROM (
    SELECT *, source IN ('endpoint', 'batch') AS is_sent, epoch(ended_at - started_at) AS seconds FROM calls
) AS c GROUP BY purpose ORDER BY count(*) DESC, purpose
"""


def read_purposes(run: Queryable, summary: Summary) -> Rows:
    """Read calls by purpose, most calls first."""
    dollars = "" if summary.cost.prices is None else "round(sum(cost), 4) AS dollars,"
    return run.query(_PURPOSES.format(unit=summary.unit, dollars=dollars))


#: A society of up to this many people is drawn whole; of a bigger one, so many around the best connected.
GRAPH_PEOPLE, GRAPH_SAMPLE = 1000, 600
#: Relations drawn, the earliest first.
GRAPH_RELATIONS = 6000
#: Characters of the first emission of each kind, shown on pointing at its author.
EMITTED_TEXT = 110
_WIDTH = 720.0

_RESIDENTS = """
SELECT agent, text, coalesce(hop, 0), coalesce(language, '')
FROM agents JOIN personas ON id = agent ORDER BY agents.ordinal
"""
_TIES = """
SELECT source, target, kind, any_value(label ORDER BY label) FROM ties_at_start
WHERE source IN (SELECT agent FROM agents) AND target IN (SELECT agent FROM agents) AND source <> target
GROUP BY source, target, kind ORDER BY source, target, kind
"""
_EMITTED = """
SELECT agent, kind, count(*), left(min_by(text, emission), 120) FROM emissions
GROUP BY agent, kind ORDER BY agent, kind
"""


def draw_society(run: Queryable) -> tuple[Markup | None, int]:
    """Draw the society of a run, cut to a part around the best connected if it is too big, and count all its ties.

    The picture is None if there are no agents.
    """
    ties = [Link(*row) for row in run.query(_TIES).rows]
    everybody = [Acquaintance(*row) for row in run.query(_RESIDENTS).rows]
    shown = _pick_people([person.id for person in everybody], ties)
    emitted: dict[str, str] = {}
    for agent, kind, count, first in run.query(_EMITTED).rows:
        emitted[agent] = f"{emitted.get(agent, '')}\n{kind} \u00d7 {count}: {clip_text(first, EMITTED_TEXT)}"
    excerpt = Excerpt(
        tuple(person for person in everybody if person.id in shown),
        tuple(tie for tie in ties if tie.source in shown and tie.target in shown)[:GRAPH_RELATIONS],
        len(everybody),
        len(ties),
    )
    drawn = Drawing(excerpt, more=emitted).svg(_WIDTH) if everybody else ""
    return (Markup(drawn) if drawn else None), len(ties)  # noqa: S704 - texts of the run are escaped in it


def _pick_people(people: Sequence[str], ties: Sequence[Link]) -> set[str]:
    """Return the ids to draw: of a big society those around the best connected."""
    if len(people) <= GRAPH_PEOPLE:
        return set(people)
    place = {person: number for number, person in enumerate(people)}
    source, target = np.array([(place[t.source], place[t.target]) for t in ties], np.int64).reshape(-1, 2).T
    network = Network.of_pairs(len(people), source, target)
    return {people[number] for number in around_the_best(network, GRAPH_SAMPLE).tolist()}


#: Steps whose emissions are listed; of a longer run, steps spread evenly and those of interventions.
LISTED_STEPS = 16
#: Conversations a step, and lines of each.
THREADS = 3
THREAD_LINES = 8
#: Conversations, or other outputs, at the head of the report, and lines of each.
_TALKS, _TALK_LINES = 3, 3
#: Emissions of each other kind a step.
SAMPLES = 4
#: Characters of one text.
TEXT = 600

_STEPS = """
SELECT step, active, acted, failed, (SELECT count(*) FROM emissions AS e WHERE e.step = s.step)
FROM steps AS s ORDER BY step
"""

# Ordered by a hash of the number: a sample that is not chosen by hand, and the same each time.
_SAMPLES = """
WITH numbered AS (
    SELECT emission, count(*) OVER of_kind AS total,
           row_number() OVER (of_kind ORDER BY md5(emission::VARCHAR)) AS place
    FROM emissions WHERE kind <> 'dialogue' WINDOW of_kind AS (PARTITION BY step, kind)
)
SELECT step, kind, total, persona_text, text, revised, near_duplicate
FROM (SELECT * FROM numbered WHERE place <= ?) JOIN said USING (emission)
ORDER BY step, kind, place
"""

# The longest conversations with a line in each step; more than are wanted, because one that was shown under
# an earlier step is not shown again.
_THREADS = """
WITH line AS MATERIALIZED (SELECT thread, step FROM threads),
length AS (SELECT thread, count(*) AS lines FROM line GROUP BY thread)
SELECT step, thread, lines, count(*) OVER (PARTITION BY step) AS total
FROM (SELECT DISTINCT step, thread FROM line) JOIN length USING (thread)
QUALIFY row_number() OVER (PARTITION BY step ORDER BY lines DESC, thread) <= ?
ORDER BY step, lines DESC, thread
"""

_LINES = """
SELECT thread, step, coalesce(s.text, sender), coalesce(r.text, recipient), t.text
FROM threads AS t
LEFT JOIN personas AS s ON s.id = sender LEFT JOIN personas AS r ON r.id = recipient
WHERE thread IN (SELECT unnest(?::BIGINT[]))
QUALIFY row_number() OVER (PARTITION BY thread ORDER BY message) <= ? ORDER BY thread, message
"""


def read_steps(run: Queryable) -> list[Shown]:
    """Read what `step.html.j2` shows of the listed steps: all of a short run, some of a long one."""
    steps = run.query(_STEPS).rows
    news: dict[int, list[tuple[str, str]]] = {}
    for step, name, text in run.query("SELECT step, name, news FROM interventions ORDER BY step, name").rows:
        news.setdefault(step, []).append((name, clip_text(text or "", TEXT)))
    kinds = _read_samples(run)
    talks = _read_conversations(run, listed := _pick_steps([row[0] for row in steps], news))
    pages = []
    for step, active, acted, failed, emitted in steps:
        if step in listed:
            told, total = talks.get(step, ([], 0))
            counts = {"step": step, "active": active, "acted": acted, "failed": failed, "emitted": emitted}
            pages.append(
                Shown(
                    **counts,
                    interventions=news.get(step, ()),
                    conversations=told,
                    conversations_total=total,
                    kinds=kinds.get(step, ()),
                )
            )
    return pages


def pick_excerpts(pages: Sequence[Shown]) -> tuple[list[Shown], list[Shown]]:
    """Return the longest conversations, and samples of other outputs, for the head of the report."""
    talks = sorted((talk for page in pages for talk in page.conversations), key=lambda talk: -talk.length)
    samples = [group.samples[0] for page in pages for group in page.kinds]
    heads = [Shown(lines=talk.lines[:_TALK_LINES], length=talk.length) for talk in talks[:_TALKS]]
    return heads, samples[:_TALKS]


def _pick_steps(steps: Sequence[int], news: Mapping[int, object]) -> set[int]:
    if len(steps) <= LISTED_STEPS:
        return set(steps)
    spread = {steps[n * (len(steps) - 1) // (LISTED_STEPS - 1)] for n in range(LISTED_STEPS)}
    return spread | set(sorted(set(news) & set(steps))[:LISTED_STEPS])


def _read_samples(run: Queryable) -> dict[int, list[Shown]]:
    pages: dict[int, list[Shown]] = {}
    for step, kind, total, author, text, revised, near in run.query(_SAMPLES, [SAMPLES]).rows:
        page = pages.setdefault(step, [])
        if not page or page[-1].kind != kind:
            page.append(Shown(kind=kind, total=total, samples=[]))
        page[-1].samples.append(
            Shown(author=short_label(author), text=clip_text(text, TEXT), revised=revised, near_duplicate=near)
        )
    return pages


def _read_conversations(run: Queryable, listed: set[int]) -> dict[int, tuple[list[Shown], int]]:
    chosen: dict[int, list[tuple[int, int]]] = {}
    totals: dict[int, int] = {}
    shown: set[int] = set()
    for step, thread, length, total in run.query(_THREADS, [THREADS * (LISTED_STEPS + 1)]).rows:
        page = chosen.setdefault(step, [])
        totals[step] = total
        if step in listed and thread not in shown and len(page) < THREADS:
            page.append((thread, length))
            shown.add(thread)
    lines: dict[int, list[Shown]] = {}
    for thread, step, speaker, listener, text in run.query(_LINES, [sorted(shown), THREAD_LINES]).rows:
        lines.setdefault(thread, []).append(
            Shown(
                step=step, speaker=_name_speaker(speaker), listener=_name_speaker(listener), text=clip_text(text, TEXT)
            )
        )
    return {
        step: ([Shown(lines=lines[thread], length=length) for thread, length in page], totals[step])
        for step, page in chosen.items()
    }


def _name_speaker(text: str) -> str:
    return "the visitor" if text == "player" else short_label(text)

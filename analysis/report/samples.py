"""What was emitted, as samples to read: conversations and emissions."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace as Shown

from ..page import clip, short_label
from ..table import Queryable

#: Steps whose emissions are listed; of a longer run, steps spread evenly and those of interventions.
LISTED_STEPS = 16
#: Conversations a step, and lines of each.
THREADS = 3
THREAD_LINES = 8
#: Conversations, or other outputs, at the head of the report, and lines of each.
EXCERPTS, EXCERPT_LINES = 3, 3
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
        news.setdefault(step, []).append((name, clip(text or "", TEXT)))
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
    heads = [Shown(lines=talk.lines[:EXCERPT_LINES], length=talk.length) for talk in talks[:EXCERPTS]]
    return heads, samples[:EXCERPTS]


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
            Shown(author=short_label(author), text=clip(text, TEXT), revised=revised, near_duplicate=near)
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
            Shown(step=step, speaker=_name_speaker(speaker), listener=_name_speaker(listener), text=clip(text, TEXT))
        )
    return {
        step: ([Shown(lines=lines[thread], length=length) for thread, length in page], totals[step])
        for step, page in chosen.items()
    }


def _name_speaker(text: str) -> str:
    return "the visitor" if text == "player" else short_label(text)

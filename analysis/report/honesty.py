"""What must be known before anything else in the report is believed."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from ...personas.hub.standing import MARKED
from ..queryable import Queryable
from ..summary import Summary

__all__ = ["NOT_CHECKED", "Honesty", "read_honesty"]

NOT_CHECKED: tuple[str, ...] = (
    "Whether anything that was said is true, safe, or free of bias.",
    "Whether these people resemble any population: none was drawn from one or compared with one.",
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

_SHARES = f"""
SELECT (SELECT sum(active) FROM steps), (SELECT sum(failed) FROM steps),
       (SELECT sum(asked) FROM growth), (SELECT sum(failed) FROM growth),
       (SELECT count(*) FROM emissions),
       (SELECT count(DISTINCT emission) FROM duplicates WHERE NOT undone AND emission IS NOT NULL),
       (SELECT count(*) FROM personas),
       (SELECT count(*) FROM ({MARKED}))
"""  # noqa: S608 - our own words

_SOURCES = "SELECT DISTINCT origin FROM personas ORDER BY origin"


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    what: str
    part: int
    whole: int

    def __str__(self) -> str:
        return f"{self.what}: {self.part:,} of {self.whole:,} ({self.part / self.whole:.1%})"


@dataclass(frozen=True, slots=True)
class Honesty:
    """The honesty block: what made the text, how much of it failed or repeats, and what nobody checked."""

    #: One sentence in large type, and what follows from it.
    headline: str
    consequence: str
    imports: str
    prompts: Sequence[str]
    versions: Sequence[tuple[str, str]]
    shares: Sequence[Share]
    not_checked: Sequence[str] = NOT_CHECKED


def read_honesty(run: Queryable, summary: Summary) -> Honesty:
    """What is to be said about this run."""
    headline, consequence = _made_by(summary)
    versions = orjson.loads(run.query("SELECT versions FROM runs").rows[0][0])
    origins = {origin for (origin,) in run.query(_SOURCES).rows}
    return Honesty(
        headline=headline,
        consequence=consequence,
        imports="Descriptions of people were read from a file; who wrote them is not known here."
        if "import" in origins
        else "",
        prompts=[prompt for (prompt,) in run.query(_PROMPTS).rows],
        versions=sorted((str(name), str(version)) for name, version in versions.items()),
        shares=_shares(run),
    )


def _made_by(summary: Summary) -> tuple[str, str]:
    if not summary.is_language_model:
        return (
            f"No language model wrote this: the text is by the procedural stand-in, \u201c{summary.model}\u201d.",
            "It fills forms from word lists, by rule and seed. Nothing here says anything about people, "
            "about society, or about what a language model would have written.",
        )
    return (
        f"Synthetic text by \u201c{summary.model}\u201d. No person said any of this.",
        "A language model wrote it in the roles it was given: these are not statements of people, and no "
        "evidence of what people think or do. "
        f"It is one run with one seed ({summary.seed}): no number here has error bars.",
    )


def _shares(run: Queryable) -> list[Share]:
    turns, lost, asked, unanswered, emitted, repeated, people, doubles = (
        int(n or 0) for n in run.query(_SHARES).rows[0]
    )
    shares = (
        Share("turns lost", lost, turns),
        Share("growth requests lost", unanswered, asked),
        Share("emissions that are near-duplicates", repeated, emitted),
        Share("personas that are near-duplicates", doubles, people),
    )
    return [share for share in shares if share.whole]

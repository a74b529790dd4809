"""What an enrichment came to, out of its ledger and the hub."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...personas.hub.contradictions import unjudged
from ...personas.hub.file import HubFile
from ..runfile.runlog import RunLog

__all__ = ["Enriched", "summed_up"]

_STAGES = """
SELECT json_extract_string(world_state, '$.stage') AS stage, sum(active), sum(acted), sum(failed)
FROM steps GROUP BY stage HAVING sum(active) > 0 ORDER BY min(step)
"""
# The words of a profile's own check: see parse_profile.
_MISQUOTED = """
SELECT count(*) FROM calls WHERE outcome = 'schema_mismatch'
AND (contains(reason, 'is not in the description') OR contains(reason, 'the description does not say it so'))
"""
# The word of every sentence of `contradictions_of`.
_CONTRADICTORY = """
SELECT count(*) FROM calls
WHERE outcome = 'schema_mismatch' AND purpose = 'biography' AND contains(reason, ' contradicts ')
"""
_EVIDENCE = """
SELECT known, count(*) FROM (
    SELECT json_extract_string(evidence, '$.*.evidence') AS all_known FROM profiles WHERE made_at >= ?
) CROSS JOIN unnest(all_known) AS u(known) GROUP BY known ORDER BY known
"""
_CONTRADICTIONS = "SELECT status, count(*) FROM contradictions WHERE found_at >= ? GROUP BY status ORDER BY status"


@dataclass(frozen=True, slots=True)
class Enriched:
    """What a job came to, this session and earlier ones together."""

    #: The job's run file; None when there was nobody to ask about.
    ledger: Path | None
    #: People whom it was about.
    people: int = 0
    #: By stage: people asked about, answers taken over, and people about whom none could be had.
    asked: Mapping[str, int] = field(default_factory=dict)
    made: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    #: Answers that were sent back because they quoted what the description does not say.
    misquotations: int = 0
    #: Biographies that were sent back because they contradict the profile, the people around or themselves.
    inconsistencies: int = 0
    #: Attributes by their evidence, in the profiles that the job made.
    evidence: Mapping[str, int] = field(default_factory=dict)
    #: Contradictions that the job found, by what became of them.
    contradictions: Mapping[str, int] = field(default_factory=dict)
    #: Ties of kin of these people whose label is in no language that the rules know.
    unjudged: int = 0
    is_language_model: bool = True
    event_hash: str = ""

    def as_rows(self) -> list[tuple[str, str]]:
        """Name and value of each figure, for a terminal."""
        rows = [("people", f"{self.people:,}")]
        for stage, made in self.made.items():
            lost = f", {self.failed[stage]:,} without an answer" if self.failed[stage] else ""
            rows.append((stage, f"{made:,} of {self.asked[stage]:,}{lost}"))
        if self.evidence:
            rows.append(("attributes", _counted(self.evidence)))
            rows.append(("misquotations", f"{self.misquotations:,} answers sent back"))
            left = f"; {self.unjudged:,} ties of kin not judged, by their labels" if self.unjudged else ""
            rows.append(("contradictions", (_counted(self.contradictions) or "none") + left))
        if "biographies" in self.made:
            rows.append(("inconsistencies", f"{self.inconsistencies:,} biographies sent back"))
        return [*rows, ("ledger", str(self.ledger))]


def summed_up(log: RunLog, hub: HubFile, event_hash: str) -> Enriched:
    """The figures of a job that has ended."""
    stages = log.query(_STAGES)
    ((people, misquoted, inconsistent),) = log.query(
        f"SELECT (SELECT count(*) FROM agents), ({_MISQUOTED}), ({_CONTRADICTORY})"  # noqa: S608 - our own words
    )
    run = log.run
    people_of = [agent for (agent,) in log.query("SELECT agent FROM agents ORDER BY ordinal")]
    made = {stage: number for stage, _, number, _ in stages}
    return Enriched(
        log.path,
        people,
        asked={stage: asked for stage, asked, _, _ in stages},
        made=made,
        failed={stage: failed for stage, _, _, failed in stages},
        misquotations=misquoted,
        inconsistencies=inconsistent,
        evidence=dict(hub.con.execute(_EVIDENCE, [run.started_at]).fetchall()),
        contradictions=dict(hub.con.execute(_CONTRADICTIONS, [run.started_at]).fetchall()),
        unjudged=unjudged(hub.con, people_of) if "profiles" in made else 0,
        is_language_model=run.is_language_model,
        event_hash=event_hash,
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())

"""People and relations as rows of the run file, and back again."""

from ...personas.dedup import Verdict
from ...personas.growth import HopResult
from ...personas.hub import Hub
from ...personas.hub.queries import REJECTED
from ...personas.persona import Passage, Persona, Relation, RelationKind
from ...personas.population import Population
from ..runfile import rows
from ..runfile.recording import Recording
from ..runfile.runlog import RunLog

_LATER = "SELECT coalesce(sum(asked), 0)::BIGINT FROM growth_chunks WHERE hop = 0 AND extension > $extension"
#: The verdicts on people that hold, as in the view `survivors`.
_HOLDING = f"""WHERE kind = 'persona' AND NOT undone AND "of" NOT IN ({REJECTED}) ORDER BY rowid"""
_READ_AWAY = "SELECT coalesce(sum(rejected), 0)::BIGINT FROM growth_chunks WHERE hop = 0"


def persona_rows(
    result: HopResult, population: Population
) -> list[rows.PersonaRow | rows.RelationRow | rows.DuplicateRow]:
    """The rows of what a hop added to `population`, numbered behind what was there before it."""
    personas = population.arrived - len(result.personas)
    relations = population.ties - len(result.relations)
    return [
        *(_persona_row(p, place) for place, p in enumerate(result.personas, start=personas + 1)),
        *(
            rows.RelationRow(place, r.source, r.target, r.kind, r.label, r.hop)
            for place, r in enumerate(result.relations, start=relations + 1)
        ),
        *(
            rows.DuplicateRow("persona", None, v.persona, v.of, None, None, v.stage, v.similarity, undone=False)
            for v in result.verdicts
        ),
    ]


def stored_population(log: RunLog) -> Population:
    """Everybody in the run file, near-duplicates with their verdicts and those who were rejected included."""
    return Population(
        (_persona(row) for row in log.rows(rows.PersonaRow, "ORDER BY ordinal")),
        (_relation(row) for row in log.rows(rows.RelationRow, "ORDER BY ordinal")),
        (Verdict(row.persona, row.of, row.stage, row.similarity) for row in log.rows(rows.DuplicateRow, _HOLDING)),
        (persona for (persona,) in log.query(REJECTED)),
    )


def recorded_source(recording: Recording, *, extension: int = 0) -> Hub | list[Passage]:
    """What the people of a run came from, out of the run file itself: its passages, or the hub that was read.

    Of growth that was extended, those up to `extension`.
    """
    ((later,),) = recording.query(_LATER, {"extension": extension})
    passages = recording.rows(
        rows.PassageRow,
        "WHERE ordinal <= (SELECT count(*) FROM passages) - $later ORDER BY ordinal",
        {"later": later},
    )
    if passages:
        return [Passage(p.text, p.language, p.source, p.licence) for p in passages]
    # Personas of a hub keep the hop at which they were grown there: it is their place that says who was read.
    ((read, relations),) = recording.query("SELECT born + duplicates, relations FROM growth WHERE hop = 0")
    ((away,),) = recording.query(_READ_AWAY)
    personas = recording.rows(rows.PersonaRow, "WHERE ordinal <= $most ORDER BY ordinal", {"most": read + away})
    ties = recording.rows(rows.RelationRow, "WHERE ordinal <= $most ORDER BY ordinal", {"most": relations})
    return Hub(tuple(map(_persona, personas)), tuple(map(_relation, ties)))


def _persona_row(persona: Persona, ordinal: int) -> rows.PersonaRow:
    return rows.PersonaRow(
        id=persona.id,
        ordinal=ordinal,
        text=persona.text,
        origin=persona.origin,
        hop=persona.hop,
        parent=persona.parent,
        language=persona.language,
        source=persona.source,
        licence=persona.licence,
        model=persona.model,
        prompt=persona.prompt,
    )


def _persona(row: rows.PersonaRow) -> Persona:
    return Persona(
        row.text,
        origin=row.origin,  # type: ignore[arg-type]  # written from a persona, so it is one of the three
        hop=row.hop,
        parent=row.parent,
        language=row.language,
        source=row.source,
        licence=row.licence,
        model=row.model,
        prompt=row.prompt,
    )


def _relation(row: rows.RelationRow) -> Relation:
    return Relation(row.source, row.target, RelationKind(row.kind), row.label, row.hop)

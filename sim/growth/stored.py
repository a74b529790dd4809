"""Growth as a file holds it: its people as rows and back, and asking for the same growth again, or for more."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson

from ...agents.gateway.limits import Limits
from ...core.errors import RunFileError, SetupError, parameter
from ...core.files import remove_database
from ...personas.dedup import Verdict
from ...personas.growth import HopResult
from ...personas.hub import Hub
from ...personas.hub.details import TargetShare, Weighting, read_all_details
from ...personas.hub.file import check_hub
from ...personas.hub.queries import REJECTED
from ...personas.hub.tables import DuplicateRow, PassageRow, PersonaRow, RelationRow
from ...personas.judgement import RuleResultRow
from ...personas.persona import Passage, Persona, Relation, RelationKind
from ...personas.population import PersonaGraph, Population
from ..config import Difference, RunConfig
from ..runfile import rows
from ..runfile.database import connect
from ..runfile.job_rows import now
from ..runfile.reader import Recording, open_run, run_of
from ..runfile.rows import TargetPersonRow, TargetShareRow, WeightRow
from ..runfile.runlog import RunLog
from ..runfile.writer import FileChange, Statement
from ..scenario import GrowthOnly
from ..trust import SOURCES, remember_trust
from .settings import Growth

#: What a persona and its row have alike.
_OF_PERSONA = [one.name for one in fields(Persona) if one.init]

_LATER = "SELECT coalesce(sum(asked), 0)::BIGINT FROM growth_chunks WHERE hop = 0 AND extension > $extension"
#: The verdicts on people that hold, as in the view `survivors`.
_HOLDING = f"""WHERE kind = 'persona' AND NOT undone AND "of" NOT IN ({REJECTED}) ORDER BY rowid"""
_IN_ORDER = "ORDER BY ordinal"
#: Those who came to a society while it lived.
_CAME = "SELECT agent FROM agents WHERE arrived > 0"
_READ_AWAY = "SELECT coalesce(sum(rejected), 0)::BIGINT FROM growth_chunks WHERE hop = 0"


def persona_rows(result: HopResult, population: Population) -> list[PersonaRow | RelationRow | DuplicateRow]:
    """Return the rows of what a hop added to `population`, numbered after the earlier rows."""
    personas = population.arrived - len(result.personas)
    relations = population.ties - len(result.relations)
    return [
        *(persona_row(p, place) for place, p in enumerate(result.personas, start=personas + 1)),
        *(
            RelationRow(place, r.source, r.target, r.kind, r.label, r.hop)
            for place, r in enumerate(result.relations, start=relations + 1)
        ),
        *(
            DuplicateRow("persona", None, v.persona, v.of, None, None, v.stage, v.similarity, undone=False)
            for v in result.verdicts
        ),
    ]


def stored_population(log: RunLog) -> Population:
    """Return all personas grown or read, with near-duplicates and their verdicts, and rejected personas."""
    return Population(
        (stored_persona(row) for row in log.rows(PersonaRow, f"WHERE id NOT IN ({_CAME}) ORDER BY ordinal")),
        (_make_relation(row) for row in log.rows(RelationRow, "ORDER BY ordinal")),
        (Verdict(row.persona, row.of, row.stage, row.similarity) for row in log.rows(DuplicateRow, _HOLDING)),
        (persona for (persona,) in (log.query(REJECTED) if log.may_hold(RuleResultRow) else ())),
    )


def with_arrivals(graph: PersonaGraph, log: RunLog) -> PersonaGraph:
    """Add the personas that arrived during the run to the graph, in the order of arrival."""
    if log.may_hold(rows.AgentRow):
        for row in log.rows(PersonaRow, f"WHERE id IN ({_CAME}) ORDER BY ordinal"):
            graph.add(stored_persona(row))
    return graph


def recorded_source(recording: Recording, *, extension: int = 0) -> Hub | list[Passage]:
    """Return what the personas of a run came from, read from the run file: its passages, or the hub.

    For extended growth, only return sources up to `extension`.
    """
    ((later,),) = recording.query(_LATER, {"extension": extension})
    passages = recording.rows(
        PassageRow,
        "WHERE ordinal <= (SELECT count(*) FROM passages) - $later ORDER BY ordinal",
        {"later": later},
    )
    if passages:
        return [Passage(p.text, p.language, p.source, p.licence) for p in passages]
    # Personas of a hub keep the hop at which they were grown there: it is their place that says who was read.
    ((read, relations),) = recording.query("SELECT born + duplicates, relations FROM growth WHERE hop = 0")
    ((away,),) = recording.query(_READ_AWAY)
    personas = recording.rows(PersonaRow, "WHERE ordinal <= $most ORDER BY ordinal", {"most": read + away})
    ties = recording.rows(RelationRow, "WHERE ordinal <= $most ORDER BY ordinal", {"most": relations})
    return Hub(
        tuple(map(stored_persona, personas)),
        tuple(map(_make_relation, ties)),
        details=read_all_details(recording.table),
        weighting=_recorded_weighting(recording),
    )


def weighting_rows(
    weighting: Weighting, became: Mapping[str, str]
) -> list[WeightRow | TargetPersonRow | TargetShareRow]:
    """Return the rows of weights and targets. `became` maps the earlier ids of personas to their present ids."""
    weights = {now: weighting.weights[was] for was, now in became.items() if was in weighting.weights}
    targets = enumerate(weighting.targets, start=1)
    return [
        *(WeightRow(persona, weight) for persona, weight in weights.items()),
        *(TargetShareRow(n, t.column, t.value, t.wanted) for n, t in targets),
        *(
            TargetPersonRow(became[was], column, place)
            for column, places in weighting.places.items()
            for was, place in places.items()
            if was in became
        ),
    ]


def _recorded_weighting(recording: Recording) -> Weighting | None:
    weights = {row.persona: row.weight for row in recording.rows(WeightRow)}
    targets = [TargetShare(one.column, one.value, one.wanted) for one in recording.rows(TargetShareRow, _IN_ORDER)]
    places = ((one.column, one.persona, one.ordinal) for one in recording.rows(TargetPersonRow, "ORDER BY rowid"))
    return Weighting.of_rows(weights, targets, places)


def persona_row(persona: Persona, ordinal: int) -> PersonaRow:
    """Return a persona as a row, numbered `ordinal`."""
    return PersonaRow(id=persona.id, ordinal=ordinal, **{name: getattr(persona, name) for name in _OF_PERSONA})


def stored_persona(row: PersonaRow) -> Persona:
    """Return the persona of a row."""
    return Persona(**{name: getattr(row, name) for name in _OF_PERSONA})


def _make_relation(row: RelationRow) -> Relation:
    return Relation(row.source, row.target, RelationKind(row.kind), row.label, row.hop)


_PROGRESS = """
SELECT hop, sum(asked)::BIGINT, hop IN (SELECT hop FROM growth)
FROM growth_chunks GROUP BY hop ORDER BY max(extension) DESC, hop DESC LIMIT 1
"""

#: What settings are called in a sentence, where that is not the name of a parameter.
_NAMES = {"sources": "sources", "reading": "how texts are read"}
_ROUNDS = "SELECT max(round) + 1 FROM frontier GROUP BY hop ORDER BY hop"
_WHOLE = "SELECT count(*) = coalesce(max(ordinal), 0) FROM personas"
_REOPEN = """
DELETE FROM markers
WHERE chunk = 0 AND number >= ? AND (job, phase) IN (SELECT (job, phase) FROM phases WHERE unit = 'hop')
"""
_EXTENSIONS = "SELECT count(*) FROM growth_extensions"


def ask_again(path: Path, growth: Growth, *, seed: int, model: str, limits: Limits) -> str | None:
    """Set the growth of a hub to what is asked for now, so that a resume continues with it.

    Returns None for more than was grown, which is open again now. Of the same, returns how far unfinished growth has
    come, in words; "" if it is finished, or going on at this moment.

    Raises what `is_more` and `extend` raise.
    """
    if is_more(path, growth, seed=seed, model=model, limits=limits):
        extend(path, growth)
        return None
    return _describe_progress(path)


def remove_unanswered(path: Path, *, is_refused: bool) -> None:
    """Remove a run file whose calls got no answer, or that was refused before any, so the corrected command works."""
    if path.exists():
        with open_run(path) as run:
            has_content = run.query("SELECT 1 FROM calls WHERE raw IS NOT NULL UNION ALL SELECT 1 FROM steps").rows
            was_asked = run.query("SELECT 1 FROM calls LIMIT 1").rows
        if not has_content and (was_asked or is_refused):
            remove_database(path)


def is_more(path: Path, growth: Growth, *, seed: int, model: str, limits: Limits) -> bool:
    """Return whether this growth asks for more hops, personas or sources than the hub has. False if it is the same.

    `limits` are compared by their sampling only. Raises `SetupError` naming the difference if the growth in the hub
    differs, or if more is asked for before it is finished. Raises `RunFileError` for a file that growth did not make.
    """
    try:
        with open_run(path) as run:
            row, stored = run_of(run), RunConfig.read(run)
    except RunFileError as error:
        raise _not_grown(path) or error from error
    if stored.scenario != GrowthOnly.name or stored.scenario_file is not None:
        raise RunFileError(
            f"{str(path)!r} is a run of the scenario {stored.scenario!r}; give growth another {parameter('hub')}, and "
            f"people to begin with by {parameter('people', str(path))}."
        )
    wanted = {"growth": growth, "seed": seed, "model": model, "limits": limits}
    differing = stored.list_differences(stored.model_copy(update=wanted))
    if not differing:
        return False
    differences = "; ".join(map(_describe_difference, differing))
    if not all(_is_further(one, hops=growth.hops) for one in differing):
        raise SetupError(
            f"{str(path)!r} was grown otherwise: {differences}. What may become more is {parameter('hops')}, "
            f"{parameter('agents')}, and sources "
            f"behind the earlier ones. Go on as it was begun with `populace resume {path}`; grow from its people, "
            f"`populace grow --people {path} --hub NEW`; or grow another hub and unite the two by "
            "`populace hub merge`."
        )
    if row.status != "finished":
        raise SetupError(
            f"{str(path)!r} is not finished, and more is asked for: {differences}. Go on as it was begun with "
            f"`populace resume {path}`, then ask for more."
        )
    return True


def _describe_progress(path: Path) -> str:
    with open_run(path) as run:
        if run.is_live:
            return ""
        row, found = run_of(run), run.query(_PROGRESS).rows
    if row.status == "finished":
        return ""
    if not found:
        return "before its first answers were kept"
    ((hop, asked, is_complete),) = found
    return f"after hop {hop}" if is_complete else f"in hop {hop}, after {asked:,} calls"


def _not_grown(path: Path) -> SetupError | None:
    """Return the error for a hub that was not grown here, or None if the file is not a hub either."""
    con = connect(path, read_only=True)
    try:
        check_hub(con, str(path))
    except SetupError:
        return None
    finally:
        con.close()
    return SetupError(
        f"{str(path)!r} is a hub that was not grown, so growth cannot go on in it; give another {parameter('hub')}, "
        f"and these people to begin with by {parameter('people', str(path))}, or bring the two together with "
        "`populace hub merge`."
    )


def _describe_difference(one: Difference) -> str:
    named = _NAMES.get(one.name) or parameter("people" if one.name == "hub" else one.name)
    return f"{named} {_format_value(one.was)} then and {_format_value(one.wanted)} now"


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_format_value(one)}" for name, one in value.items() if one is not None)
    return "none" if value is None else str(value)


def _is_further(setting: Difference, *, hops: int) -> bool:
    """Return whether a setting only increases, so that everything grown remains part of what is asked for.

    `hops` are the hops asked for.
    """
    was, wanted = setting.was, setting.wanted
    match setting.name:
        case "hops":
            return bool(wanted > was)
        case "agents":
            return was is not None and (wanted is None or wanted > was)
        case "sources":
            return bool(was) and wanted[: len(was)] == was
        case "fan_outs":
            # The last one given holds for the hops that follow.
            return bool(was) and wanted[: len(was)] == was and len(was) < hops
    return False


def extend(path: Path, growth: Growth) -> None:
    """Mark finished growth in a hub as unfinished, with the settings `growth`. A resume continues from what is there.

    Raises `SourceError` if sources cannot be read, and `SetupError` if personas were removed from the hub.
    """
    growth.check_readable()
    with RunLog.open(path) as log:
        ((is_whole,),) = log.query(_WHOLE)
        if not is_whole:
            raise SetupError(
                f"People have been removed from {str(path)!r} since it was grown, so its growth cannot go on; grow "
                f"into another hub from its people: populace grow --people {path} --hub NEW."
            )
        begin_extension(log, growth)
        # The user has named what it is to read by asking for it.
        remember_trust(log.job_row, kinds=SOURCES)


def begin_extension(log: RunLog, became: Growth) -> None:
    """Record in one transaction that growth becomes `became`, and which hops are open again."""
    was = Growth.model_validate(log.job_row.run_spec.growth)
    ((number,),) = log.query(_EXTENSIONS)
    rounds = [rounds for (rounds,) in log.query(_ROUNDS)]
    settings = became.model_dump_json()
    row = rows.GrowthExtensionRow(number + 1, was.model_dump_json(), settings, rounds, log.last_event_hash(), now())
    changes = log.change(spec={"growth": orjson.loads(settings), "texts": None})
    if (was.agents, was.sources) != (became.agents, became.sources):
        # People who were read from a hub are all there; from texts more may come.
        first = 0 if became.hub is None else 1
        changes.append(Statement(_REOPEN, [first]))
    log.commit([row], statements=changes).result()


def reopen_hops(log: RunLog, *, texts: int) -> list[FileChange]:
    """Return the changes that open all hops again, to ask about `texts` texts in total."""
    return [*log.change(spec={"texts": texts}), Statement(_REOPEN, [0])]

"""How far a change reaches: what is otherwise in one run than in another, by step and by what agents could know.

Two runs with the same people and seed, as a run and its fork, differ in what the change between them has reached, and
in nothing else. Each turn is compared with the turn that the same agent had in the same step of the other run. The
agent is *told* otherwise where it observes something else; it is *placed* otherwise where its own state or that of the
world was another one before the turn, or an intervention of this step made it so. A turn that is decided otherwise
though neither holds is decided by the change itself: a setting that a rule reads, another prompt, another model.
"""

from ...core.errors import SetupError
from ...core.result import Note, Result, make_result
from ..table import Reader

_COLUMNS = ("step", "turns", "saw_different", "different_state", "decided_differently", "unexplained")

_ARMS = "SELECT arm, event_hash FROM runs JOIN arms USING (arm) ORDER BY ordinal"
_PEOPLE = """
SELECT count(*) FROM (SELECT agent FROM agents WHERE arm = $one) AS a
JOIN (SELECT agent FROM agents WHERE arm = $other) AS b USING (agent)
"""
#: What agents saw, did and were, of each turn in both runs.
_BY_STEP = """
WITH seen AS (SELECT arm, step, agent, string_agg(text, chr(10) ORDER BY text) AS seen FROM observations GROUP BY ALL),
done AS (
    SELECT arm, step, agent, string_agg(kind || CAST(payload AS VARCHAR), chr(10) ORDER BY emission) AS done
    FROM emissions GROUP BY ALL
),
turns AS (SELECT DISTINCT step, agent FROM (SELECT step, agent FROM seen UNION ALL SELECT step, agent FROM done)),
fields AS (SELECT DISTINCT agent, name FROM agent_state),
asked AS (SELECT step, agent, name, step - 1 AS until FROM turns JOIN fields USING (agent)),
states AS (
    SELECT q.step, q.agent, bool_or(a.value IS DISTINCT FROM b.value) AS is_other
    FROM asked AS q
    ASOF LEFT JOIN (FROM agent_state WHERE arm = $one) AS a
        ON q.agent = a.agent AND q.name = a.name AND q.until >= a.step
    ASOF LEFT JOIN (FROM agent_state WHERE arm = $other) AS b
        ON q.agent = b.agent AND q.name = b.name AND q.until >= b.step
    GROUP BY ALL
),
worlds AS (
    SELECT a.step + 1 AS step,
           (a.world_state -> '$.state', a.world_state -> '$.values')
               IS DISTINCT FROM (b.world_state -> '$.state', b.world_state -> '$.values') AS is_other
    FROM (FROM steps WHERE arm = $one) AS a JOIN (FROM steps WHERE arm = $other) AS b ON a.step = b.step
),
reached AS (
    SELECT step, agent FROM intervention_effects WHERE intervention <> 'resolve'
    GROUP BY step, agent, intervention, what, other, field, CAST(after AS VARCHAR) HAVING count(DISTINCT arm) = 1
),
compared AS (
    SELECT t.step, a.seen IS DISTINCT FROM b.seen AS is_told, c.done IS DISTINCT FROM d.done AS is_decided,
           coalesce(s.is_other, false) OR coalesce(w.is_other, false) OR EXISTS (
               FROM reached AS r WHERE r.step = t.step AND (r.agent IS NULL OR r.agent = t.agent)
           ) AS is_placed
    FROM turns AS t
    LEFT JOIN seen AS a ON a.arm = $one AND a.step = t.step AND a.agent = t.agent
    LEFT JOIN seen AS b ON b.arm = $other AND b.step = t.step AND b.agent = t.agent
    LEFT JOIN done AS c ON c.arm = $one AND c.step = t.step AND c.agent = t.agent
    LEFT JOIN done AS d ON d.arm = $other AND d.step = t.step AND d.agent = t.agent
    LEFT JOIN states AS s ON s.step = t.step AND s.agent = t.agent
    LEFT JOIN worlds AS w ON w.step = t.step
)
SELECT step, count(*), count(*) FILTER (is_told), count(*) FILTER (is_placed), count(*) FILTER (is_decided),
       count(*) FILTER (is_decided AND NOT is_told AND NOT is_placed)
FROM compared GROUP BY step ORDER BY step
"""


def read_reach(reader: Reader) -> Result:
    """Read what differs between the two runs of a merged file, by step.

    Raises `SetupError` where they have nobody in common.
    """
    (one, one_hash), (other, other_hash) = reader.query(_ARMS).rows
    both = {"one": one, "other": other}
    ((people,),) = reader.query(_PEOPLE, both).rows
    if not people:
        raise SetupError(f"{one!r} and {other!r} have no agent in common; compare runs of the same people.")
    rows = reader.query(_BY_STEP, both).rows
    first = next((step for step, _, told, placed, decided, _ in rows if told or placed or decided), None)
    if one_hash == other_hash:
        note = Note("identical", f"{one} and {other} are identical: every event is the same.")
    elif first is None:
        note = Note("no_turn", "No turn differs; measures, surveys or numbers of rows do.")
    else:
        decided, alone = (sum(row[n] for row in rows) for n in (4, 5))
        said = f"Identical until step {first - 1}. After that {decided:,} turns were decided differently, {alone:,}"
        cause = "by agents that saw the same in the same state (unexplained: the change itself, or chance)"
        note = Note("differs", f"{said} of them {cause}.")
    return make_result(f"{one} and {other}", _COLUMNS, rows, notes=[note])

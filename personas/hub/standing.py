"""Who stands in a hub, as SQL: near-duplicates stand for whom they repeat, and whom a rule turned away for nobody."""

__all__ = ["AWAY", "GONE", "REPEATS"]

#: Each near-duplicate once (`persona`), and whom it repeats (`survivor`), who may be a near-duplicate too: of several
#: verdicts on one person the most similar counts, as in the view `survivors` of a run file.
REPEATS = """
SELECT persona, arg_max("of", (similarity, "of")) AS survivor
FROM duplicates WHERE kind = 'persona' AND NOT undone GROUP BY persona
"""

#: Those whom a rule turned away (`persona`). Hubs of earlier versions have no table of rulings.
AWAY = "SELECT DISTINCT persona FROM rulings WHERE outcome = 'turned_away' AND NOT undone"

#: Those who are in no society: whom a rule turned away, and whoever repeats them (`persona`).
GONE = f"""
WITH RECURSIVE repeats AS MATERIALIZED ({REPEATS}), gone(persona) AS (
    {AWAY} UNION SELECT repeats.persona FROM repeats JOIN gone ON repeats.survivor = gone.persona
)
FROM gone
"""  # noqa: S608 - our own words

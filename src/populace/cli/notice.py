"""What must be said beside text that no language model wrote."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from populace.personas.hub import HubFile

__all__ = ["BY_STAND_IN", "notice_of"]

#: The stand-in gives its name to whatever it writes.
BY_STAND_IN = "SELECT 1 FROM personas WHERE model = 'procedural' LIMIT 1"
_KNOW_MODELS = """
SELECT table_name FROM duckdb_columns()
WHERE column_name = 'model' AND table_name IN ('personas', 'profiles', 'biographies', 'elites')
"""


def notice_of(hub: "HubFile") -> str:
    """The sentence that goes with the people of a hub; empty when the stand-in wrote nothing about any of them."""
    from populace.agents.procedural import PROCEDURAL_NOTICE

    for (table,) in hub.con.execute(_KNOW_MODELS).fetchall():
        if hub.con.execute(f"SELECT 1 FROM {table} WHERE model = 'procedural' LIMIT 1").fetchall():  # noqa: S608 - ours
            return PROCEDURAL_NOTICE
    return ""

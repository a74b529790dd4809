"""What must be said beside text that no language model wrote."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from populace.personas.hub import HubFile

__all__ = ["BY_STAND_IN", "notice_of"]

#: The stand-in gives its name to whatever it writes.
BY_STAND_IN = "SELECT 1 FROM personas WHERE model = 'procedural' LIMIT 1"
_KNOWS_MODELS = "SELECT 1 FROM duckdb_columns() WHERE table_name = 'personas' AND column_name = 'model'"


def notice_of(hub: "HubFile") -> str:
    """The sentence that goes with the people of a hub; empty when the stand-in described none of them."""
    from populace.agents.procedural import PROCEDURAL_NOTICE

    if not hub.con.execute(_KNOWS_MODELS).fetchall():
        return ""
    return PROCEDURAL_NOTICE if hub.con.execute(BY_STAND_IN).fetchall() else ""

"""Jobs on the people of a hub, in its own file: begun, enriched with, resumed and replayed."""

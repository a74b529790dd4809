"""The parts of the picture of a hub: where people stand, which of them are named, and what the colours mean."""

"""How much of a run one report shows, so that the page of a big run stays small enough for a telephone."""

__all__ = [
    "DUPLICATE_PAIRS",
    "FAILURE_REASONS",
    "GRAPH_PEOPLE",
    "GRAPH_RELATIONS",
    "GRAPH_SAMPLE",
    "LISTED_STEPS",
    "MEASURES",
    "MOST_CONNECTED",
    "SAMPLES",
    "TEXT",
    "THREADS",
    "THREAD_LINES",
]

#: A society of up to this many people is drawn whole; of a bigger one, so many around the best connected.
GRAPH_PEOPLE = 1500
GRAPH_SAMPLE = 600
#: Relations drawn, the earliest first.
GRAPH_RELATIONS = 6000
#: Rows of the table of the best connected.
MOST_CONNECTED = 8
#: Steps whose emissions are listed; of a longer run, steps spread evenly and those of interventions.
LISTED_STEPS = 16
#: Conversations a step, and lines of each.
THREADS = 3
THREAD_LINES = 8
#: Emissions of each other kind a step.
SAMPLES = 4
#: Pairs of near-duplicates of each kind.
DUPLICATE_PAIRS = 5
#: Reasons of failures.
FAILURE_REASONS = 12
#: Measures drawn.
MEASURES = 6
#: Characters of one text.
TEXT = 600

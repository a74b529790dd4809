"""How much of a run one report shows, so that the page of a big run stays small enough for a telephone."""

__all__ = [
    "BARS",
    "CHOICES",
    "DUPLICATE_PAIRS",
    "EMITTED_TEXT",
    "FAILURE_REASONS",
    "FIELDS",
    "FINDINGS",
    "GRAPH_PEOPLE",
    "GRAPH_RELATIONS",
    "GRAPH_SAMPLE",
    "GROUPS",
    "LISTED_STEPS",
    "MEASURES",
    "MOST_CONNECTED",
    "PERSON_TEXT",
    "QUESTIONS",
    "SAMPLES",
    "TEXT",
    "THREADS",
    "THREAD_LINES",
]

#: A society of up to this many people is drawn whole; of a bigger one, so many around the best connected.
GRAPH_PEOPLE = 1000
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
#: Characters of a person, and of the first emission of each kind, that are shown on pointing at the person.
PERSON_TEXT = 260
EMITTED_TEXT = 110
#: Bars over steps; of a longer run, spans of steps.
BARS = 120
#: Typed fields of actions that are drawn, values of a choice, and groups.
FIELDS = 12
CHOICES = 10
GROUPS = 8
#: Sentences on what a run shows, which stand above the notice on who wrote it; and questions that are answered.
FINDINGS = 5
QUESTIONS = 6

"""Puzzles of labels, inferences and weekdays for the stand-in, solved from their text by trying all cases."""

import random
import re
from collections.abc import Callable, Sequence
from itertools import combinations, product

from populace.agents.actions import KnownSolution
from populace.agents.procedural.problems import Problem, Scene

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_COLOURS = ("red", "blue", "green", "yellow", "white", "black")
_NUMBERS = ("no", "one", "two", "three")

_LABELS = (
    "{who} has locked the only key to {place} in one of three {boxes}: a {x} one, a {y} one or a {z} one. Each has a "
    "label. {said} Exactly {number} of the three labels {verb} true. In which one is the key?",
    "Three {boxes} stand in {place}, a {x} one, a {y} one and a {z} one, and {other} has put the key into one of "
    "them. "
    "Each bears a note. {said} Of these notes, exactly {number} {verb} true. In which one is the key?",
)
_LABEL_FORMS = (
    "The key is in here.",
    "The key is not in here.",
    "The key is in the {other} one.",
    "The key is not in the {other} one.",
)
_LABEL = re.compile(
    r'(?:label|note) on the (\w+) one says: "(The key is (not )?in (?:here|the (\w+) one))\."', re.IGNORECASE
)


def make_labels(rng: random.Random, scene: Scene, size: int) -> Problem:
    """Where the key is: three labels, of which a given number is true."""
    while True:
        colours = rng.sample(_COLOURS, 3)
        said = []
        for colour in colours:
            other = rng.choice([one for one in colours if one != colour])
            said.append(f'The label on the {colour} one says: "{rng.choice(_LABEL_FORMS).format(other=other)}"')
        number = rng.choice((1, 2))
        slots = dict(zip("xyz", colours, strict=True)) | {"said": " ".join(said), "number": _NUMBERS[number]}
        slots |= {"verb": "is" if number == 1 else "are"}
        text = rng.choice(_LABELS).format_map({**scene.slots, **slots})
        if "bears a note" in text:
            text = text.replace("The label on", "The note on")
        if (known := solve_labels(text)) is not None:
            return Problem(text, "true and false labels", known.answer)


def solve_labels(text: str) -> KnownSolution | None:
    """The colour of what holds the key."""
    labels = _LABEL.findall(text)
    true = re.search(r"xactly (one|two)(?: of the three labels)? (?:is|are) true\. In which one is the key\?\Z", text)
    if len(labels) != 3 or true is None:
        return None
    fitting = []
    for at, _, _, _ in labels:
        verdicts = [((about or colour) == at) != bool(negated) for colour, _, negated, about in labels]
        if sum(verdicts) == _NUMBERS.index(true[1]):
            fitting.append(at)
    if len(fitting) != 1:
        return None
    return KnownSolution(
        f"If the key were in any other than the {fitting[0]} one, the number of true sentences would be another.",
        f"the {fitting[0]} one",
    )


#: Three properties that nothing ties together, so that the sentences alone decide.
_TERMS = (
    "members of the choir",
    "owners of a bicycle",
    "early risers",
    "players of the lottery",
    "readers of the local paper",
    "keepers of bees",
    "speakers of Portuguese",
    "wearers of glasses",
    "swimmers",
    "collectors of stamps",
    "chess players",
    "people who never drink coffee",
    "people who were born on a Sunday",
    "people who are afraid of heights",
)
#: What is said of the kinds of people there are: each kind is (is A, is B, is C).
_QUANTIFIERS: Sequence[tuple[str, Callable[..., bool]]] = (
    ("All {a} are {b}", lambda kinds, a, b: all(kind[b] for kind in kinds if kind[a])),
    ("No {a} are {b}", lambda kinds, a, b: not any(kind[a] and kind[b] for kind in kinds)),
    ("Some {a} are {b}", lambda kinds, a, b: any(kind[a] and kind[b] for kind in kinds)),
    ("Some {a} are not {b}", lambda kinds, a, b: any(kind[a] and not kind[b] for kind in kinds)),
)
_INFERENCE = (
    "Of the people who come to {place}, {who} knows two things. {one}. {two}. There are people of each of these "
    "kinds "
    'among them. Does it follow with certainty that "{three}"? Answer yes or no.',
    '{other} says to {who} in {place}: "{one}. {two}. There are people of each of these kinds here. Therefore: '
    '{three}." '
    "Is that a valid inference? Answer yes or no.",
)
_INFERENCE_TEXT = re.compile(
    r'(?:two things\. |: ")([^."]+)\. ([^."]+)\. There are people of each of these kinds (?:among them|here)\. '
    r'(?:Does it follow with certainty that "|Therefore: )([^."]+)\.?"(?:\?| Is that a valid inference\?) Answer yes '
    r"or no\.\Z"
)


def make_inference(rng: random.Random, scene: Scene, size: int) -> Problem:
    """Whether a conclusion follows from two sentences about kinds of people; as often as not it does."""
    wanted = rng.choice(("yes", "no"))
    while True:
        a, b, c = rng.sample(_TERMS, 3)
        pairs = [rng.choice(((x, y), (y, x))) for x, y in ((a, b), (b, c), (a, c))]
        one, two, three = (rng.choice(_QUANTIFIERS)[0].format(a=x, b=y) for x, y in pairs)
        text = rng.choice(_INFERENCE).format_map({**scene.slots, "one": one, "two": two, "three": three})
        known = solve_inference(text)
        if known is not None and known.answer == wanted:
            return Problem(text, "syllogisms", wanted)


def solve_inference(text: str) -> KnownSolution | None:
    """Whether the conclusion holds wherever the premises hold."""
    said = _INFERENCE_TEXT.search(text)
    if said is None:
        return None
    terms: list[str] = []
    read = []
    for sentence in said.groups():
        found = _read_sentence(sentence)
        if found is None:
            return None
        holds, about = found
        terms += [term for term in about if term not in terms]
        read.append((holds, [terms.index(term) for term in about]))
    if len(terms) != 3:
        return None
    kinds = list(product((True, False), repeat=3))
    (first, a), (second, b), (third, c) = read
    follows = True
    possible = False
    for count in range(1, len(kinds) + 1):
        for there in combinations(kinds, count):
            if all(any(kind[at] for kind in there) for at in range(3)) and first(there, *a) and second(there, *b):
                possible = True
                follows = follows and third(there, *c)
    if not possible:  # premises that contradict each other
        return None
    steps = "The conclusion is compared with every possible mixture of people for which both sentences are true."
    return KnownSolution(steps, "yes" if follows else "no")


def _read_sentence(sentence: str) -> tuple[Callable[..., bool], tuple[str, str]] | None:
    terms = "|".join(map(re.escape, _TERMS))
    # "are not" before "are", which it begins with.
    for form, holds in reversed(_QUANTIFIERS):
        pattern = re.escape(form).replace(r"\{a\}", f"({terms})").replace(r"\{b\}", f"({terms})")
        if found := re.fullmatch(pattern, sentence):
            return holds, (found[1], found[2])
    return None


_WEEKDAYS = (
    '{other} asks {who} when {place} will be open again and is told: "{n} days ago it was {k} days {side} {day}, and '
    "it "
    'opens {m} days from today." On which day of the week does it open?',
    'A note on the door of {place} says: "{n} days before this was written it was {k} days {side} {day}. We are back '
    "{m} "
    'days after it was written." On which day of the week are they back?',
)
_WEEKDAY = re.compile(
    r"(\d+) days (?:ago|before this was written) it was (\d+) days (before|after) (\w+).*? (\d+) days (?:from "
    r"today|after it)"
    r".* On which day of the week (?:does it open|are they back)\?\Z"
)


def make_weekday(rng: random.Random, scene: Scene, size: int) -> Problem:
    """Which day of the week it is, by way of other days."""
    numbers = {name: rng.randrange(2, 4 + 5 * size) for name in "nkm"}
    slots = {**scene.slots, **numbers, "side": rng.choice(("before", "after")), "day": rng.choice(_DAYS)}
    text = rng.choice(_WEEKDAYS).format_map(slots)
    known = solve_weekday(text)
    return Problem(text, "days of the week", known.answer if known else "")


def solve_weekday(text: str) -> KnownSolution | None:
    """The day of the week, by counting from the one that is named."""
    found = _WEEKDAY.search(text)
    if found is None or found[4] not in _DAYS:
        return None
    ago, distance, later = int(found[1]), int(found[2]), int(found[5])
    there = _DAYS.index(found[4]) + (distance if found[3] == "after" else -distance)
    today, answer = _DAYS[(there + ago) % 7], _DAYS[(there + ago + later) % 7]
    return KnownSolution(
        f"Counting on from there, it is {today} when that is said, and {later} days later {answer}.", answer
    )

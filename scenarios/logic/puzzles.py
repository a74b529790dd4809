"""Logic puzzles for the stand-in: drawn so that they have one solution, which is found again from their text.

Every kind has a function that makes a puzzle and one that solves its text, both by trying all cases.
"""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product

from populace.agents.actions import KnownSolution
from populace.agents.procedural.problems import Problem, Scene, listed, unlisted

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_COLOURS = ("red", "blue", "green", "yellow", "white", "black")
_THING = re.compile(rf"\bthe (?:{'|'.join(_COLOURS)}) [a-z -]+?(?=[,.]| and | or | are | has )")
_NAME = r"([A-Z][^\W\d_]+)"

type Order = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Clue:
    """A sentence, and whether an order or an assignment satisfies it."""

    text: str
    holds: Callable[[Order], bool]


#: Sentences about the order of people: what they look like, and what they say of the places of their names.
_ORDER_CLUES: Sequence[tuple[str, Callable[..., bool]]] = (
    ("{a} comes some time before {b}.", lambda o, a, b: o.index(a) < o.index(b)),
    ("{a} comes right after {b}.", lambda o, a, b: o.index(a) == o.index(b) + 1),
    ("{a} and {b} do not come one right after the other.", lambda o, a, b: abs(o.index(a) - o.index(b)) != 1),
    ("{a} is neither the first nor the last.", lambda o, a: 0 < o.index(a) < len(o) - 1),
    ("{a} is not the first.", lambda o, a: o.index(a) != 0),
    ("{a} is not the last.", lambda o, a: o.index(a) != len(o) - 1),
    ("Exactly one person comes between {a} and {b}.", lambda o, a, b: abs(o.index(a) - o.index(b)) == 2),
    ("{a} comes before {b} but after {c}.", lambda o, a, b, c: o.index(c) < o.index(a) < o.index(b)),
)
_ORDERING = (
    "{people}, in some order, come to {place} one after the other with their {items}. {clues} Who is the {ordinal} "
    "to "
    "come?",
    "One morning {people} arrive in {place} at different times. {clues} Who is the {ordinal} to arrive?",
    "The list of who comes to {place} when is lost. {people} stood on it, and this much is still known. {clues} Who "
    "was "
    "the {ordinal} on the list?",
)
_SCHEDULING = (
    "Next week {people} are to speak in {place}, one after the other. {clues} How many orders are possible?",
    "{people} share the only key to {place} and use it one after the other, each once. {clues} In how many orders "
    "can "
    "they do so?",
)


def _order_clues(names: Order) -> list[_Clue]:
    found = []
    for form, holds in _ORDER_CLUES:
        slots = re.findall(r"\{(\w)\}", form)
        found += [
            _Clue(form.format(**dict(zip(slots, some, strict=True))), _applied(holds, some))
            for some in permutations(names, len(slots))
        ]
    return found


def _applied(holds: Callable[..., bool], words: Sequence[str]) -> Callable[[Order], bool]:
    return lambda order: holds(order, *words)


_ORDER_PATTERNS = [
    (re.compile(re.sub(r"\\\{\w\\\}", lambda _: _NAME, re.escape(form))), holds) for form, holds in _ORDER_CLUES
]


def _read_clues(text: str, patterns: Iterable[tuple[re.Pattern[str], Callable[..., bool]]]) -> list[_Clue]:
    return [
        _Clue(found[0], _applied(holds, found.groups()))
        for pattern, holds in patterns
        for found in pattern.finditer(text)
    ]


def _fitting(cases: Iterable[Order], clues: Sequence[_Clue]) -> list[Order]:
    return [case for case in cases if all(clue.holds(case) for clue in clues)]


def _enough(rng: random.Random, cases: Sequence[Order], truth: Order, clues: Sequence[_Clue]) -> list[_Clue]:
    """True clues that leave the truth alone, none of them needless."""
    known = [clue for clue in clues if clue.holds(truth)]
    rng.shuffle(known)
    chosen: list[_Clue] = []
    left = list(cases)
    for clue in known:
        fewer = _fitting(left, [clue])
        if len(fewer) < len(left):
            chosen.append(clue)
            left = fewer
        if len(left) == 1:
            break
    for clue in list(chosen):
        others = [one for one in chosen if one is not clue]
        if len(_fitting(cases, others)) == 1:
            chosen = others
    return chosen


def make_ordering(rng: random.Random, scene: Scene, size: int) -> Problem:
    """Who comes when: people in a row, of whom relations are told."""
    names = scene.others[:size]
    truth = tuple(rng.sample(names, size))
    clues = _enough(rng, list(permutations(names)), truth, _order_clues(names))
    place = rng.randrange(size)
    ordinal = "last" if place == size - 1 else _ORDINALS[place]
    text = _told(rng, scene, _ORDERING, names, clues, ordinal=ordinal)
    return Problem(text, "ordering", truth[place])


def _told(
    rng: random.Random, scene: Scene, forms: Sequence[str], names: Order, clues: Sequence[_Clue], **slots: str
) -> str:
    told = " ".join(clue.text for clue in clues)
    return rng.choice(forms).format_map({**scene.slots, "people": listed(names), "clues": told, **slots})


def solve_ordering(text: str) -> KnownSolution | None:
    """Who comes when, by trying all orders."""
    asked = re.search(r"Who (?:is|was) the (\w+) (?:to come|to arrive|on the list)\?\Z", text)
    people = _people(text)
    if asked is None or asked[1] not in (*_ORDINALS, "last") or not people:
        return None
    fitting = _fitting(permutations(people), _read_clues(text, _ORDER_PATTERNS))
    if len(fitting) != 1:
        return None
    steps = f"Of all orders of these people only {listed(fitting[0])} agrees with every statement."
    return KnownSolution(steps, fitting[0][-1 if asked[1] == "last" else _ORDINALS.index(asked[1])])


def _people(text: str) -> Order:
    """The first list of names in a text, of three or more."""
    names = re.search(rf"(?:{_NAME}, )+{_NAME} and {_NAME}(?! and)", text)
    return unlisted(names[0]) if names else ()


def make_scheduling(rng: random.Random, scene: Scene, size: int) -> Problem:
    """How many orders there are under some conditions."""
    names = scene.others[:size]
    truth = tuple(rng.sample(names, size))
    known = [clue for clue in _order_clues(names) if clue.holds(truth)]
    count = 1
    while count == 1:
        clues = rng.sample(known, rng.choice((2, 3)) if size > 3 else 1)
        count = len(_fitting(permutations(names), clues))
    return Problem(_told(rng, scene, _SCHEDULING, names, clues), "scheduling", str(count))


def solve_scheduling(text: str) -> KnownSolution | None:
    """The number of orders, by trying all."""
    people = _people(text)
    if not people or not re.search(r"(?:How many orders are possible|In how many orders can they do so)\?\Z", text):
        return None
    count = len(_fitting(permutations(people), _read_clues(text, _ORDER_PATTERNS)))
    return KnownSolution("All orders are tried, and those that agree with every condition are counted.", str(count))


#: What somebody says who always tells the truth or always lies: of all (who is truthful, by place) and the speaker.
_STATEMENTS: Sequence[tuple[str, Callable[..., bool]]] = (
    ("{b} always lies", lambda t, s, b: not t[b]),
    ("{b} always tells the truth", lambda t, s, b: t[b]),
    ("{b} and I are of the same kind", lambda t, s, b: t[b] == t[s]),
    ("{b} and I are of different kinds", lambda t, s, b: t[b] != t[s]),
    ("{b} and {c} are of the same kind", lambda t, s, b, c: t[b] == t[c]),
    ("{b} lies, or {c} does", lambda t, s, b, c: not (t[b] and t[c])),
    ("exactly one of us tells the truth", lambda t, s: sum(t.values()) == 1),
    ("exactly two of us tell the truth", lambda t, s: sum(t.values()) == 2),
    ("at least one of us lies", lambda t, s: not all(t.values())),
)
_TRUTH = (
    "In a game that is played in {place}, each player is secretly made either a truth-teller, who says nothing that "
    "is "
    "false, or a liar, who says nothing that is true. {people} play it. {said} Who of them are truth-tellers?",
    "A tale told in {place} knows two kinds of people only: those who always tell the truth and those who always "
    "lie. "
    "In it, a stranger meets {people}. {said} Which of them tell the truth?",
)
_SAID = re.compile(rf'{_NAME} says: "([^"]+)"')


def make_truth(rng: random.Random, scene: Scene, size: int) -> Problem:
    """Who tells the truth: everybody says something of the others."""
    names = scene.others[: min(size, 4)]
    while True:
        said = []
        for name in names:
            form, _ = rng.choice(_STATEMENTS)
            others = rng.sample([other for other in names if other != name], 2)
            said.append(f'{name} says: "{_capital(form.format(b=others[0], c=others[1]))}."')
        text = rng.choice(_TRUTH).format_map({**scene.slots, "people": listed(names), "said": " ".join(said)})
        known = solve_truth(text)
        # Nobody among them is a dull answer, and statements of one kind make a dull puzzle.
        if known is not None and known.answer != "nobody" and len({line.partition(":")[2] for line in said}) > 1:
            return Problem(text, "truth-tellers and liars", known.answer)


def solve_truth(text: str) -> KnownSolution | None:
    """Who tells the truth, by trying all cases."""
    said = _SAID.findall(text)
    if not said or not re.search(r"(?:Who of them are truth-tellers|Which of them tell the truth)\?\Z", text):
        return None
    read = [(name, *_read_statement(line)) for name, line in said]
    names = [name for name, _ in said]
    fitting = []
    for values in product((True, False), repeat=len(names)):
        case = dict(zip(names, values, strict=True))
        if all(holds(case, name, *about) == case[name] for name, holds, about in read):
            fitting.append(case)
    if len(fitting) != 1:
        return None
    truthful = sorted(name for name, is_truthful in fitting[0].items() if is_truthful)
    answer = listed(truthful) or "nobody"
    return KnownSolution(
        f"Of all ways to make each of them one or the other, only one fits: {answer} tell the truth.", answer
    )


def _read_statement(line: str) -> tuple[Callable[..., bool], tuple[str, ...]]:
    for form, holds in _STATEMENTS:
        pattern = re.sub(r"\\\{\w\\\}", lambda _: _NAME, re.escape(form))
        if found := re.fullmatch(f"(?i:{pattern})", line.rstrip(".")):
            return holds, found.groups()
    raise ValueError(f"{line!r} is no statement of these puzzles")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


#: Sentences about who carries what: the last word of an order is what the last person carries, and so on.
_GRID = (
    "{people} each look after one of the four {boxes} in {place}: {things}. {clues} Which one does {asked} look after?",
    "In {place}, {things} are given to {people}, one to each. {clues} Which one does {asked} get?",
)


def _grid_clues(names: Order, things: Order) -> list[_Clue]:
    found = []
    for name, thing in product(names, things):
        found.append(_Clue(f"{name} does not have {thing}.", _not_his(names, name, thing)))
    for name, (one, two) in product(names, combinations(things, 2)):
        found.append(_Clue(f"{name} has {one} or {two}.", _one_of(names, name, one, two)))
    for (one, two), thing in product(combinations(names, 2), things):
        found.append(_Clue(f"Either {one} or {two} has {thing}.", _whose(names, one, two, thing)))
    return found


def _not_his(names: Order, name: str, thing: str) -> Callable[[Order], bool]:
    return lambda held: held[names.index(name)] != thing


def _one_of(names: Order, name: str, one: str, two: str) -> Callable[[Order], bool]:
    return lambda held: held[names.index(name)] in (one, two)


def _whose(names: Order, one: str, two: str, thing: str) -> Callable[[Order], bool]:
    return lambda held: thing in (held[names.index(one)], held[names.index(two)])


def make_assignment(rng: random.Random, scene: Scene, size: int) -> Problem:
    """Who has what: four people and four things."""
    names = scene.others[:4]
    things = tuple(f"the {colour} {scene.slots['box']}" for colour in rng.sample(_COLOURS, 4))
    truth = tuple(rng.sample(things, 4))
    clues = _enough(rng, list(permutations(things)), truth, _grid_clues(names, things))
    asked = rng.randrange(4)
    slots = {**scene.slots, "people": listed(names), "things": listed(things), "asked": names[asked]}
    text = rng.choice(_GRID).format_map({**slots, "clues": " ".join(clue.text for clue in clues)})
    return Problem(text, "assignment", truth[asked])


def solve_assignment(text: str) -> KnownSolution | None:
    """Who has what, by trying all cases."""
    asked = re.search(rf"Which one does {_NAME} (?:look after|get)\?\Z", text)
    names = _people(text)
    things = tuple(dict.fromkeys(_THING.findall(text)))
    if asked is None or len(names) != 4 or len(things) != 4:
        return None
    clues = [clue for clue in _grid_clues(names, things) if clue.text in text]
    fitting = _fitting(permutations(things), clues)
    if len(fitting) != 1:
        return None
    pairs = listed([f"{name} has {thing}" for name, thing in zip(names, fitting[0], strict=True)])
    return KnownSolution(f"Only one way agrees with every statement: {pairs}.", fitting[0][names.index(asked[1])])

"""The details of a request: names, days, sums and lists by slot, and what can be worked out from them."""

import random
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from statistics import mean, median
from tomllib import loads

from populace.agents.procedural.lexicon import Frame, split
from populace.agents.procedural.subjects import Subjects

#: Slots that are taken from the person's life.
_OWN = frozenset({"thing", "topic", "worry", "how", "knows", "do", "pastime"})
_MOST_OWN = 6
_TRIES = 20
_DIGITS = "0123456789"
_ITEM = re.compile(r"(.*\S) (\d+)")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
#: A year without 29 February, for counting days.
_YEAR = 2025
_AMOUNTS = {"flour": 500, "water": 350, "sugar": 120, "butter": 90, "milk": 250, "oats": 80, "yeast": 20, "oil": 40}


@cache
def _pools() -> Mapping[str, tuple[Frame, ...]]:
    loaded = loads(Path(__file__).with_name("details.toml").read_text("utf-8"))
    return {name: tuple(map(Frame, split(text))) for name, text in loaded.items()}


@cache
def choices(slot: str) -> tuple[str, ...]:
    """Everything that a slot may hold, where that is a few words; nothing for other slots."""
    name = slot.rstrip(_DIGITS)
    found = [frame.parts for pool in (name, f"child_{name}") for frame in _pools().get(pool, ())]
    return tuple(parts[0] for parts in found) if all(len(parts) == 1 for parts in found) else ()


class Details:
    """The slots of requests and answers; a digit behind a name asks for a further value of the same."""

    def __init__(self, subjects: Subjects, known: Mapping[str, str] | None = None) -> None:
        """What is `known` is not drawn."""
        self._subjects = subjects
        self._rng = subjects.rng
        self._is_child = subjects.me.stage == "child"
        self._values: dict[str, str | None] = dict(known or {})
        self._own: dict[str, list[str]] = {}

    def forget(self) -> None:
        """Draw every slot anew when it is next asked for."""
        self._values.clear()
        self._own.clear()

    def __call__(self, slot: str) -> str | None:
        """The value of a slot; None where there is none, or no further one."""
        if slot not in self._values:
            self._values[slot] = self._new(slot.rstrip(_DIGITS))
        return self._values[slot]

    def has(self, slot: str) -> bool:
        """Whether the slot has a value already."""
        return self._values.get(slot) is not None

    def _new(self, name: str) -> str | None:
        if name in _OWN:
            if name not in self._own:
                self._own[name] = self._subjects.several(name, _MOST_OWN)
            return self._own[name].pop() if self._own[name] else None
        if name in _WORKED_OUT:
            return _WORKED_OUT[name](self)
        for _ in range(_TRIES):
            value = self._drawn(name)
            if value not in self._values.values():
                return value
        return None

    def _drawn(self, name: str) -> str | None:
        if name in _MADE:
            return _MADE[name](self._rng)
        pools = _pools()
        pool = pools.get(f"child_{name}" if self._is_child else name) or pools.get(name)
        return self._rng.choice(pool).fill(self) if pool else self._subjects(name)


def _words(name: str, rng: random.Random, count: int) -> list[str]:
    return [frame.parts[0] for frame in rng.sample(_pools()[name], count)]


def _ordinal(number: int) -> str:
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _bills(rng: random.Random) -> str:
    return ", ".join(f"{name} {rng.randint(9, 240)}" for name in _words("cost", rng, rng.randint(3, 6)))


def _people(rng: random.Random) -> str:
    return ", ".join(_words("first", rng, rng.randint(5, 9)))


def _recipe(rng: random.Random) -> str:
    named = rng.sample(sorted(_AMOUNTS), rng.randint(3, 5))
    return ", ".join(f"{name} {10 * rng.randint(1, _AMOUNTS[name] // 10)} g" for name in named)


#: Values that are made by chance.
_MADE: Mapping[str, Callable[[random.Random], str]] = {
    "number": lambda rng: str(rng.randint(3, 12)),
    "many": lambda rng: str(rng.randint(13, 95)),
    "pages": lambda rng: str(rng.randint(96, 480)),
    "words": lambda rng: str(10 * rng.randint(4, 40)),
    "amount": lambda rng: str(5 * rng.randint(4, 190)),
    "price": lambda rng: str(5 * rng.randint(2, 30)),
    "rent": lambda rng: str(5 * rng.randint(60, 260)),
    "percent": lambda rng: str(rng.randint(2, 35)),
    "weekly": lambda rng: str(rng.randint(5, 60)),
    "nth": lambda rng: _ordinal(rng.randint(1, 28)),
    "spring": lambda rng: rng.choice(_MONTHS[2:9]),
    "time": lambda rng: f"{rng.randint(7, 22)}:{rng.choice(('00', '10', '15', '20', '30', '40', '45', '50'))}",
    "bills": _bills,
    "people": _people,
    "recipe": _recipe,
    "shopping": lambda rng: ", ".join(_words("food", rng, rng.randint(5, 9))),
    "scores": lambda rng: ", ".join(str(rng.randint(2, 99)) for _ in range(rng.randint(5, 8))),
}


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _listed(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",")]


def _shown(value: float) -> str:
    return f"{value:.2f}".removesuffix(".00")


def _of(slot: str, work: Callable[[str], str]) -> Callable[[Details], str | None]:
    """What is worked out from one slot."""

    def worked_out(details: Details) -> str | None:
        text = details(slot)
        return work(text) if text else None

    return worked_out


def _of_sum(other: str, work: Callable[[int, int], str]) -> Callable[[Details], str | None]:
    """What is worked out from a sum of money and another number."""

    def worked_out(details: Details) -> str | None:
        money = next((slot for slot in ("price", "rent") if details.has(slot)), "amount")
        found = [_numbers(details(slot) or "") for slot in (money, other)]
        return work(found[0][0], found[1][0]) if all(found) else None

    return worked_out


def _of_three(slots: tuple[str, str, str], work: Callable[[int, int, int], str]) -> Callable[[Details], str | None]:
    """What is worked out from the numbers in three slots."""

    def worked_out(details: Details) -> str | None:
        found = [_numbers(details(slot) or "") for slot in slots]
        return work(*(numbers[0] for numbers in found)) if all(found) else None

    return worked_out


def _dearest(bills: str) -> str:
    items = [(int(m[2]), m[1]) for m in map(_ITEM.fullmatch, _listed(bills)) if m]
    return max(items)[1] if items else bills


def _later(details: Details) -> str | None:
    day, month, days = (details(slot) or "" for slot in ("nth", "spring", "many"))
    if month.capitalize() not in _MONTHS or not _numbers(day) or not _numbers(days):
        return None
    found = date(_YEAR, _MONTHS.index(month.capitalize()) + 1, _numbers(day)[0]) + timedelta(days=_numbers(days)[0])
    return f"the {_ordinal(found.day)} of {_MONTHS[found.month - 1]}"


#: Values that follow from others.
_WORKED_OUT: Mapping[str, Callable[[Details], str | None]] = {
    "total": _of("bills", lambda text: str(sum(_numbers(text)))),
    "half": _of("bills", lambda text: _shown(sum(_numbers(text)) / 2)),
    "dearest": _of("bills", _dearest),
    "sum": _of("scores", lambda text: str(sum(_numbers(text)))),
    "mean": _of("scores", lambda text: _shown(mean(_numbers(text)))),
    "median": _of("scores", lambda text: _shown(median(_numbers(text)))),
    "ordered": _of("scores", lambda text: ", ".join(map(str, sorted(_numbers(text))))),
    "sorted": _of("people", lambda text: ", ".join(sorted(_listed(text)))),
    "guests": _of("people", lambda text: str(len(_listed(text)))),
    "items": _of("shopping", lambda text: str(len(_listed(text)))),
    "part": _of_sum("percent", lambda amount, percent: _shown(amount * percent / 100)),
    "raised": _of_sum("percent", lambda amount, percent: _shown(amount * (100 + percent) / 100)),
    "reduced": _of_sum("percent", lambda amount, percent: _shown(amount * (100 - percent) / 100)),
    "weeks": _of_sum("weekly", lambda amount, weekly: str(-(-amount // weekly))),
    "later": _later,
    "product": _of_three(("number", "many", "amount"), lambda times, of, more: str(times * of + more)),
    "each": _of_three(("many", "number", "number"), lambda all_of_them, kids, _: str(all_of_them // kids)),
    "rest": _of_three(("many", "number", "number"), lambda all_of_them, kids, _: str(all_of_them % kids)),
}

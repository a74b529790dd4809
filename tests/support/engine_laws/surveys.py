"""Surveys of samples: answers of people who were drawn with different chances, weighted back to all."""

import math
import random
from collections.abc import Iterator
from statistics import fmean, pvariance

from populace.analysis.surveys import read_surveys
from populace.personas import Persona, create_hub
from populace.personas.selection import SelectionSpec, select
from populace.scenarios.laws.law import ROUNDING, STANDARD_ERRORS, Measured, Trial, place_of
from populace.sim import Growth, Item, Number, Resident, Survey, open_run

from .draws import Tossing

#: People who speak each language, what they tend to answer, and how many of each are asked.
_STRATA = {"en": (400, 10), "de": (150, 20), "fr": (50, 40)}
_ASKED = 30


_INSERT = """
INSERT INTO personas BY NAME SELECT ? AS id, ? AS ordinal, ? AS text, ? AS language, 'import' AS origin, 0 AS hop
"""


def _answer_of(place: int, language: str) -> int:
    """An answer around that of the stratum."""
    return _STRATA[language][1] + place * 7919 % 11


class Asked(Tossing):
    """Everybody is asked for a number of its own, and for its language."""

    name = "asked"
    surveys = (
        Survey("numbers", [Number("How many?", 0, 100, name="own"), Number("Which?", 0, 100, name="stratum")], at=1),
    )

    def answer(self, resident: Resident, item: Item, rng: random.Random) -> int:
        """The number of this person, or of its stratum."""
        place, language = place_of(resident.persona.text), resident.persona.language
        return _answer_of(place, language) if item.name == "own" else _STRATA[language][1]


def horvitz_thompson(trial: Trial) -> Iterator[Measured]:
    """A stratified sample, weighted by the inverse of its chances, has the mean of all (Cochran 1977, chapter 5)."""
    people = [(language, n) for language, (size, _) in _STRATA.items() for n in range(size)]
    values: dict[str, list[float]] = {language: [] for language in _STRATA}
    hub = trial.folder / f"hub-{trial.seed}.duckdb"
    with create_hub(hub) as file:
        for place, (language, _) in enumerate(people):
            one = Persona(f"Agent {place}", language=language)
            values[language].append(_answer_of(place, language))
            file.con.execute(_INSERT, [one.id, place + 1, one.text, language])
        spec = SelectionSpec(n=_ASKED * len(_STRATA), balance=("language",), seed=trial.seed, name="panel")
        select(file, spec)
    growth = Growth(hub=hub, select="panel", agents=None, hops=0)
    run = trial.run(Asked(), None, steps=1, growth=growth)
    with open_run(run.path) as reader:
        means = {one.item: one.mean.value or 0.0 for one in read_surveys(reader).items if one.mean}
    size = len(people)
    strata = sum(count * mean for count, mean in _STRATA.values()) / size
    yield Measured("weighted mean of what follows from the stratum", strata, means["stratum"], ROUNDING)
    variance = sum(
        (len(some) / size) ** 2 * (1 - _ASKED / len(some)) * pvariance(some) * len(some) / (len(some) - 1) / _ASKED
        for some in values.values()
    )
    exact = fmean(value for some in values.values() for value in some)
    yield Measured("weighted mean of a number", exact, means["own"], STANDARD_ERRORS * math.sqrt(variance))

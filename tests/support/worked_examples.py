"""Worked examples of the problem tasks: answers that are found in another way than by the example's own expression."""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import sympy

from populace.agents.procedural.problems import Example, ProblemLibrary, draw_scene, fill
from populace.agents.procedural.situation import portrait_of

PEOPLE = ("A night-shift baker who keeps pigeons.", "A computational biologist who teaches.", "A boy aged ten.")
#: Finds the answer to a problem from its parameters, its `text` and the `names` in it.
type Solver = Callable[..., object]


def first[T](values: Iterator[T]) -> T:
    return next(values)


def cases(library: ProblemLibrary, solvers: Mapping[str, Solver]) -> list[Any]:
    """Pair each example that computes its answer with its solver; every example and every solver is in one pair."""
    examples = {one.name: one for one in library.examples if one.name or "$" in one.answer}
    assert sorted(examples) == sorted(solvers)
    assert len(examples) == sum(1 for one in library.examples if one.name)
    return [pytest.param(library, examples[name], solver, id=name) for name, solver in solvers.items()]


def problems(library: ProblemLibrary, example: Example, count: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Texts of an example, each of its forms in turn, with the values that fill them."""
    rng = random.Random(1)
    for at in range(count):
        words = {"names": "小李 | 老王", "places": dict.fromkeys(("food", "science", "young"), "食堂")}
        scene = draw_scene(rng, portrait_of(PEOPLE[at % 3]), words if example.language == "zh" else None)
        values = example.draw_values(rng, {**library.tables, **scene})
        yield fill(example.text[at % len(example.text)], values), values


def equal(found: object, answer: str) -> bool:
    try:
        return bool(abs(sympy.Rational(str(found)) - sympy.Rational(answer)) < sympy.Rational(1, 10**9))
    except (TypeError, ValueError):
        return str(found) == answer


def check_example(library: ProblemLibrary, example: Example, solver: Solver) -> None:
    """Compare answers of all forms of an example with those of a solver, and with what is read from the text."""
    for text, values in problems(library, example, 4 * len(example.text)):
        people = [values[name] for name in ("who", "other", "third", "fourth", "fifth", "sixth") if name in values]
        names = [name for name in people if re.search(rf"\b{name}\b", text)]
        answer = fill(example.answer, values)
        found = solver(**{**values, "text": text, "names": names})
        assert equal(found, answer), (text, answer, found)
        known = library.solve(text)
        assert known is not None
        assert (known.answer, known.steps) == (answer, fill(example.check, values)), text

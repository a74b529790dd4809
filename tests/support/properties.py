"""Properties that are tried on a few examples, and on many where slow tests run."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

type Test = Callable[..., None]


def holds(
    *strategies: SearchStrategy[Any], few: int = 30, many: int = 100, **named: SearchStrategy[Any]
) -> Callable[[Test], Test]:
    """`given`, with `few` examples; a second test of the same property, marked slow, takes `many`.

    Fixtures are shared by all examples of a property.
    """

    def decorate(test: Test) -> Test:
        tries: dict[int, Test] = {
            count: settings(
                max_examples=count,
                deadline=None,
                suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
            )(given(*strategies, **named)(test))
            for count in (few, many)
        }

        def run(examples: int, **fixtures: Any) -> None:
            tries[examples](**fixtures)

        run.__name__, run.__module__ = test.__name__, test.__module__
        examples = inspect.Parameter("examples", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        fixtures = inspect.signature(tries[few]).parameters.values()
        run.__signature__ = inspect.Signature([examples, *fixtures])  # type: ignore[attr-defined]  # pytest reads it
        both: Test = pytest.mark.parametrize("examples", [few, pytest.param(many, marks=pytest.mark.slow)])(run)
        return both

    return decorate

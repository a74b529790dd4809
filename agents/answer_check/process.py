"""A process that compares formulas with math-verify, within limits of time and memory.

An answer such as `9**9**9`, or one of a megabyte, may take any time and any memory to evaluate, in C code that nothing
interrupts. So formulas are compared in a process of their own, one for all comparisons, which is killed by the CPU time
of a comparison and by its memory; the next comparison starts another one. It makes no difference in which thread or
process `AnswerChecker` is called. Where the system bounds neither (Windows), a comparison is bounded by time alone.
"""

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from functools import cache
from itertools import cycle, product
from typing import Any, Self

import orjson

from ...core.errors import SetupError
from .compare import SameAnswer, compare_answers

#: CPU seconds of one comparison, bytes of memory, and seconds to wait for a process that does not even compute.
_CPU_SECONDS = 3.0
_MEMORY = 1 << 30
_WALL_SECONDS, _START_SECONDS = 60.0, 120.0
_BOUNDS_CPU = hasattr(signal, "setitimer")
#: Digits to which values of formulas with small numbers are computed, the digits at most, and those of a difference.
_DIGITS, _MOST_DIGITS, _CERTAIN = 120, 50_000, 20
#: Values of letters, by which formulas are compared: no whole numbers, and negative ones too.
_POINTS = (("137/101", "71/53"), ("-83/61", "29/97"), ("-41/89", "-167/73"))
#: Comparisons whose results are kept.
_REMEMBERED = 20_000
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LANG", "LC_ALL", "SYSTEMROOT")
_SERVE = f"from {__name__} import serve_comparisons; serve_comparisons()"


class AnswerChecker:
    """Decides whether answers are the same. One process is started when the first formulas are compared."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._known: dict[tuple[str, str, Fraction], SameAnswer] = {}
        atexit.register(self.close)

    def __enter__(self) -> Self:
        """Return the checker itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def same(self, one: str, other: str) -> SameAnswer:
        """Tell whether two answers to one problem are the same. May take seconds, and may run in any thread."""
        return compare_answers(one, other, self._compare_formulas)

    def clusters(self, answers: Sequence[str | None]) -> list[int | None]:
        """Return the cluster number of each answer, or None for no answer.

        Clusters are counted from 1 in the order of first answers. An answer belongs to the first cluster whose first
        answer it equals.
        """
        firsts: list[str] = []
        found: list[int | None] = []
        for answer in answers:
            if answer is None:
                found.append(None)
                continue
            equal = (n for n, first in enumerate(firsts, 1) if self.same(first, answer) is SameAnswer.YES)
            number = next(equal, None)
            if number is None:
                firsts.append(answer)
                number = len(firsts)
            found.append(number)
        return found

    def close(self) -> None:
        """End the process. The next comparison starts another one."""
        atexit.unregister(self.close)
        with self._lock:
            self._end_process()

    def _compare_formulas(self, one: str, other: str, tolerance: Fraction) -> SameAnswer:
        key = (min(one, other), max(one, other), tolerance)
        with self._lock:
            if (known := self._known.get(key)) is not None:
                return known
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            verdict = self._known[key] = self._ask_process(key)
            return verdict

    def _ask_process(self, pair: tuple[str, str, Fraction]) -> SameAnswer:
        process = self._process or self._start_process()
        if process.stdin is None:
            raise RuntimeError("the process has no input")
        try:
            process.stdin.write(orjson.dumps((pair[0], pair[1], str(pair[2]))) + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            self._end_process()
            return SameAnswer.UNDECIDED
        line = _read_line(process, _WALL_SECONDS if _BOUNDS_CPU else _CPU_SECONDS)
        if not line:
            self._end_process()
            return SameAnswer.UNDECIDED
        return SameAnswer(line.decode().strip())

    def _start_process(self) -> subprocess.Popen[bytes]:
        process = self._process = subprocess.Popen(  # noqa: S603 - our own code, with no text of others
            [sys.executable, "-P", "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            start_new_session=True,  # Ctrl-C is for the parent, which closes it
        )
        if _read_line(process, _START_SECONDS) != b"ready\n":
            self._end_process()
            raise SetupError(
                "math-verify cannot be loaded; install it anew: `pip install --force-reinstall math-verify`."
            )
        return process

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def _read_line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Read the next line that the process writes. Return empty bytes if it has ended or writes none in time."""
    if process.stdout is None:
        return b""
    # Windows waits for no pipe with a timeout, but a killed process closes its end everywhere.
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        return process.stdout.readline()
    finally:
        watchdog.cancel()


@cache
def shared_checker() -> AnswerChecker:
    """Return the checker that all work in this process shares."""
    return AnswerChecker()


# --- in the process ------------------------------------------------------------------------------------------------


def serve_comparisons() -> None:
    """Compare the pairs that arrive as lines of JSON until there are no more."""
    with suppress(ImportError, ValueError, OSError):  # not every system bounds memory
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    import math_verify

    math_verify.verify(math_verify.parse("$x+1$", parsing_timeout=None), [1], timeout_seconds=None)  # loads all of it
    sys.stdout.buffer.write(b"ready\n")
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        one, other, tolerance = orjson.loads(line)
        if _BOUNDS_CPU:
            signal.setitimer(signal.ITIMER_PROF, _CPU_SECONDS)  # nothing handles its signal: the process ends
        try:
            verdict = SameAnswer.YES if _is_same(one, other, tolerance) else SameAnswer.NO
        except (MemoryError, ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError):
            # An expression that sympy has no value for.
            verdict = SameAnswer.UNDECIDED
        if _BOUNDS_CPU:
            signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(f"{verdict}\n".encode())
        sys.stdout.buffer.flush()


def _is_same(one: str, other: str, tolerance: str) -> bool:
    """Return whether two formulas are the same, or two numbers differ by no more than the tolerance."""
    from math_verify import LatexExtractionConfig, parse

    config = [LatexExtractionConfig()]
    left, right = (
        parse(f"${text}$", extraction_config=config, fallback_mode="no_fallback", parsing_timeout=None)
        for text in (one, other)
    )
    # A letter i that no other letter stands beside is the imaginary unit.
    pairs = list(product(left, right))
    pairs += [
        (a, b) for a, b in ((_with_imaginary_unit(a), _with_imaginary_unit(b)) for a, b in pairs) if (a, b) not in pairs
    ]
    return any(_is_equal(a, b, tolerance) for a, b in pairs)


def _is_equal(one: Any, other: Any, tolerance: str) -> bool:
    """Return whether two expressions are equal by value.

    Expressions without a value are compared by math-verify, in both orders.
    """
    from math_verify import verify
    from sympy import Eq, Expr, MatrixBase, Rational

    if isinstance(one, MatrixBase) and isinstance(other, MatrixBase):
        elements = zip(one, other, strict=False)
        return one.shape == other.shape and all(_is_equal(a, b, tolerance) for a, b in elements)
    if all(isinstance(side, Expr) and not side.is_Matrix for side in (one, other)):
        one, other = one.doit(), other.doit()
        if (found := _differ_in_value(one, other, Rational(tolerance))) is not None:
            return not found
    if isinstance(one, Eq) and isinstance(other, Eq):
        left, right = one.lhs - one.rhs, other.lhs - other.rhs
        if any(apart.is_Rational and apart for apart in (left - right, left + right)):
            return False  # they differ by a constant, which math-verify takes for 0 beside a large number
    # Its numbers are rounded to as many digits: by default six, so that 1e-10 and 3e-10 are the same.
    digits = _needed_digits(one, other)
    exact = {"float_rounding": digits, "numeric_precision": digits}
    return any(
        verify(gold, answer, **exact, allow_set_relation_comp=True, timeout_seconds=None)
        for gold, answer in ((one, other), (other, one))
    )


def _differ_in_value(one: Any, other: Any, tolerance: Any) -> bool | None:
    """Return whether two expressions differ in value, at some point if they have letters.

    Return None if they have no values. Values are computed until their difference is certain to 20 digits, or until
    as many digits agree as large and small numbers in the expressions can account for.
    """
    from sympy import Rational

    difference = one - other
    if difference.is_Rational:
        return bool(abs(difference) > tolerance)
    if difference.is_zero:
        return False
    digits = _needed_digits(one, other)
    letters = sorted(difference.free_symbols, key=str)
    for point in _POINTS if letters else _POINTS[:1]:
        # Different letters have different values.
        values = {
            letter: Rational(value) + place
            for place, (letter, value) in enumerate(zip(letters, cycle(point), strict=False))
        }
        value = difference.subs(values).evalf(_CERTAIN, maxn=digits)
        parts = value.as_real_imag()
        if not all(part.is_Float or part.is_Rational for part in parts):
            return None
        # A part that cancels is a float of one bit.
        if any(part and getattr(part, "_prec", 2) > 1 for part in parts) and bool(abs(value) > tolerance):
            return True
    return False


def _needed_digits(one: Any, other: Any) -> int:
    """Return the number of digits that tell two expressions apart.

    Raises `OverflowError` if there are too many to compute.
    """
    from sympy import Basic, Rational

    numbers = {number for side in (one, other) if isinstance(side, Basic) for number in side.atoms(Rational)}
    digits: int = _DIGITS + sum(number.p.bit_length() + number.q.bit_length() for number in numbers)
    if digits > _MOST_DIGITS:
        raise OverflowError(f"the values have more than {_MOST_DIGITS} digits")
    return digits


def _with_imaginary_unit(formula: Any) -> Any:
    from sympy import I, expand

    letters: set[Any] = getattr(formula, "free_symbols", set())
    only = next(iter(letters)) if len(letters) == 1 else None
    return formula if only is None or only.name != "i" else expand(formula.subs(only, I))

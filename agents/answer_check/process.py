"""A process that compares formulas with math-verify, within limits of time and memory.

An answer such as `9**9**9`, or one of a megabyte, may take any time and any memory to evaluate, in C code that nothing
interrupts. So formulas are compared in a process of their own, one for all comparisons, which is killed by the CPU time
of a comparison and by its memory; the next comparison starts another one. It makes no difference in which thread or
process `AnswerChecker` is called.
"""

import atexit
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import Any, Self

import orjson

from ...personas.errors import SetupError
from .compare import SameAnswer, compare_answers

#: CPU seconds of one comparison, bytes of memory, and seconds to wait for a process that does not even compute.
_CPU_SECONDS = 3.0
_MEMORY = 1 << 30
_WALL_SECONDS, _START_SECONDS = 60.0, 120.0
#: Comparisons whose results are kept.
_REMEMBERED = 20_000
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LANG", "LC_ALL", "SYSTEMROOT")
_SERVE = f"from {__name__} import serve_comparisons; serve_comparisons()"


class AnswerChecker:
    """Decides whether answers are the same. One process is started when the first formulas are compared.

    Raises `SetupError` when it is made and math-verify is not installed.
    """

    def __init__(self) -> None:
        if find_spec("math_verify") is None:
            raise SetupError(
                'Answers are compared by math-verify, which is not installed; `pip install "populace[math]"`.'
            )
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._known: dict[tuple[str, str], SameAnswer] = {}
        atexit.register(self.close)

    def __enter__(self) -> Self:
        """The checker itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def same(self, one: str, other: str) -> SameAnswer:
        """Whether two answers to one problem are the same; may take seconds, in any thread."""
        return compare_answers(one, other, self._compare_formulas)

    def clusters(self, answers: Sequence[str | None]) -> list[int | None]:
        """For each answer the number of its cluster, from 1 in the order of first answers; None for no answer.

        An answer belongs to the first cluster whose first answer it equals.
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
        """End the process; the next comparison starts another one."""
        atexit.unregister(self.close)
        with self._lock:
            self._end()

    def _compare_formulas(self, one: str, other: str) -> SameAnswer:
        key = (one, other) if one <= other else (other, one)
        with self._lock:
            if (known := self._known.get(key)) is not None:
                return known
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            verdict = self._known[key] = self._asked(key)
            return verdict

    def _asked(self, pair: tuple[str, str]) -> SameAnswer:
        process = self._process or self._start()
        if process.stdin is None:
            raise RuntimeError("the process has no input")
        try:
            process.stdin.write(orjson.dumps(pair) + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            self._end()
            return SameAnswer.UNDECIDED
        line = _line(process, _WALL_SECONDS)
        if not line:
            self._end()
            return SameAnswer.UNDECIDED
        return SameAnswer(line.decode().strip())

    def _start(self) -> subprocess.Popen[bytes]:
        process = self._process = subprocess.Popen(  # noqa: S603 - our own code, with no text of others
            [sys.executable, "-P", "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            start_new_session=True,  # Ctrl-C is for the parent, which closes it
        )
        if _line(process, _START_SECONDS) != b"ready\n":
            self._end()
            raise SetupError(
                "math-verify cannot be loaded; install it anew: `pip install --force-reinstall math-verify`."
            )
        return process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def _line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """The next line that the process writes; empty when it has ended, or writes none in time."""
    if process.stdout is None or not select.select([process.stdout], [], [], seconds)[0]:
        return b""
    return process.stdout.readline()


@cache
def shared_checker() -> AnswerChecker:
    """The checker that all work in this process shares."""
    return AnswerChecker()


# --- in the process ------------------------------------------------------------------------------------------------


def serve_comparisons() -> None:
    """Compare the pairs that come as lines of JSON, until there are no more."""
    with suppress(ValueError, OSError):  # not every system bounds memory
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    import math_verify

    math_verify.verify(math_verify.parse("$x+1$", parsing_timeout=None), [1], timeout_seconds=None)  # loads all of it
    sys.stdout.buffer.write(b"ready\n")
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        one, other = orjson.loads(line)
        signal.setitimer(signal.ITIMER_PROF, _CPU_SECONDS)  # nothing handles its signal: the process ends
        try:
            verdict = SameAnswer.YES if _is_same(one, other) else SameAnswer.NO
        except MemoryError:
            verdict = SameAnswer.UNDECIDED
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(f"{verdict}\n".encode())
        sys.stdout.buffer.flush()


def _is_same(one: str, other: str) -> bool:
    """Whether math-verify holds two formulas to be the same, whichever of them is the reference."""
    from math_verify import LatexExtractionConfig, parse, verify

    config = [LatexExtractionConfig()]
    left, right = (
        parse(f"${text}$", extraction_config=config, fallback_mode="no_fallback", parsing_timeout=None)
        for text in (one, other)
    )
    if not left or not right:
        return False
    pairs = [(left, right), (right, left)]
    # A letter i that no other letter stands beside is the imaginary unit.
    complex_ones = [[_with_imaginary_unit(one) for one in side] for side in (left, right)]
    if complex_ones != [left, right]:
        pairs.append((complex_ones[0], complex_ones[1]))
    return any(verify(gold, pred, allow_set_relation_comp=True, timeout_seconds=None) for gold, pred in pairs)


def _with_imaginary_unit(formula: Any) -> Any:
    from sympy import I, expand

    letters: set[Any] = getattr(formula, "free_symbols", set())
    only = next(iter(letters)) if len(letters) == 1 else None
    return formula if only is None or only.name != "i" else expand(formula.subs(only, I))

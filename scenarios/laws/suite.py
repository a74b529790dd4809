"""The laws of `populace check engine`: each has a name, and is tried in a folder that is gone afterwards."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from populace.core.errors import SetupError
from populace.core.inputs import nearest
from populace.core.query import QueryResult

from . import space, spreading
from .law import Law, Measured, Trial

#: Every law with the paper that its result is from. docs/validation.md derives them.
LAWS = (
    Law("granovetter", "Granovetter 1978", spreading.granovetter),
    Law("independent-cascade", "Kempe, Kleinberg and Tardos 2003", spreading.independent_cascade),
    Law("sir", "Lefevre and Picard 1990; von Bahr and Martin-Löf 1980", spreading.sir),
    Law("degroot", "DeGroot 1974", spreading.degroot),
    Law("deffuant", "Deffuant, Neau, Amblard and Weisbuch 2000", spreading.deffuant),
    Law("voter", "Sood and Redner 2005", spreading.voter),
    Law("naming-game", "Baronchelli and others 2006", space.naming_game),
    Law("schelling", "Schelling 1971", space.schelling),
)


def find_laws(names: Sequence[str] = ()) -> tuple[Law, ...]:
    """The laws with these names, in the order of the table; all where none is named.

    Raises `SetupError` for an unknown name.
    """
    known = [law.name for law in LAWS]
    for name in names:
        if name not in known:
            raise SetupError(f"There is no law {name!r}{nearest(name, known)}. There are: {', '.join(known)}.")
    return tuple(law for law in LAWS if not names or law.name in names)


def check_laws(laws: Sequence[Law], *, seed: int = 0, times: int = 1) -> Iterator[Measured]:
    """What each law says and what the engine did, one number after the other; `times` as in `Trial`."""
    for law in laws:
        with TemporaryDirectory(prefix="populace-") as folder:
            yield from law.check(Trial(Path(folder), seed, times))


def table_of(findings: Iterable[Measured]) -> QueryResult:
    """One row for each number."""
    columns = ("law", "what", "expected", "got", "tolerance", "pass", "source")
    types = ("VARCHAR", "VARCHAR", "DOUBLE", "DOUBLE", "DOUBLE", "VARCHAR", "VARCHAR")
    rows = [
        (one.law, one.what, one.expected, one.got, one.tolerance, "yes" if one.passes else "NO", one.source)
        for one in findings
    ]
    return QueryResult(columns, types, rows)

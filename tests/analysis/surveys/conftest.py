"""What the files of these tests answer with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class Answered:
    """The answer to a query."""

    rows: list[tuple[Any, ...]]
    columns: Sequence[str] = ()
    types: Sequence[str] = ()

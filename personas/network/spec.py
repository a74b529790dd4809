"""The networks that a society can begin with: their names, their parameters, and what they cannot be."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ...core.errors import SetupError, parameter
from ...core.inputs import read_number

type NetworkKind = Literal[
    "grown",
    "woven",
    "complete",
    "ring",
    "watts-strogatz",
    "barabasi-albert",
    "stochastic-block",
    "configuration",
    "homophily",
    "file",
]

#: The network that growth has found, or that a hub holds.
GROWN = "grown"
#: Ties that a society holds in memory, at most: each takes some 300 bytes.
MOST_TIES = 5_000_000
#: Ties of a person and share of them to people who are alike, where homophily does not say.
_DEGREE, _ALIKE = 6, 0.8
#: Ties of a person and share of closed triples, where `woven` does not say: a few close ties each, and a transitivity
#: within the wide range of social networks (Newman 2003, table II).
_WOVEN_DEGREE, _CLUSTERING = 5, 0.3

_FORMS = (
    "grown, woven[:K[,C]], complete, ring:K, watts-strogatz:K,P, barabasi-albert:M, "
    "stochastic-block:P_IN,P_OUT[,COLUMN], configuration, homophily:COLUMN|embedding[,K[,SHARE]], or file:PATH"
)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network by its kind and parameters; those that the kind does not have are 0, empty or None."""

    kind: NetworkKind
    #: Ties of a person: of ring and Watts-Strogatz before any is rewired, of homophily on average. Of Barabasi-Albert
    #: those that a newcomer brings.
    degree: int = 0
    #: Probability that a tie is rewired (Watts-Strogatz), or that two people of one block are tied; share of ties
    #: between people who are alike (homophily), or of closed triangles (woven).
    probability: float = 0.0
    #: Probability that two people of different blocks are tied.
    between: float = 0.0
    #: Column whose values are the blocks, or make people alike; empty for the scenario's groups.
    column: str = ""
    #: List of ties.
    file: Path | None = None

    @property
    def needs_vectors(self) -> bool:
        """Whether people are alike by the vectors of their descriptions."""
        return self.kind == "homophily" and self.column == "embedding"

    def check_people(self, people: int) -> None:
        """Raise `SetupError` when so many people cannot be tied in this way."""
        said = f"{parameter('network')} is {str(self)!r}"
        if self.kind in ("woven", "ring", "watts-strogatz", "barabasi-albert", "homophily") and self.degree >= people:
            raise SetupError(
                f"{said}, and a person of {people:,} can be tied to {max(0, people - 1):,} others at most; take fewer "
                f"than {self.degree} ties, or more people."
            )
        ties = people * (people - 1) // 2 if self.kind == "complete" else people * self.degree // 2
        if ties > MOST_TIES:
            raise SetupError(
                f"{said}, which of {people:,} people makes {ties:,} ties, and a society holds {MOST_TIES:,} at most; "
                f"take fewer people, or a network with fewer ties."
            )

    def like(self, people: int, of: int) -> "NetworkSpec":
        """A network with about as many ties a person, which `people` can make who stand for `of`, without vectors."""
        most = max(1, people - 1)
        if people < 3:
            return NetworkSpec("complete")
        if self.needs_vectors or (self.file is not None and people < of):
            return NetworkSpec("ring", 2 * max(1, min(self.degree or _DEGREE, most) // 2))
        if self.kind in ("ring", "watts-strogatz"):
            return replace(self, degree=2 * max(1, min(self.degree, most) // 2))
        if self.kind == "stochastic-block":
            within, between = (min(1.0, share * of / people) for share in (self.probability, self.between))
            return replace(self, probability=within, between=between)
        return replace(self, degree=min(self.degree, most))

    def __str__(self) -> str:
        match self.kind:
            case "woven":
                return f"{self.kind}:{self.degree},{self.probability!r}"
            case "ring" | "barabasi-albert":
                return f"{self.kind}:{self.degree}"
            case "watts-strogatz":
                return f"{self.kind}:{self.degree},{self.probability!r}"
            case "stochastic-block":
                blocks = f",{self.column}" if self.column else ""
                return f"{self.kind}:{self.probability!r},{self.between!r}{blocks}"
            case "homophily":
                return f"{self.kind}:{self.column},{self.degree},{self.probability!r}"
            case "file":
                return f"{self.kind}:{self.file}"
        return self.kind


def parse_network(text: object) -> NetworkSpec:
    """The network that is named so, as `watts-strogatz:6,0.1`. Raises `SetupError` in one sentence."""
    if not isinstance(text, str):
        raise SetupError(f"{parameter('network')} is {text!r:.80}; give a text: {_FORMS}.")
    kind, _, rest = text.strip().partition(":")
    given = [one.strip() for one in rest.split(",")] if rest.strip() else []
    match kind, given:
        case (("grown" | "complete" | "configuration"), []):
            return NetworkSpec(kind)
        case "woven", [*numbers] if len(numbers) < 3:
            degree = _parse_whole(text, "K", numbers[0]) if numbers else _WOVEN_DEGREE
            share = _parse_share(text, "C", numbers[1]) if len(numbers) > 1 else _CLUSTERING
            return NetworkSpec("woven", degree, share)
        case "ring", [ties]:
            return NetworkSpec("ring", _parse_even(text, ties))
        case "watts-strogatz", [ties, share]:
            return NetworkSpec("watts-strogatz", _parse_even(text, ties), _parse_share(text, "P", share))
        case "barabasi-albert", [ties]:
            return NetworkSpec("barabasi-albert", _parse_whole(text, "M", ties))
        case "stochastic-block", [within, between, *column] if len(column) < 2:
            within_, between_ = _parse_share(text, "P_IN", within), _parse_share(text, "P_OUT", between)
            return NetworkSpec("stochastic-block", 0, within_, between_, "".join(column))
        case "homophily", [column, *numbers] if column and len(numbers) < 3:
            degree = _parse_whole(text, "K", numbers[0]) if numbers else _DEGREE
            alike = _parse_share(text, "SHARE", numbers[1]) if len(numbers) > 1 else _ALIKE
            return NetworkSpec("homophily", degree, alike, column=column)
        case "file", [_, *_]:
            return NetworkSpec("file", file=_absolute_path(rest.strip()))
    raise SetupError(f"{parameter('network')} is {text!r}, which is no network; give {_FORMS}.")


def _absolute_path(text: str) -> Path:
    # A run that is resumed from another folder must find the file that was meant.
    return Path(text).expanduser().absolute()


def _parse_whole(text: str, name: str, given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise SetupError(f"{parameter('network')} is {text!r}; {name} must be a whole number from 1, and is {given!r}.")
    return int(given)


def _parse_even(text: str, given: str) -> int:
    degree = _parse_whole(text, "K", given)
    if degree % 2:
        raise SetupError(
            f"{parameter('network')} is {text!r}; K must be even, for each person is tied to K/2 people on either side "
            f"of the ring; give {f'{degree - 1} or ' if degree > 1 else ''}{degree + 1}."
        )
    return degree


def _parse_share(text: str, name: str, given: str) -> float:
    share = read_number(given)
    if not 0 <= share <= 1:
        raise SetupError(f"{parameter('network')} is {text!r}; {name} must be a number from 0 to 1, and is {given!r}.")
    return share

"""One answer for many alike: agents in clusters, of which one is asked and the others do what it does, each with noise.

A cluster's representative in a step is the first of its members, in an order drawn by seed, who has a turn and is
offered the same actions. The others observe and remember for themselves, and what they emit says whose answer it is.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from warnings import catch_warnings
from zlib import crc32

import numpy as np

from ...agents.mind import Decision
from ...agents.observation import PLAYER
from ...core.arrow import Matrix
from ...core.errors import SetupError, hook, parameter
from ...core.text import words
from ..observe import EmbeddingRecall, Turn
from ..resident import Resident
from ..scenario import Scenario
from ..seeds import derive_seed, rng_for
from ..state import SocietyState

if TYPE_CHECKING:
    from ...agents.actions import Action

#: The clusters by the scenario's own groups.
GROUP = "group"
#: Places of the vectors that words make where no embedding model is given.
_PLACES = 256
_ROUNDS = 25


class Archetypes:
    """Clusters of agents: by the scenario's `group`, a column of their profiles, or so many by their descriptions."""

    def __init__(self, by: str) -> None:
        """Cluster by `by`: `group`, a number of clusters, or the name of a column."""
        self._by = by
        #: Each agent's cluster, once it is known.
        self._clusters: dict[str, str] = {}

    async def decide_turns(
        self,
        state: SocietyState,
        turns: Sequence[Turn],
        decide: Callable[[Iterable[Turn]], Awaitable[Sequence[Decision]]],
        recall: EmbeddingRecall | None = None,
    ) -> list[Decision]:
        """Return the decisions of these turns, in their order. Ask `decide` only about representatives.

        Raises `SetupError` if the agents have no such column, and `HookError` if `vary` fails.
        """
        await self._make_clusters(state, recall)
        alike: dict[tuple[str, tuple[type[Action], ...]], list[int]] = {}
        for place, turn in enumerate(turns):
            cluster = self._clusters[turn.observation.agent]
            alike.setdefault((cluster, turn.offered), []).append(place)
        first = {
            place: min(places, key=lambda one: derive_seed(state.seed, "archetype", turns[one].observation.agent))
            for places in alike.values()
            for place in places
        }
        asked = sorted(set(first.values()))
        made = dict(zip(asked, await decide([turns[place] for place in asked]), strict=True))
        return [
            replace(made[place], archetype=turn.observation.agent)
            if first[place] == place
            else _copy_decision(state, turn, made[first[place]], turns[first[place]].observation.agent)
            for place, turn in enumerate(turns)
        ]

    async def _make_clusters(self, state: SocietyState, recall: EmbeddingRecall | None) -> None:
        if self._clusters.keys() == state.residents.keys():
            return
        # All who are or were there make the clusters, so that a resumed run finds the same.
        residents = sorted(state.residents.values(), key=lambda resident: resident.id)
        if self._by.isdecimal():
            texts = [resident.persona.text for resident in residents]
            seed = derive_seed(state.seed, "embedding", 0) >> 32
            vectors = await recall.embed(texts, seed=seed) if recall is not None else {}
            found = _cluster_rows(_make_matrix(texts, vectors), int(self._by), state.seed)
            self._clusters = {one.id: str(cluster) for one, cluster in zip(residents, found, strict=True)}
        else:
            # Nothing says that those are alike whose value is not known: each is asked.
            self._clusters = {
                one.id: _cluster_value(one, self._by, state.scenario) or f"\x1f{one.id}" for one in residents
            }
            if self._by != GROUP and not any(one.profile for one in residents):
                raise _no_profiles(self._by)


def check_archetypes(by: str, scenario: Scenario) -> None:
    """Raise `SetupError` for archetypes that are impossible for any personas."""
    if by.isdecimal() and int(by) < 1:
        raise SetupError(f"{parameter('archetypes', by)} is no number of clusters; give 1 or more.")
    if not by.isidentifier() and not by.isdecimal():
        raise SetupError(f"{parameter('archetypes', by)} is no number and no column; give one, or {GROUP}.")
    if by == GROUP and type(scenario).group is Scenario.group:
        raise SetupError(
            f"The scenario {scenario.name!r} tells no groups apart; define `group`, or give a number or a column of "
            f"the profiles."
        )
    if scenario.independent:
        raise SetupError(
            f"The turns of {scenario.name!r} are independent, so that each is to be made anew; leave out archetypes."
        )


def check_archetype_people(by: str | None, *, have_profiles: bool) -> None:
    """Raise `SetupError` for archetypes by a profile column if none of the personas will have a profile."""
    if by is not None and by != GROUP and not by.isdecimal() and not have_profiles:
        raise _no_profiles(by)


def _no_profiles(by: str) -> SetupError:
    return SetupError(
        f"{parameter('archetypes', by)} is a column of profiles, and no agent has a profile; take people of a hub with "
        f"profiles, or give {GROUP} or a number."
    )


def _cluster_value(resident: Resident, column: str, scenario: Scenario) -> str:
    """Return the value that decides an agent's cluster, or "" if it is not known."""
    if column == GROUP:
        with hook(scenario, "group"):
            return str(scenario.group(resident) or "")
    profile = resident.profile
    if profile is None:
        return ""
    if column not in profile.attributes:
        raise SetupError(
            f"{parameter('archetypes', column)} is no column of profiles; there are "
            f"{', '.join(sorted(profile.attributes))}, or give {GROUP} or a number."
        )
    value = profile.value(column)
    return "" if value is None else str(value)


def _copy_decision(state: SocietyState, turn: Turn, made: Decision, whose: str) -> Decision:
    """Return an agent's copy of its representative's decision, varied, and addressed to an agent it sees."""
    agent = turn.observation.agent
    if made.action is None:
        reason = f"The representative of its archetype got no answer: {made.reason}" if made.reason else ""
        return Decision(None, made.outcome, reason, attempts=0, prompt=made.prompt, archetype=whose)
    rng = rng_for(state.seed, "vary", state.world.step, agent)
    scenario, there = state.scenario, turn.observation.addressees
    action = made.action
    if action.addressed and not set(action.addressees) <= set(there):
        near = [key for key in there if key != PLAYER] or list(there)
        if isinstance(getattr(action, "to", None), str):
            action = action.model_copy(update={"to": rng.choice(near)})
        else:
            most = min(len(near), len(action.addressees))
            action = action.model_copy(update={"to": tuple(rng.sample(near, most))})
    with hook(scenario, "vary"):
        varied: object = scenario.vary(action, state.residents[agent], rng)
        if not isinstance(varied, turn.offered):
            raise TypeError(f"it must give one of the actions that are offered, and gave {varied!r:.80}")
        if varied.addressed and (absent := set(varied.addressees) - set(there)):
            raise ValueError(f"it speaks to {', '.join(sorted(absent))}, who is not there")
    checks = made.checks if varied == made.action else ()  # of another action they say nothing
    copied = replace(made, action=varied, attempts=0, revised=False, checks=checks, archetype=whose)
    return replace(copied, notes=(), missed=(), deliberations=(), shown=None)


def _make_matrix(texts: Sequence[str], vectors: Mapping[str, np.ndarray]) -> Matrix:
    """Return unit vectors: those of the embedding model if every text has one, else vectors of the words."""
    if all(text in vectors for text in texts):
        rows = np.array([vectors[text] for text in texts], dtype=np.float32)
    else:
        rows = np.zeros((len(texts), _PLACES), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in words(text):
                row[crc32(word.encode()) % _PLACES] = 1
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return (rows / lengths).astype(np.float32)


def _cluster_rows(rows: Matrix, count: int, seed: int) -> list[int]:
    """Return the cluster of each row, by k-means whose centres are initialised far apart (k-means++).

    Of unit vectors, those that are near are those of a high cosine.
    """
    from scipy.cluster.vq import kmeans2

    most = min(count, len(np.unique(rows, axis=0)))
    rng = np.random.default_rng(derive_seed(seed, "archetypes"))
    with catch_warnings(action="ignore", category=UserWarning):  # that a cluster has lost all its members
        _, clusters = kmeans2(rows, most, iter=_ROUNDS, minit="++", rng=rng)
    return [int(cluster) for cluster in clusters]

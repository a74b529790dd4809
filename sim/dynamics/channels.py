"""Channels: where agents post what others may be shown, and by what rule it is chosen for each.

    class Town(Scenario):
        channels = (Channel("square"), Channel("guild", members="merchants"), Channel("feed", "popular", shown=3))

An action posts with `effects.post("square", text)`. A post can be shown from the next step on, to each agent once, for
as many steps as the channel says. What is said to one person alone (`effects.say`) needs no channel.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isnan
from typing import TYPE_CHECKING, Literal

from ...agents.observation import Disclosure, ShownPost, disclose_to
from ...core.errors import SetupError, hook
from ..runfile.rows import ExposureRow, PostRow
from ..seeds import derive_seed

if TYPE_CHECKING:
    from ..resident import Resident, SocietyView
    from ..runfile.runlog import RunLog
    from .declared import Targets


@dataclass(slots=True)
class Post:
    """A text that an agent has posted."""

    #: Number in the run, from 1.
    post: int
    step: int
    #: Id of the agent.
    agent: str
    channel: str
    text: str
    #: How many posts reply to it, so far.
    replies: int = 0
    #: Drawn by the run's seed: which of the posts of one step is counted as the newer.
    drawn: int = 0


#: What comes first: the newest posts; the newest of `neighbours`, to whom one is tied, and no others; those with the
#: most replies; those of the agents to whom one is tied the strongest; or those to which a function of the post, its
#: reader and the society gives the highest number. Among equals the newest comes first; posts of one step stand in an
#: order of chance, the same for everybody.
type Ranking = Literal["recent", "neighbours", "popular", "ties"] | Callable[[Post, Resident, SocietyView], float]


@dataclass(frozen=True, slots=True)
class Channel:
    """Where agents post, and the rule by which it is chosen what others are shown."""

    name: str
    ranking: Ranking = "recent"
    #: Who posts and reads: ids, the name of a group of the scenario, or a condition on agents. None for everybody.
    members: "Targets | None" = None
    #: Posts that an agent is shown in a step, at most.
    shown: int = 5
    #: Steps in which a post can be shown, after that in which it was posted.
    steps: int = 1


_RANKINGS = ("recent", "neighbours", "popular", "ties")
_NAME = re.compile(r"[a-z][a-z0-9_ -]{0,30}")


def check_channels(channels: object, said: str) -> None:
    """Raise `SetupError` if these are not channels. `said` names the scenario in the message."""
    names: list[object] = []
    if not isinstance(channels, list | tuple):
        raise SetupError(f"{said} has the channels {channels!r:.80}; give a list of them, as (Channel('square'),).")
    for one in channels:
        if not isinstance(one, Channel):
            raise SetupError(f"{said} has the channel {one!r}; give channels, as Channel('square').")
        name: object = one.name
        numbers: tuple[object, ...] = (one.shown, one.steps)
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in names:
            raise SetupError(f"{said} has a channel called {name!r}; give each a name of its own, in small letters.")
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in numbers):
            raise SetupError(
                f"{said} has the channel {one.name!r} that shows {one.shown!r} posts for {one.steps!r} steps; give "
                f"whole numbers from 1."
            )
        if one.members is not None and not (callable(one.members) or isinstance(one.members, Iterable)):
            raise SetupError(
                f"{said} has the channel {one.name!r} with the members {one.members!r}; give ids, the name of a group, "
                f"or a condition on agents."
            )
        if not callable(one.ranking) and one.ranking not in _RANKINGS:
            raise SetupError(
                f"{said} has the channel {one.name!r} ranked by {one.ranking!r}; give {', '.join(_RANKINGS)} or a "
                f"function."
            )
        names.append(name)


class PostBoard:
    """What has been posted lately, and to whom it has been shown.

    It stands still while a step's turns are taken: posts are added when they are applied, and shown from the next step.
    """

    def __init__(self, channels: Sequence[Channel], society: "SocietyView", log: "RunLog", *, owner: object) -> None:
        """Load the posts in the run file. `owner` is named in errors of a channel's ranking or members."""
        self._society, self._owner = society, owner
        self._channels = {one.name: one for one in channels}
        self._posts: dict[int, Post] = {}
        self._seen: defaultdict[str, set[int]] = defaultdict(set)
        #: How many posts each agent has written in a step.
        self._written = Counter[tuple[int, str]]()
        ((last,),) = log.query("SELECT coalesce(max(post), 0) FROM posts")
        self._last = int(last)
        longest = max(one.steps for one in self._channels.values())
        recent = log.rows(PostRow, "WHERE step > $step ORDER BY post", {"step": society.world.step - longest})
        for row in recent:
            self._add_post(row)
        known = {"posts": list(self._posts)}
        for exposure in log.rows(ExposureRow, "WHERE post IN (SELECT unnest($posts))", known):
            self._seen[exposure.agent].add(exposure.post)
        #: The posts that can be shown in this step, by channel, as everybody would be shown them.
        self._ordered: dict[str, list[Post]] = {}
        self._by_author: dict[str, defaultdict[str, list[Post]]] = {}
        self._members: dict[str, frozenset[str]] = {}

    def begin(self, meant: "Callable[[Targets], Sequence[Resident]]") -> None:
        """Drop posts that are too old or whose author has left, and rank the posts of each channel.

        `meant` returns the members of a group.
        """
        step = self._society.world.step
        self._written.clear()
        self._posts = {
            n: one
            for n, one in self._posts.items()
            if step - one.step <= self._channels[one.channel].steps and not self._society.resident(one.agent).departed
        }
        for agent, seen in list(self._seen.items()):
            self._seen[agent] = seen & self._posts.keys()
        for name, channel in self._channels.items():
            posts = sorted((one for one in self._posts.values() if one.channel == name), key=_newest_first)
            if channel.ranking == "popular":
                posts.sort(key=lambda one: -one.replies)
            self._ordered[name] = posts
            by_author: defaultdict[str, list[Post]] = defaultdict(list)
            for one in posts:
                by_author[one.agent].append(one)
            self._by_author[name] = by_author
            if channel.members is not None:
                with hook(self._owner, f"channels: {name}"):
                    self._members[name] = frozenset(one.id for one in meant(channel.members))

    def shown_to(self, resident: "Resident", levels: Mapping[str, Disclosure]) -> tuple[ShownPost, ...]:
        """Return the posts the agent sees in this step, by channel and in ranking order."""
        chosen = [
            one
            for channel in self._channels.values()
            for one in islice(self._iter_visible(resident, channel), channel.shown)
        ]
        if not chosen:
            return ()
        ties = {tie.id: tie.described for tie in reversed(self._society.graph.neighbours(resident.id))}
        return tuple(
            ShownPost(
                f"p{place}", one.channel, one.agent, self._name_author(one.agent, ties, levels), one.text, one.post
            )
            for place, one in enumerate(chosen, start=1)
        )

    def post(self, row: PostRow) -> None:
        """Add a post. Raises `ValueError` if its author may not post there."""
        channel = self._channels[row.channel]
        if channel.members is not None and row.agent not in self._members[row.channel]:
            raise ValueError(f"only members post in {row.channel!r}, and {row.agent!r} is none")
        self._add_post(row)

    def next_post(self, channel: str) -> int:
        """Return the number of the next post. Raises `ValueError` if the scenario has no such channel."""
        if channel not in self._channels:
            raise ValueError(f"there is no channel {channel!r}; there are: {', '.join(self._channels)}")
        self._last += 1
        return self._last

    def record_exposures(self, agent: str, shown: Iterable[ShownPost]) -> Iterator[ExposureRow]:
        """Record what an agent was shown in its turn, and yield a row for each post."""
        step = self._society.world.step
        for place, one in enumerate(shown, start=1):
            self._seen[agent].add(one.post)
            yield ExposureRow(step, agent, one.post, one.channel, place)

    def _add_post(self, row: PostRow) -> None:
        # Its author's draw, so that posts of others leave it where it is.
        written = self._written[row.step, row.agent] = self._written[row.step, row.agent] + 1
        drawn = derive_seed(self._society.seed, "post", row.step, f"{row.agent} {written}")
        self._posts[row.post] = Post(row.post, row.step, row.agent, row.channel, row.text, drawn=drawn)
        if row.reply_to in self._posts:
            self._posts[row.reply_to].replies += 1

    def _iter_visible(self, resident: "Resident", channel: Channel) -> Iterator[Post]:
        """Yield the posts the agent can see, in ranking order."""
        seen, world = self._seen.get(resident.id, frozenset[int]()), self._society.world
        if channel.members is not None and resident.id not in self._members[channel.name]:
            return
        is_blocking = bool(world.blocked or world.blocked_ties)
        for one in self._rank_posts(resident, channel):
            is_own = one.agent == resident.id
            if not is_own and one.post not in seen and not (is_blocking and world.is_blocked(resident.id, one.agent)):
                yield one

    def _rank_posts(self, resident: "Resident", channel: Channel) -> Iterable[Post]:
        posts = self._ordered[channel.name]
        if channel.ranking == "neighbours":
            tied = self._ties_of(resident)
            return sorted((one for agent in tied for one in self._by_author[channel.name][agent]), key=_newest_first)
        if channel.ranking == "ties":
            return self._by_ties(resident, posts, channel.name)
        return self._score_posts(resident, posts, channel) if callable(channel.ranking) else posts

    def _by_ties(self, resident: "Resident", posts: Sequence[Post], channel: str) -> Iterator[Post]:
        tied = self._ties_of(resident)
        of_tied = [one for agent in tied for one in self._by_author[channel].get(agent, ())]
        yield from sorted(of_tied, key=lambda one: (-tied[one.agent], *_newest_first(one)))
        yield from (one for one in posts if one.agent not in tied)

    def _ties_of(self, resident: "Resident") -> dict[str, float]:
        """Return the total strength of the agent's ties to each other agent, without suspended ties."""
        tied: defaultdict[str, float] = defaultdict(float)
        suspended = self._society.world.suspended
        for tie in self._society.graph.neighbours(resident.id):
            if tie.kind not in suspended:
                tied[tie.id] += tie.weight
        return tied

    def _score_posts(self, resident: "Resident", posts: Sequence[Post], channel: Channel) -> list[Post]:
        ranking = channel.ranking
        with hook(self._owner, f"channels: {channel.name}"):
            scores = {one.post: float(ranking(one, resident, self._society)) for one in posts}  # type: ignore[operator]
            if any(map(isnan, scores.values())):
                raise ValueError("the ranking must give numbers, and gave nan")
        return sorted(posts, key=lambda one: (-scores[one.post], *_newest_first(one)))

    def _name_author(self, agent: str, ties: Mapping[str, str], levels: Mapping[str, Disclosure]) -> str:
        return ties.get(agent) or disclose_to(self._society.resident(agent).persona.text, "other", levels) or "somebody"


def _newest_first(post: Post) -> tuple[int, int]:
    return -post.step, post.drawn

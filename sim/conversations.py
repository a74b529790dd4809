"""Conversations within a step: agents alternate, line by line, until one of them says nothing more to the others."""

from collections.abc import Iterable, Sequence

from ..agents.observation import PLAYER
from .dynamics.world import is_cut
from .effects import Effects
from .resident import Resident
from .runfile.rows import MessageRow
from .seeds import rng_for, sampled
from .state import Conversation, SocietyState


class Conversations:
    """Who answers whom next, after the turns of a step.

    The lines of those turns open conversations, in the order in which they were applied: one between any two agents of
    whom neither is in another, joined by others whom both know while there is room. Each round has one line of each
    conversation, so that nothing depends on which answer comes first. The members of a conversation hear a line at
    once; what is said to anybody else waits for the next step.
    """

    def __init__(self, effects: Effects, state: SocietyState, *, most: int, room: int = 2) -> None:
        """Allow conversations of `most` lines among `room` agents; with one line there are none within a step."""
        self._effects, self._state, self._most, self._room = effects, state, most, room
        self._open: list[Conversation] = []
        #: Messages that were looked at.
        self._seen = 0
        #: The line of each conversation that is being said, from 1.
        self.round = 1

    def next_speakers(self) -> Sequence[Resident]:
        """Return those who answer the last line of their conversation, or () once all conversations are over."""
        said = self._effects.messages[self._seen :]
        self._seen = len(self._effects.messages)
        going = () if self.round >= self._most else self._opened(said) if self.round == 1 else self._continued(said)
        self._open = list(going)
        self.round += bool(self._open)
        self._state.circles = {one.speaker: one for one in self._open if len(one.members) > 2}
        return [self._state.residents[one.speaker] for one in self._open]

    def _opened(self, said: Sequence[MessageRow]) -> Iterable[Conversation]:
        found: dict[frozenset[str], list[MessageRow]] = {}
        taken: set[str] = set()
        for line in said:
            pair = frozenset((line.sender, line.recipient))
            if pair not in found and (pair & taken or not self._can_hear(line.sender, line.recipient)):
                continue
            taken |= pair
            found.setdefault(pair, []).append(line)
        for lines in found.values():
            for line in lines:
                self._effects.hear(line)
            joined = self._joined(lines[0], taken)
            taken.update(joined)
            yield Conversation((lines[0].sender, lines[0].recipient, *joined), tuple(lines))

    def _joined(self, line: MessageRow, taken: set[str]) -> Sequence[str]:
        """Draw who else is there, of those whom both ends of a line know and who are in no conversation."""
        if self._room == 2:
            return ()
        ends = (line.sender, line.recipient)
        first, second = (self._state.graph.acquaintances(one) for one in ends)
        free = [a for a in first if a in second and a not in taken and all(self._can_hear(one, a) for one in ends)]
        rng = rng_for(self._state.seed, "circle", line.step, *ends)
        return sampled(rng, free, min(len(free), self._room - 2))

    def _continued(self, said: Sequence[MessageRow]) -> Iterable[Conversation]:
        answers = {(line.sender, line.recipient): line for line in said}
        for one in self._open:
            # Whoever spoke is answered first of all.
            reach = dict.fromkeys((one.lines[-1].sender, *one.members))
            answer = next((answers[one.speaker, other] for other in reach if (one.speaker, other) in answers), None)
            if (
                answer is None
                or len(one.lines) + 1 >= self._most
                or not self._can_hear(answer.sender, answer.recipient)
            ):
                continue
            self._effects.hear(answer)
            ends = (answer.sender, answer.recipient)
            members = (m for m in one.members if m in ends or all(self._can_hear(end, m) for end in ends))
            yield Conversation(tuple(members), (*one.lines, answer))

    def _can_hear(self, one: str, other: str) -> bool:
        return (
            PLAYER not in (one, other)
            and one != other
            and not any(map(self._state.has_left, (one, other)))
            and not is_cut(self._state.graph, one, other, self._state.world)
        )

"""Conversations within a step: two agents alternate, line by line, until one of them says nothing more to the other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..agents.observation import PLAYER
from .dynamics.world import is_cut
from .effects import Effects
from .resident import Resident
from .runfile.rows import MessageRow
from .state import SocietyState


@dataclass(slots=True)
class _Conversation:
    #: How many lines were said, and the last of them, which is to be answered.
    lines: int
    last: MessageRow


class Conversations:
    """Who answers whom next, after the turns of a step.

    The lines of those turns open conversations, in the order in which they were applied: one between any two agents of
    whom neither is in another. Each round has one line of each conversation, so that nothing depends on which answer
    comes first. The other party of a line hears it at once; what is said to anybody else waits for the next step.
    """

    def __init__(self, effects: Effects, state: SocietyState, *, most: int) -> None:
        """Allow conversations of `most` lines; with 1 there are none within a step."""
        self._effects, self._state, self._most = effects, state, most
        self._open: list[_Conversation] = []
        #: Messages that were looked at.
        self._seen = 0
        #: The line of each conversation that is being said, from 1.
        self.round = 1

    def next_speakers(self) -> Sequence[Resident]:
        """Return those who answer the last line of their conversation, or () once all conversations are over."""
        said = self._effects.messages[self._seen :]
        self._seen = len(self._effects.messages)
        if self.round >= self._most:
            return ()
        self._open = list(self._opened(said) if self.round == 1 else self._continued(said))
        self.round += 1
        return [self._state.residents[one.last.recipient] for one in self._open]

    def _opened(self, said: Sequence[MessageRow]) -> Iterable[_Conversation]:
        found: dict[frozenset[str], list[MessageRow]] = {}
        taken: set[str] = set()
        for line in said:
            pair = frozenset((line.sender, line.recipient))
            if pair not in found and (pair & taken or not self._can_hear(line)):
                continue
            taken |= pair
            found.setdefault(pair, []).append(line)
        for lines in found.values():
            for line in lines:
                self._effects.hear(line)
            yield _Conversation(len(lines), lines[-1])

    def _continued(self, said: Sequence[MessageRow]) -> Iterable[_Conversation]:
        answers = {(line.sender, line.recipient): line for line in said}
        for one in self._open:
            answer = answers.get((one.last.recipient, one.last.sender))
            if answer is not None and one.lines + 1 < self._most and self._can_hear(answer):
                self._effects.hear(answer)
                yield _Conversation(one.lines + 1, answer)

    def _can_hear(self, line: MessageRow) -> bool:
        ends = (line.sender, line.recipient)
        return (
            PLAYER not in ends
            and line.sender != line.recipient
            and not any(map(self._state.has_left, ends))
            and not is_cut(self._state.graph, *ends, self._state.world)
        )

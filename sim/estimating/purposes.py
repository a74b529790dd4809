"""What a run asks of its model, purpose by purpose: calls and tokens as ranges, and where a sample narrows them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .life import Answered, Life
from .span import Span, mean_span, share_span

__all__ = ["Asked", "Counted", "Purpose", "counted_purposes", "purposes"]

#: Tokens to a byte of UTF-8: one for 4 bytes, and what tokenisers make of prose and JSON (3 to 5.3 bytes).
_TOKENS = Span(0.75 / 4, 1.33 / 4)

#: Answers to a request: one, or another one for every second.
_ANSWERS = Span(1.0, 1.5)
#: What a request for another answer has beside the first one: the unusable answer, cut to 2,000 characters, and why.
_COMPLAINT = 600

#: Turns that are revised: none to every second one.
_REVISED = Span(0.0, 0.5)
#: Beside the draft, a revision is shown an earlier text of 600 characters and told to do otherwise.
_REVISION = 300

#: How much more or less than a sample shows calls may hold: in what it reached, and in later steps.
_REACHED, _LATER = Span(0.95, 1.05), Span(0.9, 1.1)

#: The least share of relations that growth reckons with to lead to somebody new.
_LEAST_NEW = 0.5

#: Answers of a purpose that a sample must hold to say anything of it.
_ENOUGH = 3
#: And those that it must hold to say that some are asked for again at least.
_MANY = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """How a society is asked: what bounds its answers and prompts."""

    answer_tokens: int
    observation_tokens: int
    #: Whether turns go through the mind that revises what nearly repeats something.
    is_revised: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """A life with the stand-in, which counts bytes, and by how much the society asked for is larger."""

    life: Life
    grown: float
    lived: Span


@dataclass(frozen=True, slots=True)
class Purpose:
    """What the calls for one purpose come to in a whole run; `each` is of one call."""

    name: str
    calls: Span
    each_input: Span
    each_output: Span
    #: Of the output, what the model spends on reasoning; None where nothing is known of it.
    each_reasoning: Span | None
    #: Of the least input, what an endpoint may have cached: the beginning that such requests share.
    each_cached: float

    @property
    def input(self) -> Span:
        """Tokens asked."""
        return self.calls * self.each_input

    @property
    def output(self) -> Span:
        """Tokens answered, reasoning included."""
        return self.calls * self.each_output

    @property
    def reasoning(self) -> Span | None:
        """Tokens of reasoning; None where nothing is known of them."""
        return self.each_reasoning and self.calls * self.each_reasoning


def purposes(counted: Counted, asked: Asked, sample: Life | None, ruler: Life | None) -> list[Purpose]:
    """One row for each purpose; `ruler` is the life of the sample's society with the stand-in."""
    found = []
    for name in counted.life.purposes:
        if name == "revise" and asked.is_revised:
            continue
        base = _unsampled(name, counted, asked)
        found.append(base if sample is None or ruler is None else _narrowed(base, counted, sample, ruler))
    turns = next((p for p in found if p.name == "turn"), None)
    if turns is not None and asked.is_revised:
        found.append(_revisions(turns, counted, asked, sample))
    return found


def counted_purposes(counted: Counted) -> list[Purpose]:
    """One row for each purpose of a run with the stand-in itself, whose tokens mean nothing."""
    none = Span.exactly(0.0)
    return [
        Purpose(name, _times(name, counted) * len(counted.life.of(name)), none, none, None, 0.0)
        for name in counted.life.purposes
    ]


def _unsampled(name: str, counted: Counted, asked: Asked) -> Purpose:
    life = counted.life
    answers = life.of(name)
    requests = _requests(name, counted)
    calls = requests * _ANSWERS
    size, schema, shared = (_mean(answers, key) for key in (_input, _schema, _cached))
    seen = [life.seen.get(a.number, 0.0) if a.phase == "step" else 0.0 for a in answers]
    # A model may write half as much as the stand-in, or fill whatever the observations hold.
    least = size - sum(seen) / len(seen) / 2
    most = size + schema + sum(max(0.0, 4 * asked.observation_tokens - s) for s in seen if s) / len(seen)
    again = (1 - requests.high / calls.high) * _COMPLAINT
    return Purpose(
        name,
        calls,
        each_input=Span(least * _TOKENS.low, most * _TOKENS.high + again),
        each_output=Span(1.0, asked.answer_tokens),
        each_reasoning=None,
        each_cached=shared * _TOKENS.low,
    )


def _requests(name: str, counted: Counted) -> Span:
    """Requests of a purpose, each counted once however many answers it takes."""
    life = counted.life
    number = life.requests(name)
    if name == "persona_to_persona":
        new = life.newcomers or 1.0
        return Span(new, max(1.0, new / _LEAST_NEW)) * number * counted.grown
    return _times(name, counted) * number


def _times(name: str, counted: Counted) -> Span:
    is_growth = all(a.phase == "growth" for a in counted.life.of(name))
    return Span.exactly(counted.grown) if is_growth else counted.lived


def _narrowed(base: Purpose, counted: Counted, sample: Life, ruler: Life) -> Purpose:
    """The same by what a real model answered; what the sample does not hold stays as it was."""
    drawn, requests = sample.of(base.name), sample.requests(base.name)
    if len(drawn) < _ENOUGH:
        return base
    calls = _calls(_requests(base.name, counted), requests, len(drawn))
    size = _mean(counted.life.of(base.name), _input)
    inputs = [a.input * size / _expected(a, ruler) for a in drawn if a.input is not None]
    outputs = [float(a.output) for a in drawn if a.output is not None]
    reasoned = [float(a.reasoning) for a in drawn if a.reasoning is not None]
    later = _later(drawn, counted)
    return replace(
        base,
        calls=calls,
        each_input=_mean_of(inputs, calls) * later if len(inputs) >= _ENOUGH else base.each_input,
        each_output=_mean_of(outputs, calls) * later if len(outputs) >= _ENOUGH else base.each_output,
        each_reasoning=_mean_of(reasoned, calls) * later if len(reasoned) >= _ENOUGH else None,
    )


def _calls(asked: Span, requests: int, answers: int) -> Span:
    # Of each request two further answers may be asked for; a few that were say nothing of the least.
    share = share_span(answers - requests, 2 * requests, of=2 * asked.low)
    return Span(asked.low * (1 + 2 * share.low) if requests >= _MANY else asked.low, asked.high * (1 + 2 * share.high))


def _mean_of(numbers: Sequence[float], calls: Span) -> Span:
    return mean_span(numbers, of=calls.low)


def _later(drawn: Sequence[Answered], counted: Counted) -> Span:
    """What is unknown of the steps that a sample did not reach; the stand-in shows how prompts grow, not answers."""
    has_all = drawn[0].phase != "step" or max(a.number for a in drawn) >= counted.life.steps
    return _REACHED if has_all else _LATER


def _expected(answer: Answered, ruler: Life) -> float:
    """The bytes that this request, or such a one, of the sample's society had with the stand-in."""
    of_purpose = ruler.of(answer.purpose)
    of_stage = [a for a in of_purpose if a.number == answer.number]
    same = [a for a in of_stage if a.owner == answer.owner]
    return _mean(same or of_stage or of_purpose, _input) or 1.0


def _revisions(turns: Purpose, counted: Counted, asked: Asked, sample: Life | None) -> Purpose:
    """What revisions come to: their requests are those of turns, with the draft and what it repeats."""
    stand_in = counted.life.requests("revise") / counted.life.requests("turn")
    share = _REVISED.widened(stand_in)
    if sample is not None and (drawn := sample.requests("turn")) >= _ENOUGH:
        share = share_span(sample.requests("revise"), drawn, of=turns.calls.low).widened(stand_in)
    return replace(
        turns,
        name="revise",
        calls=turns.calls * share,
        each_input=turns.each_input + Span(0.0, turns.each_output.high + _REVISION),
        each_cached=0.0,
    )


def _mean(answers: Sequence[Answered], key: Callable[[Answered], int | None]) -> float:
    return sum(key(a) or 0 for a in answers) / len(answers) if answers else 0.0


def _input(answer: Answered) -> int | None:
    return answer.input


def _schema(answer: Answered) -> int | None:
    return answer.reasoning


def _cached(answer: Answered) -> int | None:
    return answer.cached

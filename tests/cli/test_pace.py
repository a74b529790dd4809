import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.agents.gateway.budget import Meter, Spent
from populace.cli.panel import Rate, RunPace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> RunPace:
    return RunPace(clock=clock)


def test_a_rate_is_what_a_count_grew_by_over_the_latest_seconds() -> None:
    rate = Rate(10.0)
    speeds = [rate.note(float(second), 5.0 * second) for second in range(30)]
    assert speeds[0] is None
    assert speeds[1:] == [5.0] * 29


def test_what_was_before_the_span_is_forgotten() -> None:
    rate = Rate(10.0)
    for second in range(20):
        rate.note(float(second), 100.0 * second)
    assert rate.note(40.0, 1900.0) == pytest.approx(0.0)


def test_nothing_is_said_of_less_than_a_second() -> None:
    rate = Rate(10.0)
    assert rate.note(0.0, 0) is None
    assert rate.note(0.9, 64) is None
    assert rate.note(1.0, 64) == 64


def test_a_rate_that_is_looked_at_seldom_reaches_back_to_the_last_look() -> None:
    rate = Rate(10.0)
    rate.note(0.0, 0)
    assert rate.note(30.0, 300) == 10
    assert rate.note(60.0, 300) == 0


@given(st.lists(st.tuples(st.floats(0.01, 50), st.integers(0, 1000)), min_size=1, max_size=60))
def test_a_rate_lies_between_the_slowest_and_the_fastest_stretch(steps: list[tuple[float, int]]) -> None:
    rate, now, count = Rate(10.0), 0.0, 0
    rate.note(now, count)
    for seconds, more in steps:
        now, count = now + seconds, count + more
        speed = rate.note(now, count)
        stretches = [more / seconds for seconds, more in steps]
        assert speed is None or min(stretches) - 1e-6 <= speed <= max(stretches) + 1e-6


def test_calls_and_tokens_a_second_are_those_of_the_meter(pace: RunPace, clock: Clock) -> None:
    meter = Meter()
    pace.watch(meter)
    for _ in range(8):
        clock.now += 0.25
        meter.total.calls += 10
        meter.total.input_tokens += 1000
        meter.total.output_tokens += 200
        pace.look()
    assert (pace.calls, pace.tokens) == (40, 4800)


def test_what_earlier_sessions_spent_is_no_speed(pace: RunPace, clock: Clock) -> None:
    pace.watch(Meter(Spent(calls=5000, answers=5000, input_tokens=10**6)))
    clock.now += 2
    pace.look()
    assert (pace.calls, pace.tokens) == (0, 0)


def test_the_time_left_is_what_remains_at_the_pace_so_far(pace: RunPace, clock: Clock) -> None:
    pace.begin("Hop 1", 100)
    for _ in range(20):
        pace.advance()
    clock.now += 10
    pace.look()
    assert (pace.elapsed, pace.left) == (10, 40)


def test_the_time_left_follows_the_latest_minute(pace: RunPace, clock: Clock) -> None:
    pace.begin("Step 1", 1000)
    for _ in range(500):  # recalled, and so at once
        pace.advance()
    for _ in range(300):
        clock.now += 1
        pace.advance()
        pace.look()
    assert pace.left == pytest.approx(200)


def test_a_phase_of_which_nothing_is_done_says_no_time(pace: RunPace, clock: Clock) -> None:
    pace.begin("Step 1", 10)
    clock.now += 30
    assert pace.left is None


def test_a_minute_without_a_piece_leaves_the_pace_of_the_whole_phase(pace: RunPace, clock: Clock) -> None:
    pace.begin("Step 1", 20)
    for _ in range(10):
        pace.advance()
    clock.now += 10
    pace.look()
    clock.now += 90
    pace.look()
    assert pace.left == pytest.approx(100)


def test_the_next_phase_begins_at_nothing(pace: RunPace, clock: Clock) -> None:
    pace.begin("Hop 0", 4)
    pace.advance()
    clock.now += 5
    assert (pace.title, pace.done, pace.elapsed) == ("Hop 0", 1, 5)
    pace.begin("Hop 1", 2)
    assert (pace.done, pace.elapsed, pace.left) == (0, 0, None)


def test_nothing_is_said_of_the_time_left_until_a_few_pieces_are_done(pace: RunPace, clock: Clock) -> None:
    pace.begin("Step 1", 40)
    said = []
    for _ in range(4):
        clock.now += 10
        pace.advance()
        said.append(pace.left)
    assert said == [None, None, 370, 360]


def test_recalled_pieces_say_nothing_of_the_calls_that_are_still_in_flight(pace: RunPace, clock: Clock) -> None:
    meter = Meter()
    pace.watch(meter)
    pace.begin("Step 1", 100)
    for _ in range(60):
        pace.advance()
    meter.begun += 4
    clock.now += 20
    assert pace.left is None
    meter.total.calls += 3
    assert pace.left is not None


def test_slow_calls_are_shown_by_the_minute_and_their_tokens_as_they_are_written(pace: RunPace, clock: Clock) -> None:
    meter = Meter()
    pace.watch(meter)
    for second in range(1, 121):
        clock.now += 1
        meter.pieces += 6
        if second % 30 == 0:
            meter.total.calls += 1
            meter.seconds.append(90.0)
        pace.look()
    assert (pace.is_slow, pace.tokens) == (True, 6)
    assert pace.calls == pytest.approx(2 / 60)

"""The yield of a task while it runs: it pauses where one check rejects nearly all of the first answers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from ballots import Answering
from hub_people import make_hub, townsfolk
from scipy.stats import beta

from populace.agents.actions import Action, Check, Novelty
from populace.agents.checks import CheckContext, CheckResult, failed, passed
from populace.agents.gateway.limits import Limits
from populace.core.errors import PausedError
from populace.core.prompt import Prompt
from populace.sim.growth import Growth
from populace.sim.replay import replay
from populace.sim.runfile.reader import open_run
from populace.sim.society import Society
from populace.sim.tasks.task import Task
from populace.sim.tasks.yields import describe_reasons, is_share_below


class IsLarge:
    """Passes one number of 400."""

    name, version, revises = "is_large", 1, False

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        value = int(action.emitted_text)
        return passed() if value % 400 == 0 else failed(f"{value} is too small.")


class Number(Action):
    """A number that hardly ever passes its check."""

    name: ClassVar[str] = "number"
    prompt: ClassVar[str | Prompt] = Prompt("number", 1, "A number.", "$persona\n\nWrite this:\n$actions")
    novelty: ClassVar[Novelty | None] = "none"
    checks: ClassVar[tuple[Check, ...]] = (IsLarge(),)
    kind: Literal["number"]
    value: int

    @property
    def emitted_text(self) -> str:
        return str(self.value)


class Remark(Number):
    """Always the same."""

    name: ClassVar[str] = "remark"
    prompt: ClassVar[str | Prompt] = Prompt("remark", 1, "A remark.", "$persona\n\nWrite this:\n$actions")
    novelty: ClassVar[Novelty | None] = "mark"
    checks: ClassVar[tuple[Check, ...]] = ()
    kind: Literal["remark"]  # type: ignore[assignment]  # another kind of action
    text: str

    @property
    def emitted_text(self) -> str:
        return self.text


SAME = json.dumps({"kind": "remark", "value": 1, "text": "It is a fine day for a walk along the river with the dog."})


class Same(Task):
    """One remark, again and again."""

    name = "same"
    actions: tuple[type[Action], ...] = (Remark,)


class Picky(Task):
    """Numbers of which nearly none is accepted."""

    name = "picky"
    actions: tuple[type[Action], ...] = (Number,)


def rows(path: Path, sql: str) -> Sequence[tuple[Any, ...]]:
    with open_run(path) as run:
        return run.query(sql).rows


def picky(path: Path, n: int = 60, **limits: Any) -> Society:
    return Society(Picky({"n": n}), growth=Growth(agents=60, hops=3), seed=3, out=path, limits=Limits(**limits))


@pytest.mark.parametrize("n", [60, 7])
def test_a_task_pauses_when_one_check_rejects_nearly_all_of_the_first_answers(tmp_path: Path, n: int) -> None:
    path = tmp_path / "picky.duckdb"
    said = r"`is_large` rejected \d+ of the first 20 answers.*80%.*\(\d+ of them\) \d+ is too small.*max_rejected"
    with pytest.raises(PausedError, match=said):
        picky(path, n, max_in_flight=4).run()
    assert rows(path, "SELECT status FROM runs") == [("paused",)]
    assert rows(path, "SELECT count(*) >= 20 FROM calls WHERE phase = 'step'") == [(True,)]
    with pytest.raises(PausedError, match="is_large"):
        Society.resume(path, Picky).run()


def test_no_more_than_the_first_answers_are_asked_for_before_they_are_judged(tmp_path: Path) -> None:
    path = tmp_path / "picky.duckdb"
    with pytest.raises(PausedError):
        picky(path).run()
    assert rows(path, "SELECT count(DISTINCT owner) FROM calls WHERE phase = 'step'") == [(20,)]


def test_what_is_gone_on_with_is_the_same_data_however_many_calls_were_under_way(tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole.duckdb", tmp_path / "stopped.duckdb"
    picky(whole, 30, max_rejected=1, min_yield=0).run()
    with pytest.raises(PausedError):
        picky(stopped, 30, max_in_flight=3).run()
    Society.resume(stopped, Picky, limits={"max_rejected": 1, "min_yield": 0}).run()
    assert rows(stopped, "SELECT event_hash FROM runs") == rows(whole, "SELECT event_hash FROM runs")
    repeated = replay(stopped, Picky)
    assert repeated.event_hash == repeated.expected


def test_a_task_of_which_too_little_is_accepted_pauses_with_the_reasons(tmp_path: Path) -> None:
    path = tmp_path / "picky.duckdb"
    said = r"^\d of 50 outputs were accepted, so the yield is below 10% \(with 99% .* \(\d+ of them\) \d+ is too small"
    with pytest.raises(PausedError, match=said):
        picky(path, max_rejected=1, max_in_flight=4).run()
    with pytest.raises(PausedError, match=r"too small.*min_yield"):
        Society.resume(path, Picky).run()
    Society.resume(path, Picky, limits={"min_yield": 0.0001}).run()
    assert rows(path, "SELECT status FROM runs") == [("finished",)]


def test_near_duplicates_count_as_rejected_too(tmp_path: Path) -> None:
    growth = Growth(hub=make_hub(tmp_path / "town.duckdb", townsfolk(60)[0]), agents=60, hops=0)
    same = Society(Same({"n": 40}), growth=growth, out=tmp_path / "same.duckdb", model=Answering(answer=SAME))
    with pytest.raises(PausedError, match=r"^1 of \d+ outputs were accepted, .* near-duplicates of earlier ones"):
        same.run()


@pytest.mark.parametrize(("hits", "trials"), [(0, 50), (1, 100), (12, 200)])
def test_a_yield_is_below_a_share_where_the_upper_bound_is(hits: int, trials: int) -> None:
    bound = beta.ppf(0.99, hits + 1, trials - hits)
    assert is_share_below(bound + 0.001, hits, trials)
    assert not is_share_below(bound - 0.001, hits, trials)


def test_a_sufficient_yield_is_seldom_taken_for_too_low() -> None:
    made = np.cumsum(np.random.default_rng(7).random((2_000, 800)) < 0.13, axis=1)
    looks = (50, 100, 200, 400, 800)
    paused = [any(is_share_below(0.1, int(run[look - 1]), look) for look in looks) for run in made]
    assert np.mean(paused) < 0.005


def test_reasons_that_differ_in_what_they_quote_alone_are_counted_together() -> None:
    said = describe_reasons(["In a: 'x' is new.", "In b[0]: 'y' is new.", "It is empty."])
    assert said == "(2 of them) In a: 'x' is new. (1 of them) It is empty."

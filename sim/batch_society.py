"""Societies for Mesa's `batch_run`, which makes models, steps them, and knows nothing of opening and closing."""

from pathlib import Path
from typing import Any

from ..personas.errors import RunFileError, SetupError
from .growth import Growth
from .mesa import DataCollector
from .scenario import Scenario
from .society import Society

_COUNTS = """
SELECT (SELECT count(*) FROM emissions), (SELECT count(*) FROM messages),
       (SELECT count(*) FROM duplicates WHERE step IS NOT NULL AND NOT undone),
       (SELECT count(*) FROM failures WHERE step IS NOT NULL), (SELECT event_hash FROM runs)
"""
_MEASURES = "SELECT name, value FROM measures WHERE step = $step ORDER BY name"
_REPORTED = ("run_file", "emissions", "messages", "near_duplicates", "failures", "event_hash")


class BatchSociety(Society):
    """A society that opens itself when it is made, and closes itself after its last step.

    Give it to `mesa.batch_run(BatchSociety, {"scenario": Village, "folder": "runs", "flood_at": [2, 4]}, rng=[1, 2])`:
    whatever is no parameter below is a setting of the scenario. Each run has a file of its own in `folder`, and each
    step a row of `datacollector`: the run file, counts so far, the event hash and the scenario's measures. `batch_run`
    should allow as many `max_steps` as there are `steps`: it stops in silence, and the run file waits for `resume`.
    """

    def __init__(
        self,
        scenario: type[Scenario],
        *,
        folder: Path | str = ".",
        seed: int | None = None,
        steps: int = 8,
        model: str = "procedural",
        base_url: str | None = None,
        hub: Path | str | None = None,
        agents: int | None = None,
        hops: int | None = None,
        draw: str | None = None,
        **settings: Any,
    ) -> None:
        """Grows the people at once. Without a seed it is 0. Raises what `Society` and opening it raise."""
        if not isinstance(scenario, type):
            raise SetupError(f"A batch makes its scenarios itself: give it the class of {scenario!r:.80}, as Village.")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(
            scenario(settings),
            growth=Growth.given(hub=None if hub is None else Path(hub), agents=agents, hops=hops, draw=draw),
            seed=0 if seed is None else seed,
            model=model,
            base_url=base_url,
            out=_free_path(folder, scenario.name),
            steps=steps,
        )
        self.datacollector = DataCollector(model_reporters={name: _reader(name) for name in _REPORTED})
        #: What is reported of the latest step.
        self.reported: dict[str, object] = {}
        while not self._is_open:
            try:
                self.__enter__()
            except RunFileError:
                # Another process of the batch may have taken the name since.
                if hasattr(self, "engine") or not self.path.exists():
                    raise
                self.path = _free_path(folder, scenario.name)

    def run_until(self, end_time: float) -> None:
        """The steps up to this one, each with its row; the last one closes the run."""
        try:
            while self.running and self.time < end_time:
                lived = self.world.step
                super().run_until(min(end_time, self.time + 1))
                if self.world.step > lived and not self._restoring:
                    self._collect()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        if not self.running and self._is_open:
            self.__exit__(None, None, None)

    def _collect(self) -> None:
        log = self.engine.log
        (counts,) = log.query(_COUNTS)
        self.reported = dict(zip(_REPORTED, (str(self.path), *counts), strict=True))
        self.reported |= dict(log.query(_MEASURES, {"step": self.world.step}))
        for name in self.reported:
            if name not in self.datacollector.model_reporters:
                # A measure that comes up later was nothing before.
                self.datacollector.model_reporters[name] = _reader(name)
                self.datacollector.model_vars[name] = [None] * (self.world.step - 1)
        self.datacollector.collect(self)


def _reader(name: str) -> Any:
    return lambda society: society.reported.get(name)


def _free_path(folder: Path, name: str) -> Path:
    number = 1
    while (path := folder / f"{name}-{number}.duckdb").exists():
        number += 1
    return path

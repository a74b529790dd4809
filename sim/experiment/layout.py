"""Where the files of an experiment are in its folder, and whether the folder is this experiment's."""

import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from ...personas.database import is_made
from ...personas.errors import SetupError, SourceError
from ...personas.files import whole_file
from ..scenario import Scenario
from .checking import code_hash
from .design import Experiment
from .model_checks import ModelCheck, models_of

_FORMAT = 1


class ExperimentFolder:
    """The folder of an experiment."""

    def __init__(
        self,
        folder: Path,
        experiment: Experiment,
        scenario: type[Scenario],
        scenario_file: Path | None,
        checks: Sequence[ModelCheck],
    ) -> None:
        self.folder = folder
        if experiment.people_design == "new" and _has_shared_people(folder / "experiment.json"):
            experiment = replace(experiment, people_design="fixed")
        self.experiment = experiment
        self.scenario = scenario
        self.scenario_file = scenario_file
        #: The people of runs, by the name that the design gives them.
        self.people = {
            name: folder / "people" / f"{name}.duckdb" if name else folder / "people.duckdb"
            for name in dict.fromkeys(experiment.people_of(*run) for run in experiment.runs())
        }
        self.ledger = folder / "calls.jsonl"
        self.cache = folder / "answers.sqlite"
        #: Each run of the design, and its file.
        self.files = {
            (arm.name, number): folder / "runs" / f"{arm.slug}-r{number}.duckdb" for arm, number in experiment.runs()
        }
        #: The models to be checked, and each of their checks with its file.
        self.models = models_of(experiment, scenario) if checks else []
        self.checks = folder / "checks"
        self.model_checks = [
            (model, check, model.path(self.checks, check.name))
            for model in self.models
            for check in checks
            if not model.skipped
        ]
        #: The hypotheses as they stood before the first run, as JSON.
        self.registered: list[dict[str, Any]] = []

    def open(self) -> None:
        """Create the folder, or check that it holds this experiment. Raises `SetupError`."""
        stated = self.folder / "experiment.json"
        now: dict[str, Any] = {
            "format": _FORMAT,
            "design": self.experiment.design(self.scenario),
            "code": self._code(),
            "hypotheses": [asdict(one) for one in self.experiment.hypotheses],
        }
        if not stated.exists() or not self._has_begun():
            if not stated.exists():
                self._check_new()
            for folder in {path.parent for path in (*self.people.values(), *self.files.values())}:
                folder.mkdir(parents=True, exist_ok=True)
            with whole_file(stated.absolute(), replace=True) as part:
                part.write_bytes(orjson.dumps(now, option=orjson.OPT_INDENT_2))
            self.registered = now["hypotheses"]
            return
        try:
            was = orjson.loads(stated.read_bytes())
            self.registered = list(was["hypotheses"])
            before = {"new_people": False} | was["design"] | {"code": was["code"]}
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise SourceError(f"{str(stated)!r} is damaged ({error}); restore it, or give another folder.") from error
        wanted = orjson.loads(orjson.dumps(now["design"])) | {"code": now["code"]}
        differing = [name for name in wanted if before.get(name) != wanted[name]]
        if differing:
            raise SetupError(self._differs(differing, before, wanted))

    def _has_begun(self) -> bool:
        """Return whether anything was made. Another design would then be another experiment."""
        return any(is_made(path) for path in (*self.people.values(), *self.files.values()))

    def _check_new(self) -> None:
        if self.folder.is_file():
            raise SetupError(f"{str(self.folder)!r} is a file; give a folder for the experiment.")
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise SetupError(
                f"The folder {str(self.folder)!r} holds other files and no experiment; give an empty or a new one."
            )

    def _differs(self, differing: Sequence[str], before: dict[str, Any], wanted: dict[str, Any]) -> str:
        (first, *_) = differing
        if first == "code":
            what = f"the script of scenario {self.scenario.name!r} has changed since"
        else:
            what = f"its {first} were {before.get(first)!r:.200}, and now are {wanted[first]!r:.200}"
        return (
            f"The folder {str(self.folder)!r} holds another experiment: {what}. Runs that are there would not compare "
            f"with new ones; give another folder."
        )

    def _code(self) -> str:
        # A scenario that ships is told apart by the version in its run files.
        if self.scenario.__module__.startswith("populace."):
            return ""
        with suppress(OSError, TypeError):
            return code_hash(Path(inspect.getfile(self.scenario)))
        return ""


def _has_shared_people(stated: Path) -> bool:
    """Return whether an experiment began before replicates could have new personas.

    It then continues with those it has.
    """
    with suppress(OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return "new_people" not in orjson.loads(stated.read_bytes())["design"]
    return False

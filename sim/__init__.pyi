from .finished import FinishedRun
from .growth import Growth
from .progress import Progress
from .resident import Resident
from .runfile.reader import QueryError, RunReader, open_run
from .scenario import Intervention, Scenario, Settings, Visit
from .society import Society
from .world import News, World

__all__ = [
    "FinishedRun",
    "Growth",
    "Intervention",
    "News",
    "Progress",
    "QueryError",
    "Resident",
    "RunReader",
    "Scenario",
    "Settings",
    "Society",
    "Visit",
    "World",
    "open_run",
]

from .batch_society import BatchSociety
from .config import RunConfig
from .embedding import HubVectors, dedup_by_meaning, fetch_text_vectors
from .emitted import Emission
from .engine import Progress
from .enrichment import Enriched, Enrichment, enrich
from .growth import Growth
from .resident import Resident, SocietyView
from .runfile.reader import FinishedRun, QueryError, RunReader, open_run
from .scenario import GrowthOnly, Intervention, Scenario, Settings, Visit
from .society import Society
from .task import Demonstration, Task, TaskSettings, read_demonstrations
from .world import News, State, World

__all__ = [
    "BatchSociety",
    "Demonstration",
    "Emission",
    "Enriched",
    "Enrichment",
    "FinishedRun",
    "Growth",
    "GrowthOnly",
    "HubVectors",
    "Intervention",
    "News",
    "Progress",
    "QueryError",
    "Resident",
    "RunConfig",
    "RunReader",
    "Scenario",
    "Settings",
    "Society",
    "SocietyView",
    "State",
    "Task",
    "TaskSettings",
    "Visit",
    "World",
    "dedup_by_meaning",
    "enrich",
    "fetch_text_vectors",
    "open_run",
    "read_demonstrations",
]

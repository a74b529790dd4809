from .batch_society import BatchSociety
from .emitted import Emission
from .enrichment import Enriched, Enrichment, enrich
from .finished import FinishedRun
from .growing.scenario import Growing
from .growth import Growth
from .hub_vectors import HubVectors, dedup_by_meaning
from .progress import Progress
from .resident import Resident
from .runfile.reader import QueryError, RunReader, open_run
from .scenario import Intervention, Scenario, Settings, Visit
from .society import Society
from .world import News, World

__all__ = [
    "BatchSociety",
    "Emission",
    "Enriched",
    "Enrichment",
    "FinishedRun",
    "Growing",
    "Growth",
    "HubVectors",
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
    "dedup_by_meaning",
    "enrich",
    "open_run",
]

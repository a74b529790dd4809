from .config import RunConfig
from .dynamics.activation import Activation, by_group, everybody, poisson, share
from .dynamics.channels import Channel, Post
from .dynamics.declared import Arrival, Intervention, Levers
from .dynamics.network import network_measures
from .dynamics.world import News, State, World
from .embedding import HubVectors, dedup_by_meaning, fetch_text_vectors
from .emitted import Emission
from .engine import Progress
from .enrichment import Enriched, enrich
from .experiment.design import Experiment, Hypothesis, ManipulationCheck, OutcomeQuery
from .growth import Growth
from .resident import Resident, SocietyView
from .runfile.reader import FinishedRun, QueryError, RunReader, open_run
from .scenario import GrowthOnly, Scenario, Settings, Visit
from .society import Society
from .specs import Enrichment
from .survey.items import Choice, FreeText, Item, Likert, Number, Rank
from .survey.job import survey_run
from .survey.survey import Panel, Sample, Survey, identity_survey
from .tasks.task import Demonstration, Task, TaskSettings, read_demonstrations

__all__ = [
    "Activation",
    "Arrival",
    "Channel",
    "Choice",
    "Demonstration",
    "Emission",
    "Enriched",
    "Enrichment",
    "Experiment",
    "FinishedRun",
    "FreeText",
    "Growth",
    "GrowthOnly",
    "HubVectors",
    "Hypothesis",
    "Intervention",
    "Item",
    "Levers",
    "Likert",
    "ManipulationCheck",
    "News",
    "Number",
    "OutcomeQuery",
    "Panel",
    "Post",
    "Progress",
    "QueryError",
    "Rank",
    "Resident",
    "RunConfig",
    "RunReader",
    "Sample",
    "Scenario",
    "Settings",
    "Society",
    "SocietyView",
    "State",
    "Survey",
    "Task",
    "TaskSettings",
    "Visit",
    "World",
    "by_group",
    "dedup_by_meaning",
    "enrich",
    "everybody",
    "fetch_text_vectors",
    "identity_survey",
    "network_measures",
    "open_run",
    "poisson",
    "read_demonstrations",
    "share",
    "survey_run",
]

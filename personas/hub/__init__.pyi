from .check import CheckReport, judge_people
from .dedup import DedupReport, dedup_hub
from .file import HubFile, HubInfo, create_hub, describe_hub, open_hub
from .merge import MergeReport, merge_hubs
from .read import Hub, read_hub
from .rewrites import undo_persona, undo_rule, undo_stage

__all__ = [
    "CheckReport",
    "DedupReport",
    "Hub",
    "HubFile",
    "HubInfo",
    "MergeReport",
    "create_hub",
    "dedup_hub",
    "describe_hub",
    "judge_people",
    "merge_hubs",
    "open_hub",
    "read_hub",
    "undo_persona",
    "undo_rule",
    "undo_stage",
]

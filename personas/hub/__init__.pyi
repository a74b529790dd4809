from .check import CheckReport, judge_people
from .dedup import DedupReport, dedup_hub
from .exporting import ExportFormat, ExportReport, export_hub
from .extras import Extra
from .file import HubFile, create_hub, open_hub
from .importing import FileReport, import_files
from .info import HubInfo, describe_hub
from .merging import MergeReport, merge_hubs
from .read import Hub, read_hub
from .undo import undo_pair, undo_persona, undo_rule, undo_stage
from .wish import ImportWish

__all__ = [
    "CheckReport",
    "DedupReport",
    "ExportFormat",
    "ExportReport",
    "Extra",
    "FileReport",
    "Hub",
    "HubFile",
    "HubInfo",
    "ImportWish",
    "MergeReport",
    "create_hub",
    "dedup_hub",
    "describe_hub",
    "export_hub",
    "import_files",
    "judge_people",
    "merge_hubs",
    "open_hub",
    "read_hub",
    "undo_pair",
    "undo_persona",
    "undo_rule",
    "undo_stage",
]

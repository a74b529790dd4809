"""Outputs of runs as data sets for training: formats, splits, mixes, licences and cards."""

from .export import DatasetReport, export_outputs, preview_outputs, push_dataset
from .options import DatasetOptions, Mix, MixPart, read_mix
from .shapes import DatasetFormat
from .split import Split, SplitBy, SplitReport, find_held_out
from .writing import PersonalPolicy

__all__ = [
    "DatasetFormat",
    "DatasetOptions",
    "DatasetReport",
    "Mix",
    "MixPart",
    "PersonalPolicy",
    "Split",
    "SplitBy",
    "SplitReport",
    "export_outputs",
    "find_held_out",
    "preview_outputs",
    "push_dataset",
    "read_mix",
]

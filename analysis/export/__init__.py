"""Outputs of runs as data sets for training: formats, splits, mixes, licences and cards."""

from .export import DatasetReport, export_outputs, preview_outputs
from .options import (
    DatasetOptions,
    PersonalPolicy,
    Split,
    SplitBy,
    SplitReport,
    find_held_out,
)
from .shapes import DatasetFormat

__all__ = [
    "DatasetFormat",
    "DatasetOptions",
    "DatasetReport",
    "PersonalPolicy",
    "Split",
    "SplitBy",
    "SplitReport",
    "export_outputs",
    "find_held_out",
    "preview_outputs",
]

from .contamination import Contamination, find_contaminated
from .coverage import Topic, cover_by_meaning, read_topics
from .diversity.similarity import measure_diversity
from .funnel import read_funnel
from .report import write_report
from .summary import Summary, summarise
from .table import render_csv, render_json, render_table

__all__ = [
    "Contamination",
    "Summary",
    "Topic",
    "cover_by_meaning",
    "find_contaminated",
    "measure_diversity",
    "read_funnel",
    "read_topics",
    "render_csv",
    "render_json",
    "render_table",
    "summarise",
    "write_report",
]

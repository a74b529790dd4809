from .questions import QUESTIONS, Question, ask
from .report import write_report
from .summary import Summary, summarise
from .table import render_csv, render_json, render_table

__all__ = [
    "QUESTIONS",
    "Question",
    "Summary",
    "ask",
    "render_csv",
    "render_json",
    "render_table",
    "summarise",
    "write_report",
]

from .questions import Answer, Question, answers_of, ask, questions_of
from .report import write_report
from .summary import Summary, summarise
from .table import render_csv, render_json, render_table

__all__ = [
    "Answer",
    "Question",
    "Summary",
    "answers_of",
    "ask",
    "questions_of",
    "render_csv",
    "render_json",
    "render_table",
    "summarise",
    "write_report",
]

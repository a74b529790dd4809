from .questions import Question, QuestionAnswer, answers_of, ask, questions_of
from .report import write_report
from .summary import Summary, summarise
from .table import render_csv, render_json, render_table

__all__ = [
    "Question",
    "QuestionAnswer",
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

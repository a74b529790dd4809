from .contamination import Contamination, find_contaminated
from .coverage import Topic, cover_by_meaning, read_topics
from .diversity.report import measure_diversity
from .funnel import read_funnel
from .questions import Question, QuestionAnswer, answers_of, ask, questions_of
from .report import write_report
from .summary import Summary, summarise
from .table import render_csv, render_json, render_table

__all__ = [
    "Contamination",
    "Question",
    "QuestionAnswer",
    "Summary",
    "Topic",
    "answers_of",
    "ask",
    "cover_by_meaning",
    "find_contaminated",
    "measure_diversity",
    "questions_of",
    "read_funnel",
    "read_topics",
    "render_csv",
    "render_json",
    "render_table",
    "summarise",
    "write_report",
]

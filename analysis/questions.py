"""Questions that every run can be asked, each with its SQL: a start for questions of one's own."""

from dataclasses import dataclass
from textwrap import dedent

from .queryable import Queryable, Rows

__all__ = ["QUESTIONS", "Question", "ask"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question in words and in SQL; the names of the columns are the headings of the answer."""

    name: str
    title: str
    sql: str
    #: What an answer without rows means, in one sentence.
    no_rows: str


def _question(name: str, title: str, sql: str, no_rows: str) -> Question:
    return Question(name, title, dedent(sql).strip(), no_rows)


QUESTIONS: tuple[Question, ...] = (
    _question(
        "taught",
        "Who taught a neighbour something, or was taught?",
        """
        SELECT left(s.text, 40) AS speaker, if(outgoing, 'to their ', 'as their ') || label AS tie,
               left(r.text, 40) AS listener, lines, left(min_by(m.text, message), 60) AS example
        FROM spoke_to AS t
        JOIN messages AS m USING (sender, recipient)
        JOIN personas AS s ON s.id = sender
        JOIN personas AS r ON r.id = recipient
        WHERE kind = 'teaching'
        GROUP BY s.text, outgoing, label, r.text, lines
        ORDER BY lines DESC, min(message)
        LIMIT 5
        """,
        "Nobody spoke along a tie of teaching.",
    ),
    _question(
        "kinds",
        "Which kinds of relation carry most dialogue?",
        """
        SELECT coalesce(kind, 'visitor or stranger') AS kind, sum(lines)::INT AS lines,
               round(100 * sum(lines) / sum(sum(lines)) OVER (), 1) AS "% of lines",
               count(*) AS "who to whom", round(avg(lines), 1) AS "lines each"
        FROM spoke_to
        GROUP BY ALL
        ORDER BY 2 DESC, 1
        LIMIT 5
        """,
        "Nobody spoke to anybody.",
    ),
    _question(
        "repeats",
        "Whose tools, and other works, were near-duplicates of whose?",
        """
        SELECT d.kind, left(p.text, 40) AS persona, left(o.text, 40) AS "repeats", count(*) AS times,
               round(max(similarity), 2) AS "most similar", left(min_by(e.text, emission), 40) AS example
        FROM duplicates AS d
        JOIN emissions AS e USING (emission)
        JOIN personas AS p ON p.id = d.persona
        JOIN personas AS o ON o.id = d."of"
        WHERE NOT undone
        GROUP BY d.kind, p.text, o.text
        ORDER BY d.kind = 'tool' DESC, times DESC, "most similar" DESC, persona
        LIMIT 5
        """,
        "Nothing that was emitted was a near-duplicate of anything earlier.",
    ),
)


def ask(run: Queryable, question: Question) -> Rows:
    """Put a question to a run: at most five rows, none where the run holds nothing of the kind."""
    return run.query(question.sql)

"""The outputs of a run file, page by page, each with where it comes from: persona, lineage, model and licence."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import duckdb
import orjson
from arro3.core import Table

from ...core.arrow import read_table
from ...core.database import quote_text, said
from ...core.errors import RunFileError, SetupError, parameter
from ...personas.hub.queries import table_names
from ...sim.runfile.database import connect
from ...sim.runfile.reader import open_made
from ..summary import SOCIETY_SETTINGS
from ..table import Queryable

#: The value where no licence is stated. It counts as stricter than any licence.
UNKNOWN_LICENCE = "unknown"

#: What licences ask for, from the freest to the strictest, by their SPDX identifiers; the first pattern counts.
_RESTRICTIONS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("public domain", r"CC0-.*|PDDL-.*|Unlicense|0BSD|MIT-0|public[- ]domain"),
        ("non-commercial, no derivatives", r"CC-BY-NC-ND-.*"),
        ("non-commercial, share alike", r"CC-BY-NC-SA-.*"),
        ("non-commercial", r"CC-BY-NC-.*"),
        ("no derivatives", r"CC-BY-ND-.*"),
        ("share alike", r"CC-BY-SA-.*|ODbL-.*|GFDL-.*|[AL]?GPL-.*|MPL-.*|EUPL-.*|CDLA-Sharing-.*"),
        ("attribution", r"CC-BY-[0-9].*|ODC-By-.*|MIT|Apache-2\.0|BSD-.*|ISC|OGL-.*|etalab-.*|DL-DE-BY-.*|CDLA-Perm.*"),
    )
)
_ORDER = (
    *("public domain", "attribution", "share alike", "no derivatives", "non-commercial"),
    *("non-commercial, share alike", "non-commercial, no derivatives", "other", "unknown"),
)
#: Names that dataset cards on the Hugging Face hub know beside those of Creative Commons.
_CARD_NAMES = frozenset(
    {
        *("mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "odc-by", "odbl", "pddl", "gfdl"),
        *("gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "unknown"),
    }
)
_CREATIVE_COMMONS = re.compile(r"cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-[234]\.[05]")


def describe_restriction(licence: str | None) -> str:
    """What a licence asks for, in a few words; `other` for one that is not known here, `unknown` for none.

    >>> restriction("CC-BY-NC-SA-4.0"), restriction("Our own terms"), restriction(None)
    ('non-commercial, share alike', 'other', 'unknown')
    """
    if licence is None or licence == UNKNOWN_LICENCE:
        return "unknown"
    return next((name for name, pattern in _RESTRICTIONS if pattern.fullmatch(licence)), "other")


def find_strictest(licences: Iterable[str | None]) -> str:
    """The licence that binds most; None is an unknown one, and no licences at all are unknown.

    Different licences that bind alike are joined, for all of them hold.

    >>> strictest(["CC0-1.0", "CC-BY-SA-4.0"]), strictest(["CC0-1.0", None]), strictest(["MIT", "CC-BY-4.0", "CC0-1.0"])
    ('CC-BY-SA-4.0', 'unknown', 'CC-BY-4.0 AND MIT')
    """
    by_rank: dict[int, set[str]] = {}
    for licence in licences:
        by_rank.setdefault(_ORDER.index(describe_restriction(licence)), set()).add(licence or UNKNOWN_LICENCE)
    return " AND ".join(sorted(by_rank[max(by_rank)])) if by_rank else UNKNOWN_LICENCE


def card_licence(licence: str) -> str:
    """The name under which a dataset card states a licence; `other` for one that cards have no name for.

    >>> card_licence("CC-BY-NC-SA-4.0"), card_licence("Our own terms")
    ('cc-by-nc-sa-4.0', 'other')
    """
    name = re.sub(r"-(only|or-later)$", "", licence.lower())
    name = {"odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl"}.get(name, name)
    return name if name in _CARD_NAMES or _CREATIVE_COMMONS.fullmatch(name) else "other"


#: What every exported row says of where it comes from.
PROVENANCE = (
    *(
        "synthetic",
        "procedural",
        "persona",
        "other_personas",
        "parent",
        "hop",
        "source",
        "licence",
        "model",
        "response_model",
    ),
    *("prompt_version", "sampling", "recipe", "seed", "run", "emission"),
)
#: What is added where rejected outputs are exported too.
STATUS = ("status", "stage", "reason")

#: Whether what a run holds out for measuring is taken: not, nothing else, or like the rest.
type HeldOut = Literal["exclude", "only", "include"]

#: Outputs of a page: at most so many, and about so many characters.
_PAGE, _PAGE_CHARACTERS = 20_000, 1 << 24

#: Other personas who speak in an output: the action names them in the field `personas`.
_OTHERS = """
CREATE TEMP TABLE exported_others AS
SELECT DISTINCT emission, persona
FROM (SELECT emission, agent, unnest(TRY_CAST(payload -> '$.personas' AS VARCHAR[])) AS persona
      FROM emissions WHERE json_type(payload, '$.personas') = 'ARRAY')
WHERE persona <> agent AND persona IN (SELECT id FROM personas)
"""
#: A persona and everybody it was grown from. Personas of a hub may have come without their parents.
_LINEAGES = """
CREATE TEMP TABLE exported_lineages AS
WITH RECURSIVE up AS (
    SELECT id AS persona, id AS origin, parent, licence, source, 0 AS depth
    FROM personas WHERE id IN (SELECT agent FROM emissions UNION ALL SELECT persona FROM exported_others)
    UNION
    SELECT u.persona, p.id, p.parent, p.licence, p.source, u.depth + 1
    FROM up AS u JOIN personas AS p ON p.id = u.parent
    WHERE u.depth < 64
), stated AS (
    SELECT persona, licence, depth, parent IS NULL OR parent NOT IN (SELECT id FROM personas) AS is_root FROM up
    {imports}
)
SELECT persona, arg_max(coalesce(parent, origin), depth) AS root, arg_max(source, depth) AS source,
       CAST(to_json(list_sort(coalesce(any_value(l.licences), []))) AS VARCHAR) AS licences
FROM up
LEFT JOIN (SELECT persona, list(DISTINCT coalesce(licence, '')) AS licences FROM stated
           WHERE is_root OR licence IS NOT NULL GROUP BY persona) AS l USING (persona)
GROUP BY persona
"""
_IMPORTED = """
    UNION ALL
    SELECT u.persona, i.licence, 0, i.licence IS NOT NULL FROM up AS u JOIN imports AS i ON i.persona = u.origin
"""
#: The licences of outputs in which several personas speak.
_SHARED = """
CREATE TEMP TABLE exported_shared AS
SELECT s.emission, list(s.persona ORDER BY s.persona) FILTER (s.is_other) AS others,
       CAST(to_json(list_sort(list_distinct(flatten(list(CAST(CAST(l.licences AS JSON) AS VARCHAR[])))))) AS VARCHAR)
           AS licences
FROM (SELECT emission, persona, true AS is_other FROM exported_others
      UNION ALL SELECT emission, agent, false FROM emissions SEMI JOIN exported_others USING (emission)) AS s
JOIN exported_lineages AS l ON l.persona = s.persona
GROUP BY s.emission
"""
#: Where all turns of a step were sampled alike, no output has to be looked up among the calls.
_SAMPLING = """
CREATE TEMP TABLE exported_sampling AS
WITH asked AS (
    SELECT number AS step, owner, CAST(sampling AS VARCHAR) AS sampling
    FROM calls JOIN phases USING (job, phase)
    WHERE unit = 'step' AND outcome = 'ok' AND role = 'default'
), alike AS (
    SELECT step, any_value(sampling) AS sampling, count(DISTINCT coalesce(sampling, '')) = 1 AS is_alike
    FROM asked GROUP BY step
)
SELECT step, '' AS agent, sampling FROM alike WHERE is_alike
UNION ALL
SELECT a.step, a.owner, any_value(a.sampling) FROM asked AS a JOIN alike AS b ON b.step = a.step AND NOT b.is_alike
GROUP BY a.step, a.owner
"""
#: The solutions by vote; a table, because each page is joined with it.
_ANSWERS = """
CREATE TEMP TABLE exported_answers AS
SELECT a.emission, a.solution, a.answer, a.agreement, a.difficulty, a.correct,
       (SELECT arg_min(s.solver, s.ordinal) FROM solutions AS s
        WHERE s.job = a.job AND s.emission = a.emission AND s.solution = a.solution) AS solver
FROM agreed_answers AS a
"""
#: The model that wrote the response; null where there is none.
_RESPONSE = """CASE WHEN (o.payload ->> '$.response') <> '' OR (o.payload -> '$.messages') IS NOT NULL
            THEN coalesce({teacher}, o.model) ELSE a.solver END"""
_PAGE_SQL = """
SELECT o.emission, o.step, o.kind, o.text, CAST(o.payload AS VARCHAR) AS payload, o.status, o.stage, o.reason,
       p.text AS persona_text, q.text AS partner_text, p.language AS persona_language, true AS synthetic,
       {response} AS response_model,
       regexp_matches(concat_ws(', ', o.model, p.model, response_model), '(^|, )procedural') AS procedural,
       coalesce(starts_with(concat_ws(', ', o.model, response_model), 'procedural')
                AND starts_with(p.model, 'procedural'), false) AS built_in,
       o.agent AS persona, coalesce(h.others, []) AS other_personas,
       p.parent, p.hop, l.source, g.licence, o.model, o.prompt AS prompt_version,
       coalesce(t.sampling, s.sampling) AS sampling,
       a.solution, a.answer, a.agreement, a.difficulty, a.correct,
       CAST($recipe AS VARCHAR) AS recipe, CAST($seed AS BIGINT) AS seed, CAST($run AS VARCHAR) AS run{columns}
FROM outputs AS o
LEFT JOIN personas AS p ON p.id = o.agent
LEFT JOIN personas AS q ON q.id = o.payload ->> '$.personas[1]'
LEFT JOIN exported_lineages AS l ON l.persona = o.agent
LEFT JOIN exported_shared AS h ON h.emission = o.emission
LEFT JOIN exported_licences AS g ON g.licences = coalesce(h.licences, l.licences)
LEFT JOIN exported_answers AS a ON a.emission = o.emission
LEFT JOIN exported_sampling AS s ON s.step = o.step AND s.agent = ''
LEFT JOIN exported_sampling AS t ON t.step = o.step AND t.agent = o.agent{joins}
WHERE o.emission > $after AND o.emission <= $upto AND o.kind IN (SELECT unnest(CAST($kinds AS VARCHAR[]))) AND {which}
ORDER BY o.emission
"""


@dataclass(frozen=True, slots=True)
class Added:
    """SQL that is added to the query for a page."""

    columns: str = ""
    joins: str = ""
    #: The model that wrote the response, where it is neither the teacher nor the solver.
    response: str = ""


_SETTINGS = "SELECT scenario, coalesce(CAST(settings AS VARCHAR), '{}') FROM runs"
_DEMONSTRATIONS = """
SELECT count(*), md5(string_agg(coalesce(persona, '') || chr(10) || output, chr(10) ORDER BY ordinal))
FROM demonstrations
"""


def _read_recipe(run: Queryable) -> str:
    ((scenario, settings),) = run.query(_SETTINGS).rows
    chosen = {
        name: value
        for name, value in orjson.loads(settings).items()
        if name not in SOCIETY_SETTINGS and value not in (None, "", [])
    }
    recipe: dict[str, Any] = {"task": scenario, "settings": chosen}
    ((number, digest),) = run.query(_DEMONSTRATIONS).rows
    if number:
        recipe["demonstrations"] = {"number": number, "md5": digest}
    return orjson.dumps(recipe).decode()


class OutputSource:
    """A run whose outputs are exported, open for reading; to be used in a `with` statement.

    Raises `RunFileError` for a file that is no run file, is being written, or holds no outputs.
    """

    def __init__(
        self, path: Path, *, rejected: bool = False, grant: str | None = None, held_out: HeldOut = "exclude"
    ) -> None:
        """Open a run for export.

        With `rejected`, rejected outputs count too. `grant` is the licence of outputs that state none. `held_out` says
        whether to take the outputs that the run holds out for measuring.
        """
        self.path = path
        self.rejected = rejected
        self._held_out = held_out
        with open_made(path) as run:
            if run.is_live:
                raise RunFileError(f"{str(path)!r} is being written; export it when that job has ended or is paused.")
            # A response is asked of the role solver.
            ((self.run, self.scenario, self.seed, self.event_hash, self._teacher),) = run.query(
                "SELECT run, scenario, seed, event_hash, roles ->> '$.solver.model' FROM runs"
            ).rows
            #: The task, its settings and the demonstrations that were shown, as JSON.
            self.recipe = _read_recipe(run)
            self.con = connect(path, read_only=True)
        try:
            self._make_tables(grant)
        except duckdb.Error as error:
            self.con.close()
            raise RunFileError(f"The outputs of {str(path)!r} cannot be read: {said(error)}.") from error
        except BaseException:
            self.con.close()
            raise

    def __enter__(self) -> Self:
        """Return the source."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.con.close()

    @property
    def which(self) -> str:
        """The condition, in SQL, on the outputs `o` that are exported."""
        status = "true" if self.rejected else "o.status = 'accepted'"
        if self._held_out == "include" or (self._held_out == "exclude" and not self._holds_out):
            return status
        if not self._holds_out:
            return "false"
        side = "IN" if self._held_out == "only" else "NOT IN"
        return f"{status} AND o.emission {side} (SELECT emission FROM held_out)"  # noqa: S608 - our own words

    def count_held_out(self, kinds: Collection[str]) -> int:
        """Count accepted outputs of these kinds that are left out because they are held out."""
        if self._held_out != "exclude" or not self._holds_out:
            return 0
        ((number,),) = self.ask(
            "SELECT count(*) FROM outputs SEMI JOIN held_out USING (emission) "
            "WHERE status = 'accepted' AND kind IN (SELECT unnest(CAST(? AS VARCHAR[])))",
            [list(kinds)],
        )
        return int(number)

    def has(self, table: str) -> bool:
        """Return whether the file has a table of this name."""
        return table in self._tables

    def ask(self, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """Run one of our own statements and return its rows; outputs are in `outputs`."""
        return self.con.execute(sql, params).fetchall()

    def counts(self) -> dict[str, int]:
        """Count the exported outputs of each kind."""
        found = self.ask(
            f"SELECT kind, count(*) FROM outputs AS o WHERE {self.which} GROUP BY kind ORDER BY count(*) DESC, kind"  # noqa: S608
        )
        return {str(kind): int(number) for kind, number in found}

    def check_kinds(self, kinds: Collection[str]) -> tuple[str, ...]:
        """Return the kinds asked for, or all kinds. Raises `SetupError` if nothing is left to export."""
        there = self.counts()
        if not there:
            if self._held_out == "only" and not self._holds_out:
                raise SetupError(
                    f"{str(self.path)!r} holds out nothing for measuring; divide it first: "
                    f"`populace data split {self.path} --train 0.9`."
                )
            total = self.ask("SELECT count(*) FROM outputs")[0][0]
            if total:
                raise SetupError(
                    f"All {total:,} outputs of {str(self.path)!r} were rejected or are on the other side of its split; "
                    f"{parameter('rejected')} exports rejected ones too, {parameter('held_out', 'include')} those held "
                    "out."
                )
            raise SetupError(f"{str(self.path)!r} has no outputs; export a run in which something was made.")
        for kind in kinds:
            if kind not in there:
                known = ", ".join(f"{name} ({number:,})" for name, number in there.items())
                raise SetupError(f"{str(self.path)!r} has no outputs of the kind {kind!r} to export; it has {known}.")
        return tuple(kind for kind in there if not kinds or kind in kinds)

    def is_solved(self, kind: str) -> bool:
        """Return whether outputs of a kind have solutions."""
        return bool(
            self.ask("SELECT 1 FROM exported_answers JOIN outputs USING (emission) WHERE kind = ? LIMIT 1", [kind])
        )

    def payload_keys(self, kind: str) -> tuple[str, ...]:
        """Return the fields that outputs of a kind have, sorted by name."""
        found = self.ask(
            f"SELECT DISTINCT unnest(json_keys(payload)) FROM (SELECT payload FROM outputs AS o "  # noqa: S608
            f"WHERE kind = ? AND {self.which} ORDER BY emission LIMIT 50)",
            [kind],
        )
        return tuple(sorted(str(key) for (key,) in found))

    def pages(self, kinds: Collection[str], more: Added) -> Iterator[Table]:
        """Yield the outputs of these kinds page by page, in their order."""
        ((last, size),) = self.ask(
            "SELECT (SELECT coalesce(max(emission), 0) FROM emissions), (SELECT avg(length(text) + length(payload)) "
            "FROM (SELECT text, CAST(payload AS VARCHAR) AS payload FROM emissions LIMIT 1000))"
        )
        rows = max(1, min(_PAGE, int(_PAGE_CHARACTERS / (size or 1))))
        for first in range(0, last, rows):
            yield read_table(self._read_page(kinds, first, min(first + rows, last), more))

    def no_rows(self, more: Added) -> Table:
        """Return an empty page with the columns of a page."""
        return read_table(self._read_page((), 0, 0, more))

    def _read_page(self, kinds: Collection[str], after: int, upto: int, more: Added) -> duckdb.DuckDBPyRelation:
        response = more.response or _RESPONSE.format(teacher=quote_text(self._teacher) if self._teacher else "NULL")
        sql = _PAGE_SQL.format(columns=more.columns, joins=more.joins, response=response, which=self.which)
        given = {"after": after, "upto": upto, "kinds": list(kinds)}
        given |= {"seed": self.seed, "run": self.run, "recipe": self.recipe}
        try:
            return self.con.sql(sql, params=given)
        except duckdb.Error as error:
            raise RunFileError(f"The outputs of {str(self.path)!r} cannot be read: {said(error)}.") from error

    def _make_tables(self, grant: str | None) -> None:
        self._tables = table_names(self.con)
        self._holds_out = self.has("held_out") and bool(self.ask("SELECT 1 FROM held_out LIMIT 1"))
        self.con.execute(_OTHERS)
        imports = _IMPORTED if self.has("imports") else ""
        self.con.execute(_LINEAGES.format(imports=imports))
        self.con.execute(_SHARED)
        self.con.execute(_SAMPLING)
        self.con.execute(_ANSWERS)
        self.con.execute("CREATE TEMP TABLE exported_licences (licences VARCHAR, licence VARCHAR)")
        for (licences,) in self.ask(
            "SELECT licences FROM exported_lineages UNION SELECT licences FROM exported_shared"
        ):
            stated = [name or grant for name in orjson.loads(licences)] or [grant]
            self.con.execute("INSERT INTO exported_licences VALUES (?, ?)", [licences, find_strictest(stated)])

"""The card of an export: what is in it, how it was made, and what it is not, in Markdown with a YAML header."""

import tomllib
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson
from jinja2 import Environment, StrictUndefined

from ...personas.rules.languages import detect_languages
from ..contamination import told_comparisons
from .options import PersonalPolicy, Target
from .shapes import TRAINING
from .source import UNKNOWN_LICENCE, card_licence, restriction, strictest

if TYPE_CHECKING:
    from .plan import ExportCounts, ExportPlan


#: Outputs whose languages are detected.
_SAMPLE = 1000
_SAMPLE_SQL = """
SELECT text FROM outputs AS o WHERE {which} AND kind IN (SELECT unnest(CAST(? AS VARCHAR[])))
ORDER BY md5('card:' || emission) LIMIT ?
"""
_STAGES = """
SELECT coalesce(stage, 'accepted') AS found, count(*) FROM outputs WHERE kind IN (SELECT unnest(CAST(? AS VARCHAR[])))
GROUP BY found ORDER BY found <> 'accepted', count(*) DESC, found
"""
_LOST = "SELECT count(*) FROM failures WHERE phase IN (SELECT phase FROM phases WHERE unit = 'step')"
_REPEATS = "SELECT count(DISTINCT emission) FROM duplicates WHERE NOT undone AND emission IS NOT NULL"
_MADE_BY = ("model", "response_model", "prompt_version", "sampling")
_POLICIES = {
    PersonalPolicy.FLAG: "They are in the data, and the column `personal` says what was found.",
    PersonalPolicy.DROP: "Those outputs were left out.",
    PersonalPolicy.REDACT: "The data were replaced: names by invented ones, everything else by its kind.",
}


def render_card(plan: "ExportPlan", target: Target, tally: "ExportCounts") -> str:
    """Return the card of one export."""
    folder = files(__package__)
    meanings = tomllib.loads(folder.joinpath("columns.toml").read_text("utf-8"))
    environment = Environment(autoescape=False, undefined=StrictUndefined)  # noqa: S701 - Markdown; cells are escaped
    environment.filters |= {"cell": _format_cell, "json": _format_json}
    sample = _read_sample(plan)
    spoken = Counter(detect_languages(sample))
    procedural = sum(n for (is_so,), n in tally.by("procedural").items() if is_so)
    personas = list(tally.by("persona_language").items())[:8]
    found = ", ".join(f"{kind} {n:,}" for kind, n in tally.personal.most_common())
    return environment.from_string(folder.joinpath("card.md.j2").read_text("utf-8")).render(
        **_describe_origin(plan, tally),
        **_describe_licences(plan, tally),
        header=_make_header(plan, target, tally, spoken, procedural=procedural),
        tally=tally,
        kinds=", ".join(f"{n:,} {kind}" for (kind,), n in tally.by("kind").items()),
        format=target.format,
        procedural=procedural,
        numbers=_count_rows(plan, tally),
        split=plan.options.split,
        report=plan.split_report,
        left_out=[
            *tally.left_out.most_common(),
            *((f"kind {kind}, which has no place", n) for kind, n in plan.without.items()),
        ],
        held_out=plan.held_out,
        has_rejected=plan.options.rejected,
        sample=len(sample),
        spoken=", ".join(f"{tag} {n / len(sample):.0%}" for tag, n in spoken.most_common(8)),
        languages=", ".join(f"{tag} {n:,}" for (tag,), n in personas),
        personal=f" ({found})" if found else "",
        policy=_POLICIES[plan.options.personal],
        columns=[(f"`{name}`", meanings.get(name, "")) for name in plan.column_names],
    )


def _read_sample(plan: "ExportPlan") -> list[str]:
    return [
        str(text)
        for source, kinds in zip(plan.sources, plan.kinds, strict=True)
        for (text,) in source.ask(_SAMPLE_SQL.format(which=source.which), [list(kinds), _SAMPLE])
    ]


def _make_header(
    plan: "ExportPlan", target: Target, tally: "ExportCounts", spoken: Counter[str], *, procedural: int
) -> dict[str, Any]:
    licences = {name for (licence,) in tally.by("licence") for name in str(licence).split(" AND ")}
    said: dict[str, Any] = {
        "pretty_name": f"{', '.join(dict.fromkeys(s.scenario for s in plan.sources))}: synthetic outputs of personas",
        "license": sorted(map(card_licence, licences)),
        "language": [tag for tag, n in spoken.most_common() if tag != "und" and n >= spoken.total() / 100],
        "tags": ["synthetic", "personas", "populace", *(["procedural"] if procedural else [])],
        "task_categories": ["text-generation"] if target.format in TRAINING else [],
    }
    if not target.ending:
        prefix = f"{target.prefix}/".lstrip("/")
        sides = [side for (side,) in sorted(tally.by("side"), reverse=True)]
        parts = [{"split": side, "path": f"{prefix}{side}-*.parquet"} for side in sides]
        said["configs"] = [{"config_name": "default", "data_files": parts}]
    return said


def _count_rows(plan: "ExportPlan", tally: "ExportCounts") -> list[tuple[str, int]]:
    rows = [("rows", tally.rows)]
    if plan.options.split:
        sides = sorted(tally.by("side").items(), reverse=True)
        rows += [(f"of them {side} ({n / tally.rows:.1%})", n) for (side,), n in sides]
    return [*rows, ("personas", tally.personas)]


def _describe_origin(plan: "ExportPlan", tally: "ExportCounts") -> dict[str, Any]:
    stages: list[tuple[object, ...]] = []
    repeats = 0
    for source, kinds in zip(plan.sources, plan.kinds, strict=True):
        run, found = (source.scenario, str(source.seed)), source.ask(_STAGES, [list(kinds)])
        made = sum(n for _, n in found)
        ((lost,),) = source.ask(_LOST)
        stages += [(*run, "made", made, "100.0%"), *((*run, stage, n, f"{n / made:.1%}") for stage, n in found)]
        stages.append((*run, "turns without a usable answer", lost, ""))
        repeats += source.ask(_REPEATS)[0][0]
    rows = {run: n for (run,), n in tally.by("run").items()}
    return {
        "sources": plan.sources,
        "stages": stages,
        "repeats": repeats,
        "runs": [(s.scenario, s.run, str(s.seed), s.event_hash or "", rows.get(s.run, 0)) for s in plan.sources],
        "made": [
            (model, response or "", prompt, "the endpoint's own" if sampling is None else f"`{sampling}`", n)
            for (model, response, prompt, sampling), n in tally.by(*_MADE_BY).items()
        ],
        "compared": [told for source in plan.sources for told in told_comparisons(source.ask)],
    }


def _describe_licences(plan: "ExportPlan", tally: "ExportCounts") -> dict[str, Any]:
    licences = {str(licence): n for (licence,), n in tally.by("licence").items()}
    return {
        "licences": [(name, restriction(name.split(" AND ")[0]), n) for name, n in licences.items()],
        "strictest": strictest(name for one in licences for name in one.split(" AND ")),
        "unknown": licences.get(UNKNOWN_LICENCE, 0),
        "grant": plan.options.licence,
    }


def _format_json(value: object) -> str:
    # JSON is YAML too, and quotes whatever a name holds.
    return orjson.dumps(value).decode()


def _format_cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")

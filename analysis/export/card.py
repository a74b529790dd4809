"""The card of an export: what is in it, how it was made, and what it is not, in Markdown with a YAML header."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from ...personas.rules.languages import detect_languages
from ..contamination import told_comparisons
from ..diversity.similarity import distinct_n, word_cluster_share
from .options import PersonalPolicy, Target
from .shapes import TRAINING
from .source import UNKNOWN_LICENCE, card_licence, restriction, strictest

if TYPE_CHECKING:
    from .plan import ExportCounts, ExportPlan
    from .source import OutputSource


#: Outputs from which languages and diversity are measured.
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
_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"),
)  # fmt: skip

#: What the columns mean that say where a row comes from.
_MEANINGS = {
    "synthetic": "true: no human wrote the row",
    "procedural": "true if the built-in generator, not a language model, wrote the output or its persona",
    "persona": "id of the persona that made it (hash of the description)",
    "other_personas": "ids of further personas who speak in it",
    "parent": "id of the persona that it was grown from; null for the first of a lineage",
    "hop": "relations between the persona and the first of its lineage",
    "source": "document that the first of its lineage was inferred or imported from",
    "licence": "the strictest licence of the sources of its lineage; `unknown` where one of them states none",
    "model": "model that wrote it",
    "response_model": "model that wrote the response; null where there is none",
    "prompt_version": "prompt that the output answers, as name@version",
    "sampling": "sampling parameters that were sent, as JSON; null where the endpoint's own were used",
    "recipe": "task, settings (prompting mode included) and demonstrations, as JSON",
    "seed": "seed of the run",
    "run": "id of the run",
    "emission": "number of the output in its run",
    "status": "accepted or rejected",
    "stage": "the check that rejected it, or near_duplicate",
    "reason": "why it was rejected",
    "personal": "kinds of personal data that were found in the row",
    "reasoning": "what the model thought before it answered; no part of the answer",
    "tokens": "tokens of what a model reads or writes in the row",
    "text": "the output",
    "messages": "the conversation; `content` is what is said, `tool_calls` what the assistant calls",
    "conversations": "the conversation; `from` is system, human, gpt, function_call or observation",
    "tools": "the tools that the assistant may call, as OpenAI functions (JSON text in Parquet and CSV)",
    "prompt": "what is asked",
    "chosen": "the better answer",
    "rejected": "the worse answer",
    "instruction": "what is asked",
    "input": "context: the persona's description, where that was asked for",
    "output": "the answer",
    "system": "the system message",
    "input persona": "description of the persona",
    "synthesized text": "the output",
    "description": "kind of the output",
    "kind": "kind of the output",
    "solution": "the first solution that gives the answer of most solutions",
    "answer": "the answer that most solutions give",
    "agreement": "share of the solutions that give it, 0 to 1",
    "difficulty": "share of the solutions that do not",
    "correct": "whether it equals the known answer; null where none is known",
    "payload": "all fields of the output, as JSON",
    "persona_text": "description of the persona",
    "persona_language": "language of that description (BCP 47)",
}


_MADE_BY = ("model", "response_model", "prompt_version", "sampling")


class Card:
    """The card of one export."""

    def __init__(self, plan: "ExportPlan", target: Target, tally: "ExportCounts") -> None:
        self._plan, self._target, self._tally = plan, target, tally
        self._sample = [text for n, source in enumerate(plan.sources) for text in _sampled(source, plan.kinds[n])]
        self._licences = {str(licence): n for (licence,), n in tally.by("licence").items()}
        self._spoken = Counter(detect_languages(self._sample))
        self._procedural = sum(n for (is_so,), n in tally.by("procedural").items() if is_so)

    def text(self) -> str:
        """Return the whole card."""
        parts = (
            self._header(), self._opening(), self._numbers(), self._yields(), self._made(), self._licensed(),
            self._diversity(), self._personal(), self._columns(), self._use(),
        )  # fmt: skip
        return "\n".join(part for part in parts if part)

    def _header(self) -> str:
        rows = self._tally.rows
        spoken = [tag for tag, n in self._spoken.most_common() if tag != "und" and n >= len(self._sample) / 100]
        said: dict[str, Any] = {
            "pretty_name": self._title,
            "license": sorted({card_licence(name) for one in self._licences for name in one.split(" AND ")}),
            "language": spoken,
            "size_categories": [next((name for most, name in _SIZES if rows < most), "n>100M")],
            "tags": ["synthetic", "personas", "populace", *(["procedural"] if self._procedural else [])],
        }
        if self._target.format in TRAINING:
            said["task_categories"] = ["text-generation"]
        if not self._target.ending:
            prefix = f"{self._target.prefix}/".lstrip("/")
            sides = [side for (side,) in sorted(self._tally.by("side"), reverse=True)]
            files = [{"split": side, "path": f"{prefix}{side}-*.parquet"} for side in sides]
            said["configs"] = [{"config_name": "default", "data_files": files}]
        # JSON is YAML too, and quotes whatever a name holds.
        lines = [f"{key}: {orjson.dumps(value).decode()}" for key, value in said.items() if value]
        return "\n".join(["---", *lines, "---", ""])

    @property
    def _title(self) -> str:
        scenarios = dict.fromkeys(source.scenario for source in self._plan.sources)
        return f"{', '.join(scenarios)}: synthetic outputs of personas"

    def _opening(self) -> str:
        kinds = ", ".join(f"{n:,} {kind}" for (kind,), n in self._tally.by("kind").items())
        said = [
            f"# {self._title}\n",
            f"{self._tally.rows:,} synthetic rows ({kinds}) by {self._tally.personas:,} personas, in the format "
            f"`{self._target.format}`. Each row was made by a model with a persona in its prompt; no human wrote it, "
            "and the personas are no real people.\n",
        ]
        if self._procedural:
            said.append(
                f"> **{self._procedural:,} of these rows are procedural:** the built-in generator fills templates and "
                "is not a language model. These rows show how the data are made; do not train or measure with them.\n"
            )
        return "\n".join(said)

    def _numbers(self) -> str:
        tally, rows = self._tally, [("rows", self._tally.rows)]
        split = self._plan.options.split
        if split:
            shares = [(side, n, n / tally.rows) for (side,), n in sorted(tally.by("side").items(), reverse=True)]
            rows += [(f"of them {side} ({share:.1%})", n) for side, n, share in shares]
        exact = self._plan.options.tokenizer
        rows += [
            ("personas", tally.personas),
            (f"tokens, by {exact}" if exact else "tokens, estimated from the characters", tally.tokens),
        ]
        said = ["## Numbers\n", _table(("what", "number"), rows)]
        if split and (report := self._plan.split_report):
            said.append(
                f"Train and test are apart by {split.by} and by near-duplicates, and by texts whose words are similar "
                f"from {split.similarity:g} on: {report.groups:,} groups, the largest with {report.largest:,} outputs; "
                f"{report.moved:,} outputs went to the test side because they are similar to one there.\n"
            )
        if tally.left_out or self._plan.without:
            left = [
                *tally.left_out.most_common(),
                *((f"kind {k}, which has no place", n) for k, n in self._plan.without.items()),
            ]
            said += ["Left out:\n", _table(("why", "outputs"), left)]
        if self._plan.held_out:
            said.append(
                f"{self._plan.held_out:,} accepted outputs of the runs are held out for measuring models, and are not "
                "in this file.\n"
            )
        if self._plan.missing:
            said.append(f"The recipe asks for {self._plan.missing:,} rows more than the runs have.\n")
        return "\n".join(said)

    def _yields(self) -> str:
        rows = []
        for number, source in enumerate(self._plan.sources):
            stages = source.ask(_STAGES, [list(self._plan.kinds[number])])
            made = sum(n for _, n in stages)
            ((lost,),) = source.ask(_LOST)
            rows += [(source.scenario, str(source.seed), "made", made, "100.0%")]
            rows += [(source.scenario, str(source.seed), stage, n, f"{n / made:.1%}") for stage, n in stages]
            rows += [(source.scenario, str(source.seed), "turns without a usable answer", lost, "")]
        note = (
            "Rejected outputs are in this file too, with `stage` and `reason`."
            if self._plan.options.rejected
            else ("Outputs that a check rejected, or that nearly repeat an earlier one, are not in this file.")
        )
        head = ("run", "seed", "stage", "outputs", "share")
        return "\n".join(["## Yield by stage\n", _table(head, rows), f"{note}\n"])

    def _made(self) -> str:
        made = [
            (model, response or "", prompt, "the endpoint's own" if sampling is None else f"`{sampling}`", n)
            for (model, response, prompt, sampling), n in self._tally.by(*_MADE_BY).items()
        ]
        runs = [
            (source.scenario, source.run, str(source.seed), source.event_hash or "", n)
            for source in self._plan.sources
            for (run,), n in self._tally.by("run").items()
            if run == source.run
        ]
        return "\n".join(
            [
                "## How it was made\n",
                "By Populace, after *Scaling Synthetic Data Creation with "
                "1,000,000,000 Personas* (arXiv 2406.20094): personas are inferred from texts or imported, grown along "
                "relations, and each output is asked of a model with one persona in the prompt.\n",
                _table(("scenario", "run", "seed", "event hash", "rows"), runs),
                *(f"Recipe of run {source.run}: `{source.recipe}`\n" for source in self._plan.sources),
                _table(("model", "model of the response", "prompt", "sampling", "rows"), made),
                f"The runs were mixed by a recipe, with the seed {self._plan.mix.seed}.\n"
                if not self._plan.mix.is_whole
                else "",
            ]
        )

    def _licensed(self) -> str:
        rows = [(name, restriction(name.split(" AND ")[0]), n) for name, n in self._licences.items()]
        said = ["## Licences\n", _table(("licence", "asks for", "rows"), rows)]
        said.append(
            "The licence of a row is the strictest among the sources of its persona's lineage. It says nothing of the "
            "terms of the model that wrote the row.\n"
        )
        if len(self._licences) > 1:
            whole = strictest(name for one in self._licences for name in one.split(" AND "))
            said.append(f"**This export mixes licences.** As a whole it is bound by the strictest: {whole}.\n")
        if UNKNOWN_LICENCE in self._licences:
            said.append(
                f"**Of {self._licences[UNKNOWN_LICENCE]:,} rows the licence is unknown**, because a source of theirs "
                "states none: nothing may be taken for granted.\n"
            )
        if grant := self._plan.options.licence:
            said.append(f"Sources that state no licence are taken as {grant}, by word of whoever made the export.\n")
        return "\n".join(said)

    def _diversity(self) -> str:
        repeats = sum(
            source.ask("SELECT count(DISTINCT emission) FROM duplicates WHERE NOT undone AND emission IS NOT NULL")[0][
                0
            ]
            for source in self._plan.sources
        )
        measures = [(f"distinct-{n}", distinct_n(self._sample, n)) for n in (1, 2, 3)]
        measures.append(("clusters by half of the words, as a share of the sample", word_cluster_share(self._sample)))
        rows = [(name, f"{value:.3f}") for name, value in measures if value is not None]
        spoken = ", ".join(f"{tag} {n / len(self._sample):.0%}" for tag, n in self._spoken.most_common(8))
        personas = ", ".join(f"{tag} {n:,}" for (tag,), n in list(self._tally.by("persona_language").items())[:8])
        return "\n".join(
            [
                "## Diversity and languages\n",
                f"Of a sample of {len(self._sample):,} outputs:\n",
                _table(("measure", "value"), rows),
                f"Languages of the sample, as they are detected: {spoken}. Rows by the language of the persona's "
                f"description: {personas}.\n",
                f"{repeats:,} outputs of the runs nearly repeat an earlier one, by their words.\n",
            ]
        )

    def _personal(self) -> str:
        tally, policy = self._tally, self._plan.options.personal
        done = {
            PersonalPolicy.FLAG: "They are in the data, and the column `personal` says what was found.",
            PersonalPolicy.DROP: "Those outputs were left out.",
            PersonalPolicy.REDACT: "The data were replaced: names by invented ones, everything else by its kind.",
        }[policy]
        found = ", ".join(f"{kind} {n:,}" for kind, n in tally.personal.most_common())
        many = "1 row" if tally.personal_rows == 1 else f"{tally.personal_rows:,} rows"
        return (
            f"## Personal data\n\nFound by patterns in {many}{f' ({found})' if found else ''}. "
            f"{done} Patterns do not find everything, and most of what they find was invented by a model.\n"
        )

    def _columns(self) -> str:
        rows = [(f"`{name}`", _MEANINGS.get(name, "")) for name in self._plan.column_names]
        return "\n".join(["## Columns\n", _table(("column", "meaning"), rows)])

    def _use(self) -> str:
        compared = [told for source in self._plan.sources for told in told_comparisons(source.ask)]
        return "\n".join(
            [
                "## Intended use and known limits\n",
                "- For training and testing models, within the licences above and the terms of the models.",
                "- Outputs are as right or wrong as the model was: what no check looked at was not verified.",
                "- Personas come from the texts that they were inferred from, and are no sample of any population: "
                "nothing about real people or groups follows from counts of these rows.",
                *(f"- {told}" for told in compared or ["The outputs were not compared with any benchmark."]),
                "- Near-duplicates are found by words at a Jaccard similarity; paraphrases stay unless embeddings were "
                "compared.",
                *(
                    ["- Procedural rows stand in for a model's, and are to be left out of any training."]
                    if self._procedural
                    else []
                ),
                "",
            ]
        )


def _sampled(source: "OutputSource", kinds: Iterable[str]) -> Iterator[str]:
    for (text,) in source.ask(_SAMPLE_SQL.format(which=source.which), [list(kinds), _SAMPLE]):
        yield str(text)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")

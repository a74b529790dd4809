"""The tables of hubs: those of people, which run files have too, and what only hubs hold of them."""

# ruff: noqa: E501 - what a table and a column mean is one string
# fmt: off

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from ...core.table import ALL, table
from ..judgement import RuleResultRow


@table("passages", key="passage", fork=ALL)
@dataclass(frozen=True, slots=True)
class PassageRow:
    """The seed texts from which Text-to-Persona inferred the first people."""

    passage: Annotated[str, "128-bit content hash of the text, hexadecimal"]
    ordinal: Annotated[int, "Position in the source, from 1"]
    text: Annotated[str, "The passage"]
    language: Annotated[str, "BCP 47 language tag"]
    source: Annotated[str | None, "Document the passage is from"]
    licence: Annotated[str | None, "Licence of that document (SPDX where there is one)"]


@table("personas", key="id", fork="id NOT IN (SELECT agent FROM agents WHERE arrived > $at)")
@dataclass(frozen=True, slots=True)
class PersonaRow:
    """Everybody who was grown or read, near-duplicates (see duplicates) and those rejected (see rule_results) included."""

    id: Annotated[str, "128-bit content hash of the description as it arrived, hexadecimal, which a later rewriting leaves as it is: texts that arrived equal are one persona"]
    ordinal: Annotated[int, "Order of arrival, from 1"]
    text: Annotated[str, "The description; the id is the hash of the text that arrived, with blanks folded, in Unicode NFC (see rewritten_people)"]
    origin: Annotated[str, "text (Text-to-Persona), persona (Persona-to-Persona) or import"]
    hop: Annotated[int, "Relations between this persona and the one inferred from a text; 0 for that one"]
    parent: Annotated[str | None, "Persona it was grown from"]
    language: Annotated[str, "BCP 47 tag of the language of the description"]
    source: Annotated[str | None, "Passage or file it came from"]
    licence: Annotated[str | None, "Licence of that source, the first that was stated; imports has those of all sources of the text"]
    model: Annotated[str | None, "Model that wrote it; null for an import"]
    prompt: Annotated[str | None, "Prompt that it answers, as name@version"]


@table("relations", fork=ALL)
@dataclass(frozen=True, slots=True)
class RelationRow:
    """Directed ties: target is source's label."""

    ordinal: Annotated[int, "Order of arrival, from 1"]
    source: Annotated[str, "Persona"]
    target: Annotated[str, "Persona; follow duplicates to the one who lives in the society"]
    kind: Annotated[str, "Normalised kind: kinship, friendship, neighbourhood, work, trade, care, teaching, service, rivalry or other"]
    label: Annotated[str, "The relation in the model's own words"]
    hop: Annotated[int, "Hop of Persona-to-Persona that found it"]


@table("duplicates", fork="step IS NULL OR step <= $at", undo="stage = $stage")
@dataclass(frozen=True, slots=True)
class DuplicateRow:
    """Verdicts of near-duplicate detection: marked, never deleted, and undone by setting undone."""

    kind: Annotated[str, "persona, or the kind of the emission"]
    step: Annotated[int | None, "Step of the emission; null for a persona"]
    persona: Annotated[str, "The newcomer, or the author of the later emission"]
    of: Annotated[str, "The earlier persona, or the author of the earlier emission"]
    emission: Annotated[int | None, "The later emission; null for a persona", "BIGINT"]
    of_emission: Annotated[int | None, "The earlier emission; null for a persona", "BIGINT"]
    stage: Annotated[str, "Stage that found it: exact or minhash (how candidates were found; decided by exact Jaccard), or cosine: and the embedding model"]
    similarity: Annotated[float, "Jaccard similarity of the two sets of words, or cosine of the two vectors, 0 to 1"]
    undone: Annotated[bool, "True while the verdict does not hold"]


@table("vectors", fork=ALL, undo="request_hash IN (SELECT request_hash FROM calls WHERE job >= $job)")
@dataclass(frozen=True, slots=True)
class VectorRow:
    """What an embedding model made of texts, each text once."""

    text_hash: Annotated[str, "128-bit hash of the text, hexadecimal"]
    model: Annotated[str, "Embedding model by name"]
    vector: Annotated[NDArray[np.float32], "The vector, as the endpoint gave it", "FLOAT[]"]
    request_hash: Annotated[str, "The call that brought it, as in calls"]


table("rule_results", fork=ALL)(RuleResultRow)

#: What was made since the job $job began.
SINCE = "made_at >= $began"


def _of_hubs[R](name: str, *, key: str = "", undo: str | None = None) -> Callable[[type[R]], type[R]]:
    """Declare a table of hubs alone, whose rows are written by columns and never made one by one."""
    return lambda columns: table(name, key=key, fork=None, undo=undo, is_hub=True)(dataclass(frozen=True)(columns))


@_of_hubs("hub_migrations", key="version")
class HubMigrationRow:
    """The versions of the hub schema that have been applied to the file."""

    version: Annotated[int, "Version, from 1"]
    script: Annotated[str, "Script that was applied"]


@_of_hubs("imported_files", key="file")
class ImportedFileRow:
    """Files that were imported. A file is committed in parts, each together with how far it got, so an import that was cut off goes on from there."""

    file: Annotated[int, "Number of the file, from 1"]
    name: Annotated[str, "Its name, without folders"]
    sha256: Annotated[str, "SHA-256 of its bytes, hexadecimal: which file it was, exactly"]
    bytes: Annotated[int, "Its size as it was given, compressed or not", "BIGINT"]
    format: Annotated[str, "personahub, tasks, elite, nemotron or table"]
    settings: Annotated[str, "What was asked for: columns, source, licence, revision, language, greatest length; how descriptions were composed of columns, where they were (rule@1: of those that are known by name)", "JSON"]
    read_to: Annotated[int, "Line or row up to which the file is in the hub", "BIGINT"]
    rows: Annotated[int, "Rows of it that are in the hub", "BIGINT"]
    new: Annotated[int, "People that it brought; the other rows hold texts that the hub had already", "BIGINT"]
    skipped: Annotated[int, "Rows of it that were left out", "BIGINT"]
    complete: Annotated[bool, "False for a file whose import was cut off; the same command goes on with it"]
    imported_at: Annotated[datetime, "UTC, of the last part"]


@_of_hubs("skipped_rows")
class SkippedRowsRow:
    """Why rows of imported files were left out: one row for each file and reason."""

    file: Annotated[int, "Number of the file in imported_files"]
    reason: Annotated[str, "The reason in words"]
    rows: Annotated[int, "How many rows", "BIGINT"]
    first: Annotated[Sequence[int], "Lines or rows of the first few", "BIGINT[]"]


@_of_hubs("imported_columns")
class ImportedColumnRow:
    """What the columns of imported files were taken for when personal data were looked for in them."""

    file: Annotated[int, "Number of the file in imported_files"]
    column: Annotated[str, "The column; a value inside another has a JSON pointer, with * for any place in a list"]
    kind: Annotated[str, "name, email, phone, birth_date, street_address, identity_number or handle: all its values are replaced. text: personal data are looked for in it. term: contact details alone are. identifier: e-mail addresses alone are replaced in it"]


@_of_hubs("imports")
class ImportRow:
    """Where imported people come from: one row for each row that was read, so a text that was read twice has two."""

    persona: Annotated[str, "Persona"]
    file: Annotated[int, "Number of the file in imported_files"]
    row: Annotated[int, "Line of a text file, or row of a table, from 1", "BIGINT"]
    source: Annotated[str, "Name of the source: as given, else that of the file"]
    licence: Annotated[str | None, "Licence of the source (SPDX where there is one), as the row or its import states it; null where none did"]
    revision: Annotated[str | None, "Revision of the source, such as a commit or a date"]
    attributes: Annotated[str | None, "The other columns of the row by name, without those that hold nothing", "JSON"]
    imported_at: Annotated[datetime, "UTC"]


@_of_hubs("occupation_groups", key="occupation_group")
class OccupationGroupRow:
    """The major groups of the International Standard Classification of Occupations, ISCO-08."""

    occupation_group: Annotated[int, "Major group, 0 to 9", "TINYINT"]
    title: Annotated[str, "Its title"]


@_of_hubs("profiles", key="persona", undo=SINCE)
class ProfileRow:
    """Fine-grained attributes of personas, inferred by a model from the description, or stated by the columns that somebody was imported with; null is not known. What each rests on is in evidence."""

    persona: Annotated[str, "Persona"]
    age_band: Annotated[str | None, "Age in decades: 0-9, 10-19, ... 80-89, 90+"]
    occupation: Annotated[str | None, "Occupation in the words of the description, where it states one"]
    occupation_group: Annotated[int | None, "Major group of ISCO-08, 0 to 9; titles in occupation_groups", "TINYINT"]
    education: Annotated[int | None, "Highest level of ISCED 2011 attained: 0 early childhood, 1 primary, 2 lower secondary, 3 upper secondary, 4 post-secondary non-tertiary, 5 short-cycle tertiary, 6 bachelor's, 7 master's, 8 doctoral, each or equivalent", "TINYINT"]
    household: Annotated[str | None, "alone, couple, couple with children, single parent, with parents, extended family, shared, institution or homeless"]
    region: Annotated[str | None, "Where the person lives, as written"]
    languages: Annotated[Sequence[str] | None, "BCP 47 tags of the languages spoken, the first one best"]
    interests: Annotated[Sequence[str] | None, "What the person likes to do or know"]
    values: Annotated[Sequence[str] | None, "Of Schwartz's ten values those that guide the person most, the first one most"]
    openness: Annotated[int | None, "Openness to experience (Big Five), 1 very low to 5 very high", "TINYINT"]
    conscientiousness: Annotated[int | None, "Conscientiousness (Big Five), 1 very low to 5 very high", "TINYINT"]
    extraversion: Annotated[int | None, "Extraversion (Big Five), 1 very low to 5 very high", "TINYINT"]
    agreeableness: Annotated[int | None, "Agreeableness (Big Five), 1 very low to 5 very high", "TINYINT"]
    neuroticism: Annotated[int | None, "Neuroticism (Big Five), 1 very low to 5 very high", "TINYINT"]
    favourite_colour: Annotated[str | None, "Favourite colour"]
    favourite_number: Annotated[int | None, "Favourite number"]
    family_background: Annotated[str | None, "The family the person comes from"]
    life_events: Annotated[Sequence[str] | None, "What happened in the person's life, in order"]
    evidence: Annotated[str, "By attribute: evidence (stated, implied, assumed or unknown) and, for stated and implied, the words of the description, or the imported column and its value, that it follows from", "JSON"]
    only_evident: Annotated[bool, "True where what the model assumed was not taken over: it is unknown then"]
    model: Annotated[str, "Model that inferred it; import where imported columns state it"]
    prompt: Annotated[str, "Prompt that it answers, as name@version"]
    made_at: Annotated[datetime, "UTC"]


@_of_hubs("biographies", key="persona", undo=SINCE)
class BiographyRow:
    """Long biographies, written from the profile and those of the people the persona is tied to; synthetic text, all of it."""

    persona: Annotated[str, "Persona"]
    text: Annotated[str, "The biography, paragraphs with an empty line between"]
    mentions: Annotated[Sequence[str], "The tied personas that it speaks of"]
    language: Annotated[str, "BCP 47 tag of the language it was asked for in"]
    model: Annotated[str, "Model that wrote it"]
    prompt: Annotated[str, "Prompt that it answers, as name@version"]
    made_at: Annotated[datetime, "UTC"]


@_of_hubs("contradictions", undo="found_at >= $began")
class ContradictionRow:
    """Where the profiles of two people who are tied to each other do not fit the tie, found by rules."""

    persona: Annotated[str, "Persona from whom the relation leads"]
    other: Annotated[str, "Persona to whom it leads"]
    rule: Annotated[str, "parent_age, child_age, grandparent_age, grandchild_age, sibling_age, spouse_age, spouse_of_another, spouse_otherwise, mutual_employers, colleague_age, no_common_language or neighbour_region"]
    detail: Annotated[str, "The contradiction in one sentence"]
    asked: Annotated[str | None, "Of the two the one whose profile was, or is to be, asked for again; null where both state what contradicts"]
    status: Annotated[str, "open (found), kept (still there after the profile was asked for again, or nothing to ask) or resolved"]
    found_at: Annotated[datetime, "UTC"]


@_of_hubs("elites", undo=SINCE)
class EliteRow:
    """Personas who were raised to the very best in a skill, and what that changed."""

    persona: Annotated[str, "The raised persona, a row of its own in personas"]
    original: Annotated[str, "The persona it was made from, which stays as it is"]
    skill: Annotated[str, "The skill as it was asked for"]
    tier: Annotated[str, "The share of all people who have the skill: 1% or 0.1%"]
    general_domain: Annotated[str, "The field that the skill belongs to"]
    specific_domain: Annotated[str, "The speciality within it"]
    changes: Annotated[str, "What differs from the original: a list of before (words of the original, empty for what is new), after (words of the new description) and why", "JSON"]
    model: Annotated[str, "Model that rewrote the description"]
    prompt: Annotated[str, "Prompt that it answers, as name@version"]
    made_at: Annotated[datetime, "UTC"]


@_of_hubs("comparisons")
class ComparisonRow:
    """How the people were compared for near-duplicates: a verdict that has to be decided again uses these stages and thresholds."""

    ordinal: Annotated[int, "Order of the first time, from 1"]
    stage: Annotated[str, "exact (sets of words), or cosine: and the embedding model"]
    threshold: Annotated[float, "Least similarity of near-duplicates"]


@_of_hubs("rewritten_people", key="persona")
class RewrittenPersonRow:
    """People whose description was rewritten, or restored, since they came into the hub: their id is the hash of the one that they came with."""

    persona: Annotated[str, "Persona"]
    text_hash: Annotated[str, "128-bit hash of the present description, hexadecimal: the id that exports show"]


@_of_hubs("selections", key="name")
class SelectionRow:
    """Who was chosen from the hub, and how: one row a selection, with a view of the same name."""

    name: Annotated[str, "Name of the selection and of its view"]
    condition: Annotated[str | None, "Condition in SQL that candidates had to meet; null for everybody"]
    n: Annotated[int | None, "How many people were asked for; null for everybody", "BIGINT"]
    rule: Annotated[str, "everybody, random, stratify (in proportion), balance (equally many), quota or targets (raking)"]
    columns: Annotated[Sequence[str], "Columns that the rule is about"]
    diverse: Annotated[bool, "True where people were chosen to be unlike each other, not at random"]
    seed: Annotated[int, "Seed of the choice: with the same seed and the same hub it comes out the same", "BIGINT"]
    people: Annotated[int, "How many were chosen", "BIGINT"]
    spec: Annotated[str, "The whole specification, quota and targets included", "JSON"]
    report: Annotated[str, "How well the choice meets it: candidates, left out and why, wanted and got", "JSON"]
    hub_people: Annotated[int, "Personas in the hub at that time, near-duplicates included", "BIGINT"]
    hub_last: Annotated[int | None, "Ordinal of the last of them", "BIGINT"]
    hub_left_out: Annotated[int, "Verdicts that left somebody out at that time: near-duplicates and descriptions rejected, undone ones not counted", "BIGINT"]
    hub_profiles: Annotated[int, "Profiles in the hub at that time", "BIGINT"]
    made_at: Annotated[datetime, "UTC"]


@_of_hubs("selected")
class SelectedRow:
    """The people of each selection."""

    selection: Annotated[str, "Selection"]
    persona: Annotated[str, "Persona"]
    ordinal: Annotated[int, "Place among those chosen, from 1: the first so many of a random choice are a random choice themselves", "BIGINT"]
    weight: Annotated[float | None, "What the person counts for in a figure about all who could be chosen (with targets: about the targets), 1 on average; null where people were chosen to be unlike each other"]


PEOPLE = (PassageRow, PersonaRow, RelationRow, DuplicateRow, RuleResultRow, VectorRow)

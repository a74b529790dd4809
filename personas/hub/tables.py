"""The tables of people, which hubs and run files share."""

# ruff: noqa: E501 - what a table and a column mean is one string
# fmt: off

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from ..judgement import RuleResultRow
from ..table import ALL, table


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

    id: Annotated[str, "128-bit content hash of the description, hexadecimal: equal texts are one persona"]
    ordinal: Annotated[int, "Order of arrival, from 1"]
    text: Annotated[str, "The description, as it came; its id is the hash of the text with blanks folded, in Unicode NFC"]
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

#: The classes of their rows.
PEOPLE = (PassageRow, PersonaRow, RelationRow, DuplicateRow, RuleResultRow, VectorRow)

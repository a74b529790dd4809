"""Outputs that share text with benchmarks: by n-grams of words, and by vectors where an embedding model made some.

Two texts of at least 13 words share text when they have 13 words in a row in common (the overlap of Brown et al., 2020,
appendix C). Where one of them is shorter, 8 words in a row count; below 8 words, and from 4 on, the whole texts must be
the same words. N-grams that occur in more than 10 texts of the benchmark are phrases of its form and do not count. Case
and punctuation do not matter; in scripts without spaces each character is a word.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ..core.arrow import Hashes
from ..core.errors import SetupError, parameter
from ..core.result import Note, Result, make_result
from ..core.text import word_list
from ..personas.dedup.vectors import units
from ..personas.formats.foreign import ForeignText, ForeignTexts
from ..personas.persona import content_id
from .diversity.similarity import vectors_of
from .page import clip_text
from .table import Queryable

#: The name of the check whose rows these verdicts are.
CHECK = "contamination"
#: Words in a row that count between long texts, and where one of the two is shorter.
NGRAM, SHORT = 13, 8
#: Words from which a text is compared at all.
LEAST = 4
#: Texts of the benchmark in which an n-gram may occur before it counts as a phrase of its form.
_COMMON = 10
#: Overlaps that are listed.
_MOST_SHOWN = 10
#: Cosine from which two texts are the same for a vector.
COSINE = 0.9

_EMISSIONS = "SELECT emission, text, payload FROM emissions WHERE emission > ? ORDER BY emission LIMIT 2000"
#: What solvers wrote to problems of the run; of an evaluation they are numbered by the problems of a test set.
_SOLUTIONS = """
SELECT emission, solution FROM solutions JOIN jobs USING (job)
WHERE kind = 'solving' AND solution <> '' AND emission BETWEEN ? AND ? ORDER BY emission, job, ordinal
"""
_BASE = np.uint64(0x9E3779B97F4A7C15)
#: Texts whose vectors are compared at once.
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Overlap:
    """An output that shares text with a benchmark."""

    emission: int
    #: Where in the output: text, or a field of its payload.
    field: str
    foreign: ForeignText
    #: The words in a row that both have; empty for an overlap by vectors.
    words: str
    #: The share of the field's n-grams that occur in the benchmark, or the cosine of two vectors.
    score: float

    @property
    def reason(self) -> str:
        """In one sentence, with file, row and words."""
        if not self.words:
            return f"Its {self.field} means the same as {self.foreign.place} (cosine {self.score:.2f})."
        return f"Its {self.field} shares with {self.foreign.place}: {clip_text(self.words, 300)!r}."


@dataclass(frozen=True, slots=True)
class Contamination:
    """What comparing the outputs of a run with benchmarks found."""

    #: Outputs that were compared, accepted or not, and texts of the benchmarks.
    outputs: int
    foreign: int
    files: Sequence[str]
    overlaps: Sequence[Overlap]
    #: By file the rows that could not be read, with the reason.
    skipped: Mapping[str, str] = field(default_factory=dict)
    #: The embedding model whose vectors were compared too; None for words alone.
    embeddings: str | None = None

    def with_meaning(self, model: str, near: Iterable[Overlap]) -> "Contamination":
        """Add outputs that overlap by the vectors of a model; those that share words keep that reason."""
        known = {one.emission for one in self.overlaps}
        both = sorted([*self.overlaps, *(one for one in near if one.emission not in known)], key=lambda o: o.emission)
        return replace(self, overlaps=both, embeddings=model)


@lru_cache(maxsize=1 << 17)
def _word_hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _hash_words(words: Sequence[str]) -> Hashes:
    return np.fromiter(map(_word_hash, words), dtype=np.uint64, count=len(words))


def _hash_ngrams(words: Hashes, n: int) -> Hashes:
    """Return the hash of each n consecutive words, by place; with 64 bits, a false match is not to be expected."""
    count = len(words) - n + 1
    if count < 1:
        return np.empty(0, dtype=np.uint64)
    found = np.zeros(count, dtype=np.uint64)
    for place in range(n):
        found *= _BASE
        found += words[place : place + count]
    return found


#: What a run was compared with, and how many outputs each comparison rejected.
_COMPARED = f"""
SELECT spec, (SELECT count(*) FROM checks AS c WHERE c.job = j.job AND c."check" = '{CHECK}') FROM jobs AS j
WHERE kind = 'checking' AND status = 'finished' AND spec ->> '$.check' = '{CHECK}' ORDER BY job
"""  # noqa: S608 - our own words


def told_comparisons(ask: Callable[[str], Sequence[tuple[Any, ...]]]) -> list[str]:
    """Return a sentence for each comparison of a run: files by name, how, and how many were rejected."""
    sentences = []
    for text, rejected in ask(_COMPARED):
        spec = orjson.loads(text)
        names = ", ".join(dict.fromkeys(Path(file).name for file in spec["against"]))
        meaning = f", and by {spec['embeddings']} at a cosine of {spec['cosine']:g}" if spec["embeddings"] else ""
        sentences.append(
            f"Compared with {names} ({spec['texts']:,} texts) by {spec['ngram']} words in a row{meaning}: "
            f"{rejected:,} outputs overlapped and were rejected."
        )
    return sentences


class _FirstTexts:
    """Hashes of n-grams, each with the first text that has it."""

    def __init__(self) -> None:
        self._parts: list[Hashes] = []
        self._texts: list[NDArray[np.int32]] = []
        self.keys: Hashes = np.empty(0, dtype=np.uint64)
        self.texts: NDArray[np.int32] = np.empty(0, dtype=np.int32)

    def add(self, grams: Hashes, text: int) -> None:
        """Take in the n-grams of one text."""
        distinct = np.unique(grams)
        self._parts.append(distinct)
        self._texts.append(np.full(len(distinct), text, dtype=np.int32))

    def close(self) -> None:
        """Sort what was taken in, without n-grams that many texts have."""
        if not self._parts:
            return
        grams, texts = np.concatenate(self._parts), np.concatenate(self._texts)
        self._parts, self._texts = [], []
        order = np.argsort(grams, kind="stable")
        keys, first, counts = np.unique(grams[order], return_index=True, return_counts=True)
        rare = counts <= _COMMON
        self.keys, self.texts = keys[rare], texts[order][first[rare]]

    def find(self, grams: Hashes) -> NDArray[np.int32]:
        """Return the text that has each n-gram; -1 if none has it."""
        places = np.minimum(np.searchsorted(self.keys, grams), max(len(self.keys) - 1, 0))
        if not len(self.keys):
            return np.full(len(grams), -1, dtype=np.int32)
        found: NDArray[np.int32] = np.where(self.keys[places] == grams, self.texts[places], -1).astype(np.int32)
        return found


class NgramIndex:
    """The n-grams of benchmarks, 12 bytes each, and where each text stands."""

    def __init__(self, foreign: Iterable[ForeignText], *, ngram: int = NGRAM) -> None:
        """Read all texts. Raises `SetupError` for n-grams of fewer than 4 words."""
        if ngram < LEAST:
            raise SetupError(f"{parameter('ngram', ngram)} is too short to mean anything; give {LEAST} or more words.")
        self.ngram, self.short = ngram, min(SHORT, ngram)
        self.places: list[tuple[str, int, str]] = []
        # Of long texts, their n-grams and their short ones; of shorter texts, theirs; and short texts as a whole.
        self._long, self._parts, self._shorter, self._whole = _FirstTexts(), _FirstTexts(), _FirstTexts(), _FirstTexts()
        for text in foreign:
            self._add_text(text)
        for table in (self._long, self._parts, self._shorter, self._whole):
            table.close()

    def _add_text(self, text: ForeignText) -> None:
        words, number = _hash_words(word_list(text.text)), len(self.places)
        self.places.append((text.file, text.row, text.column))
        if len(words) >= self.ngram:
            self._long.add(_hash_ngrams(words, self.ngram), number)
            if self.short < self.ngram:
                self._parts.add(_hash_ngrams(words, self.short), number)
        elif len(words) >= self.short:
            self._shorter.add(_hash_ngrams(words, self.short), number)
        elif len(words) >= LEAST:
            self._whole.add(_hash_ngrams(words, len(words)), number)

    def find(self, text: str) -> tuple[ForeignText, str, float] | None:
        """Find the text that shares the most consecutive words with this one, those words and the share of n-grams.

        Return None if no text does.
        """
        words = word_list(text)
        hashes = _hash_words(words)
        if len(words) >= self.ngram:
            tables = [(self._long, self.ngram), (self._shorter, self.short)]
        elif len(words) >= self.short:
            tables = [(self._parts, self.short), (self._shorter, self.short)]
        else:
            tables = [(self._whole, len(words))] if len(words) >= LEAST else []
        best: tuple[ForeignText, str, float] | None = None
        longest = 0
        for table, n in tables:
            found = table.find(_hash_ngrams(hashes, n))
            hits = np.flatnonzero(found >= 0)
            if not len(hits):
                continue
            first, end = _longest_run(hits)
            if end - first + n > longest:
                longest = end - first + n
                place = self.places[int(found[first])]
                shared = " ".join(words[first : end + n])
                best = ForeignText(place[0], place[1], "", place[2]), shared, len(hits) / len(found)
        return best


def _longest_run(places: NDArray[np.int64]) -> tuple[int, int]:
    """Return the first and the last of the longest run of consecutive numbers."""
    runs = np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)
    longest = max(runs, key=len)
    return int(longest[0]), int(longest[-1])


def find_contaminated(run: Queryable, foreign: ForeignTexts, *, ngram: int = NGRAM) -> Contamination:
    """Find the outputs of a run, accepted or not, that share words with these files.

    The texts compared are the emission's, all texts of its payload (a solution, a response), and what solvers wrote to
    it. Texts with fewer than 8 words are compared only if they are the emission's own. Memory grows with the files
    alone.
    """
    index = NgramIndex(foreign, ngram=ngram)
    overlaps, outputs = [], 0
    for emission, texts in _iter_texts(run):
        outputs += 1
        found = None
        for name, text in texts:
            if name != "text" and len(word_list(text)) < index.short:
                continue
            if (shared := index.find(text)) and (found is None or len(shared[1]) > len(found.words)):
                found = Overlap(emission, name, *shared)
        if found is not None:
            overlaps.append(found)
    skipped = {file: "; ".join(map(str, skips)) for file, skips in foreign.skipped.items()}
    return Contamination(outputs, len(index.places), foreign.files, overlaps, skipped)


def _iter_texts(run: Queryable) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Yield each emission with its own text, those of its payload by the name of the field, and its solutions."""
    last = 0
    while rows := run.query(_EMISSIONS, [last]).rows:
        first, last = rows[0][0], rows[-1][0]
        solutions = defaultdict(list)
        for emission, solution in run.query(_SOLUTIONS, [first, last]).rows:
            solutions[emission].append(("solutions", solution))
        for emission, text, payload in rows:
            fields = [(name, found) for name, found in _texts_in("", orjson.loads(payload)) if found != text]
            yield emission, [("text", text), *fields, *solutions[emission]]


def _texts_in(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(name, item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts_in(f"{name}.{key}" if name else str(key), item)


def texts_of(run: Queryable, foreign: ForeignTexts) -> Iterator[str]:
    """Yield the texts that need a vector before `find_same_meaning`: those of each output and of the benchmarks."""
    for _, texts in _iter_texts(run):
        yield texts[0][1]
    for text in foreign:
        yield text.text


def find_same_meaning(
    run: Queryable, foreign: ForeignTexts, model: str, *, threshold: float = COSINE
) -> Iterator[Overlap]:
    """Find the outputs whose text has nearly the same vector of this model as a text of these files.

    Outputs and texts without a vector of the model are skipped. The vectors of the files are held in memory.
    """
    places = {content_id(text.text): text for text in foreign}
    known = vectors_of(run, set(places), model)
    if not known:
        return
    foreign_texts = [places[key] for key in known]
    matrix = units(np.array(list(known.values()), dtype=np.float32)).astype(np.float32)
    for outputs in batched(_iter_texts(run), _AT_ONCE):
        keys = {emission: content_id(texts[0][1]) for emission, texts in outputs}
        vectors = vectors_of(run, set(keys.values()), model)
        for emission in (number for number, key in keys.items() if key in vectors):
            row = (units(vectors[keys[emission]][None]).astype(np.float32) @ matrix.T)[0]
            best = int(row.argmax())
            if row[best] >= threshold:
                yield Overlap(emission, "text", foreign_texts[best], "", round(float(row[best]), 4))


def describe_contamination(found: Contamination) -> Result:
    """Describe how many outputs overlap with each file, and the first of them."""
    counts = {file: sum(one.foreign.file == file for one in found.overlaps) for file in found.files}
    rows = [(one.emission, one.field, one.foreign.place, one.words or "(by meaning)") for one in found.overlaps]
    shown = f"The first {_MOST_SHOWN} of {len(rows):,}" if len(rows) > _MOST_SHOWN else "The outputs that overlap"
    overlaps = make_result(shown, ("emission", "in_its", "shares_with", "words"), rows[:_MOST_SHOWN])
    told = f"{len(rows):,} of {found.outputs:,} outputs overlap with one of {found.foreign:,} texts."
    notes = [Note("overlaps", told)]
    for file, reasons in found.skipped.items():
        notes.append(Note("skipped", f"Of {file} these rows could not be read: {reasons}."))
    return make_result("Overlaps by file", ("file", "outputs"), list(counts.items()), notes=notes, parts=[overlaps])

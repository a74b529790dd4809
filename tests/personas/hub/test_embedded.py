"""The second stage of near-duplicates in a hub: by the vectors of whom the words left."""

import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hub_people import make_hub, plant_vectors
from openai_vectors import vector_of

from populace.agents.embedding.vectors import text_hash
from populace.core.errors import SetupError
from populace.personas.hub.dedup import (
    EmbeddedReport,
    dedup_embedded,
    dedup_hub,
    read_texts,
    read_vectors,
    without_vector,
)
from populace.personas.hub.file import HubFile, create_hub, open_hub
from populace.personas.hub.rewrites import undo_stage
from populace.personas.persona import Persona
from populace.sim.runfile.database import make_schema

MODEL = "openai:m"
TEXTS = (
    "A baker who opens at four in the morning and sings while the bread rises.",
    "A retired judge who keeps bees on the roof of the court.",
    # The same words in another order are one set of words.
    "While the bread rises, a baker sings who opens at four in the morning and.",
    # One word of fifteen replaced: too much for the words, not for the vectors of the tests.
    "A baker who opens at four in the morning and hums while the bread rises.",
    "A diver who repairs the pillars of bridges in winter.",
)


def plant(hub: HubFile, *unknown: str, model: str = MODEL) -> None:
    """Give those who are compared and have no vector of the model one, but for the unknown texts."""
    known = [text for text in read_texts(hub, without_vector(hub, model)) if text not in unknown]
    plant_vectors(hub, [text_hash(text) for text in known], map(vector_of, known), model)


@pytest.fixture
def hub(tmp_path: Path) -> Any:
    make_hub(tmp_path / "town.duckdb", [Persona(text) for text in TEXTS])
    with open_hub(tmp_path / "town.duckdb", write=True) as opened:
        dedup_hub(opened)
        yield opened


def verdicts(hub: HubFile) -> list[tuple[Any, ...]]:
    query = """
        SELECT p.ordinal, o.ordinal, stage, similarity, undone
        FROM duplicates JOIN personas AS p ON p.id = persona JOIN personas AS o ON o.id = "of" ORDER BY p.ordinal
    """
    return hub.con.execute(query).fetchall()


def test_the_id_of_a_persona_is_the_hash_of_what_is_embedded(tmp_path: Path) -> None:
    make_hub(tmp_path / "laid_out.duckdb", [Persona(text) for text in ("  Ein\tMüller \n der singt ", "e\u0301")])
    with open_hub(tmp_path / "laid_out.duckdb") as hub:
        ids = [persona for (persona,) in hub.con.execute("SELECT id FROM personas ORDER BY rowid").fetchall()]
        assert ids == [text_hash(text) for text in read_texts(hub, np.arange(2))]


def test_the_table_is_that_of_run_files(tmp_path: Path) -> None:
    columns = "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns() WHERE table_name = 'vectors'"
    with create_hub(tmp_path / "hub.duckdb") as hub, duckdb.connect() as run:
        make_schema(run)
        assert hub.con.execute(columns).fetchall() == run.execute(columns).fetchall() != []


def test_only_whom_the_words_left_are_without_a_vector_and_each_model_has_its_own(hub: HubFile) -> None:
    assert without_vector(hub, MODEL).tolist() == [0, 1, 3, 4]
    plant(hub)
    assert without_vector(hub, MODEL).tolist() == []
    assert len(without_vector(hub, "openai:other")) == 4


def test_who_says_the_same_in_other_words_is_marked_with_the_models_name(hub: HubFile) -> None:
    plant(hub)
    report = dedup_embedded(hub, MODEL)
    cosine = round(float(vector_of(TEXTS[3]).astype(float) @ vector_of(TEXTS[0])), 6)
    assert cosine >= 0.9
    assert report == EmbeddedReport(MODEL, 4, 0, 1, 0.9, f"cosine:{MODEL}", True)
    assert verdicts(hub)[1:] == [(4, 1, "cosine:openai:m", pytest.approx(cosine, abs=1e-6), False)]


def test_verdicts_that_hold_stay_and_undone_ones_make_originals(hub: HubFile) -> None:
    plant(hub)
    dedup_embedded(hub, MODEL)
    assert (dedup_embedded(hub, MODEL).judged, dedup_embedded(hub, MODEL).marked) == (3, 0)
    assert undo_stage(hub, f"cosine:{MODEL}") == 1
    again = dedup_embedded(hub, MODEL)
    assert (again.judged, again.marked) == (4, 0)
    assert verdicts(hub)[1][-1] is True


def test_who_gets_no_vector_is_left_alone_and_counted(hub: HubFile) -> None:
    plant(hub, TEXTS[3])
    report = dedup_embedded(hub, MODEL)
    assert (report.judged, report.without, report.marked) == (3, 1, 0)
    plant(hub)
    assert dedup_embedded(hub, MODEL).marked == 1


def test_vectors_come_in_order_of_arrival_whatever_their_order_in_the_file(hub: HubFile) -> None:
    plant(hub, TEXTS[0])
    plant(hub)
    vectors = read_vectors(hub, MODEL)
    expected = [vector_of(text) for place, text in enumerate(TEXTS) if place != 2]
    assert np.array_equal(vectors.matrix, expected)
    assert not vectors.undone.any()


def test_of_several_vectors_of_a_text_the_latest_counts(hub: HubFile) -> None:
    plant(hub)
    newer = [0.5] * 16
    hub.con.execute("INSERT INTO vectors VALUES (?, ?, ?, 'later')", [text_hash(TEXTS[1]), MODEL, newer])
    assert read_vectors(hub, MODEL).matrix[1].tolist() == newer
    assert len(without_vector(hub, MODEL)) == 0


def test_vectors_of_two_lengths_under_one_name_are_refused(hub: HubFile) -> None:
    plant(hub)
    hub.con.execute("INSERT INTO vectors VALUES ('h', ?, [1.0, 2.0], 'c')", [MODEL])
    with pytest.raises(SetupError, match=re.escape("2 and 16 numbers")):
        dedup_embedded(hub, MODEL)


def test_a_hub_without_vectors_has_nothing_to_compare(hub: HubFile) -> None:
    report = dedup_embedded(hub, MODEL)
    assert (report.judged, report.without, report.marked) == (0, 4, 0)

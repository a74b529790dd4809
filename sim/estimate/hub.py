"""What an enrichment of a hub, or the vectors of its people, will take: known before it begins."""

import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from langchain_core.language_models.chat_models import BaseChatModel

from ...agents.embedding.client import Batching
from ...agents.embedding.models import EmbeddingHandle
from ...agents.embedding.vectors import text_hash
from ...agents.endpoint.models import ModelHandle
from ...agents.gateway.budget import Prices, known_prices
from ...personas.hub.dedup import read_texts, without_vector
from ...personas.hub.file import HubFile, create_hub, open_hub
from ...personas.hub.queries import registered
from ...personas.selection.selection import choose_people
from ..embedding import without_text_vector
from ..hub_jobs.enrichment import ANSWER_TOKENS, Enrichment, enrich
from ..run_models import choose_model
from ..seeds import rng_for
from .dry_run import ByteCounter, DryRun, counted_calls
from .estimator import Estimate
from .purposes import TOKENS, Asked, Counted, Interval, Purpose, counted_purposes, purposes

#: People of the dry run, at most.
_PEOPLE = 100
#: People whose texts are in memory at a time.
_CHUNK = 10_000

#: Those of the dry run, who they are tied to, and what is known of these.
_COPIED = {
    "personas": "id IN (SELECT unnest($ids)) OR id IN (FROM around)",
    "relations": "source IN (SELECT unnest($ids)) OR target IN (SELECT unnest($ids))",
    "profiles": "persona IN (FROM around) AND persona NOT IN (SELECT unnest($ids))",
}
_AROUND = """
WITH around AS (
    SELECT target FROM relations WHERE source IN (SELECT unnest($ids))
    UNION SELECT source FROM relations WHERE target IN (SELECT unnest($ids))
)
"""


def estimate_enrichment(
    hub: Path | str,
    enrichment: Enrichment | None = None,
    *,
    model: str | BaseChatModel | ModelHandle | None = None,
    base_url: str | list[str] | None = None,
    prices: Prices | None = None,
    batch: bool = False,
    seed: int = 0,
) -> Estimate:
    """What `enrich` with the same arguments will ask of its model, and cost; the model is not asked.

    A dry run with the stand-in, over some of the people and those around them, counts requests and measures them.
    Raises `SourceError` for what is no hub, and `SetupError` for what cannot be as asked.
    """
    wanted = enrichment or Enrichment()
    wanted.check()
    handle, prices = choose_model(Path(hub), model, base_url, prices)
    with open_hub(hub) as opened:
        # A hub that was grown gets the tables of profiles with its first job.
        lacking = wanted.lacking if _tables(opened).issuperset(wanted.lacking) else ()
        chosen = choose_people(opened.con, where=wanted.where, n=wanted.n, seed=seed, lacking=lacking)
        some = rng_for(seed, "estimate").sample(chosen, min(len(chosen), _PEOPLE))
        counted = _dry_run(opened, some, wanted, handle.name, seed)
    found: list[Purpose] = []
    if counted is not None:
        whole = Counted(counted, growth=1.0, steps=Interval.exactly(1.0), stages=len(chosen) / len(some))
        asked = Asked(ANSWER_TOKENS, 0, turns=frozenset(), revised=frozenset())
        found = purposes(whole, asked, None, None) if handle.is_language_model else counted_purposes(whole)
    return Estimate(
        tuple(found),
        people=len(chosen),
        dry_run=(len(some), 0),
        model=handle.name,
        is_language_model=handle.is_language_model,
        prices=prices or known_prices(handle),
        answer_tokens=ANSWER_TOKENS,
        batch=batch,
        can_be_sampled=False,
    )


def _dry_run(hub: HubFile, people: list[str], enrichment: Enrichment, name: str, seed: int) -> DryRun | None:
    """The calls of the enrichment of these people, with the stand-in in a temporary hub; None for no people."""
    if not people:
        return None
    with tempfile.TemporaryDirectory(prefix="populace-estimate-") as folder:
        path, begun = Path(folder) / "dry-run.duckdb", time.perf_counter()
        with create_hub(path) as small, small.writing() as con:
            for table, condition in _COPIED.items():
                if table not in _tables(hub):
                    continue
                query = f"{_AROUND} SELECT * FROM {table} WHERE {condition}"  # noqa: S608 - our own words
                rows = hub.con.sql(query, params={"ids": people})
                with registered(con, rows.to_arrow_table(), "copied"):
                    con.execute(f"INSERT INTO {table} BY NAME FROM copied")
        where = f"id IN ({', '.join(f"'{persona}'" for persona in people)})"
        model = ModelHandle(name, ByteCounter(), is_language_model=False)
        enrich(path, enrichment.model_copy(update={"where": where, "n": None}), model=model, seed=seed)
        return counted_calls(path, time.perf_counter() - begun)


def _tables(hub: HubFile) -> set[str]:
    return {str(name) for (name,) in hub.con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def estimate_embedding(hub: Path | str, model: EmbeddingHandle, *, prices: Prices | None = None) -> Estimate:
    """What fetching the vectors that a hub's people lack will take; no model is asked. Raises `SourceError`."""
    with open_hub(hub) as opened:
        lacking = without_vector(opened, model.name)
        chunks = (read_texts(opened, lacking[start : start + _CHUNK]) for start in range(0, len(lacking), _CHUNK))
        return _estimate_vectors(chunks, len(lacking), model, prices)


def estimate_text_vectors(
    path: Path | str, model: EmbeddingHandle, texts: Iterable[str], *, prices: Prices | None = None
) -> Estimate:
    """What `fetch_text_vectors` for these texts will take; no model is asked. Raises `SourceError`."""
    missing = without_text_vector(path, model.name, texts)
    return _estimate_vectors([missing], len(missing), model, prices)


def embedding_purpose(chunks: Iterable[Sequence[str]], *, role: str = "default") -> Purpose:
    """The requests for the vectors of these texts, each chunk in requests of its own."""
    requests = size = 0
    for texts in chunks:
        for batch in Batching().batches({text_hash(text): text for text in texts}):
            requests += 1
            size += sum(len(snippet.text.encode()) for snippet in batch)
    each = size / max(1, requests)
    return Purpose(
        "embedding",
        Interval.exactly(requests),
        each_input=Interval(each * TOKENS.low, each * TOKENS.high),
        each_output=Interval.exactly(0.0),
        each_reasoning=None,
        each_cached=0.0,
        role=role,
    )


def _estimate_vectors(
    chunks: Iterable[Sequence[str]], number: int, model: EmbeddingHandle, prices: Prices | None
) -> Estimate:
    return Estimate(
        (embedding_purpose(chunks),),
        people=number,
        dry_run=(number, 0),
        model=model.name,
        is_language_model=True,
        prices=prices or known_prices(model, writes=False),
        answer_tokens=0,
        batch=False,
    )

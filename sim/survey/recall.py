"""How agents of a finished run recall their notes when they are asked later: by meaning as in the run, or by words."""

from dataclasses import replace
from pathlib import Path

from ...agents.embedding.models import named_embedder
from ...agents.gateway.budget import known_prices
from ...personas.errors import SetupError, parameter
from ..jobs.kind import Asked, JobModels
from ..runfile.job_rows import RunRow
from ..runfile.reader import open_made
from ..runfile.recording import run_of


def with_recall(models: JobModels, run: Path, asked: Asked) -> JobModels:
    """Return the models with the one by which the agents of a finished run recall now, if it was named.

    It is asked at its own address, or else at that of the chat model. Raises `SetupError` if it is not the run's model,
    since agents would then remember other notes.
    """
    model = named_embedder(asked.get("embeddings"), asked.get("embeddings_url"), asked.get("base_url"))
    if model is None:
        return models
    with open_made(run) as reader:
        row = run_of(reader)
    if model.name != row.embedding_model:
        was = "by words" if row.embedding_model is None else f"by the embedding model {row.embedding_model}"
        raise SetupError(
            f"The agents of {str(run)!r} recalled their notes {was}, and would remember otherwise with "
            f"{parameter('embeddings', model.name)}; leave it out"
            f"{'' if row.embedding_model is None else ', or give that one'}."
        )
    prices = asked.get("embeddings_prices") or known_prices(model, writes=False)
    return replace(models, embeddings=model, embeddings_prices=prices)


def note_on_recall(run: RunRow, path: Path, embeddings: object) -> str:
    """Return a note that agents who recalled by meaning in the run now recall by words.

    Returns "" if nothing differs.
    """
    if embeddings is not None or run.embedding_model is None:
        return ""
    return (
        f"The agents of {str(path)!r} recalled their notes by meaning ({run.embedding_model}); as no embedding model "
        f"is named, they recall by words now. As in the run: {parameter('embeddings', run.embedding_model)}."
    )

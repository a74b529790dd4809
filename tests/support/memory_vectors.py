"""Vectors kept in memory, for tests of what is embedded and what is not sent again."""

from collections.abc import Iterable, Mapping

from populace.agents.embedding.vectors import Vector
from populace.agents.gateway.call import Call


class MemoryVectors:
    """A `VectorStore` that keeps calls and vectors for as long as it lives."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.vectors: dict[str, Vector] = {}

    def known(self, hashes: Iterable[str], model: str) -> Mapping[str, Vector]:
        return {key: self.vectors[f"{model} {key}"] for key in hashes if f"{model} {key}" in self.vectors}

    def keep(self, call: Call, vectors: Mapping[str, Vector]) -> None:
        self.calls.append(call)
        self.vectors |= {f"{call.model} {key}": vector for key, vector in vectors.items()}

"""What the tests' server sends for texts: vectors made of their words, a stand-in that knows no meaning."""

import base64
import hashlib
import re
from typing import Any

import numpy as np
import orjson
from aiohttp import web
from numpy.typing import NDArray

DIMS = 16

#: Faults of what an embedding model gives: the same texts always meet them again.
VECTOR_FAULTS = frozenset({"one_short", "nan", "other_dims"})


def vector_of(text: str, dims: int = DIMS) -> NDArray[np.float32]:
    """The sum of one fixed direction a word: texts that share words are alike."""
    total = np.zeros(dims)
    for word in re.findall(r"\w+", text.lower()) or [""]:
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
        total += np.random.default_rng(seed).normal(size=dims)
    return (total / np.linalg.norm(total)).astype(np.float32)


def vectors_reply(asked: dict[str, Any], kind: str | None) -> web.Response:
    """The reply to a request of `/embeddings`, with what `kind` spoils."""
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    vectors = [vector_of(text, DIMS + 1 if kind == "other_dims" else DIMS) for text in texts]
    if kind == "one_short":
        vectors.pop()
    if kind == "nan":
        vectors[-1][0] = np.nan
    is_packed = asked.get("encoding_format") == "base64"
    tokens = sum(len(text) // 4 + 1 for text in texts)
    reply = {
        "object": "list",
        "model": asked.get("model", "test"),
        "data": [
            {"object": "embedding", "index": i, "embedding": _packed(v) if is_packed else v.tolist()}
            for i, v in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return web.Response(body=orjson.dumps(reply), content_type="application/json")


def _packed(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()

"""What the tests' server does wrong, and to which requests: decided by the request, never by its order."""

import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, get_args

import orjson

type WireFault = Literal[
    "rate_limit",
    "server_error",
    "bad_gateway",
    "drop",
    "drop_midway",
    "html",
    "cut_body",
    "no_choices",
    "auth",
    "no_model",
    "bad_request",
    "no_bounds",
    "no_min_length",
    "no_json_schema",
    "no_json_object",
    "no_seed",
    "no_tools",
    "no_base64",
    "too_many_texts",
    "hang",
]
type ModelFault = Literal["cut_json", "empty", "refusal", "length", "mismatch", "prose"]
type VectorFault = Literal["one_short", "nan", "other_dims"]
type FaultKind = Literal[WireFault, ModelFault, VectorFault]

#: Faults of what the model writes: the same request always meets them again, as with a seeded model.
MODEL_FAULTS = frozenset(get_args(ModelFault.__value__)) | frozenset(get_args(VectorFault.__value__))
KINDS = frozenset(get_args(WireFault.__value__)) | MODEL_FAULTS


def chance(body: bytes, salt: str) -> float:
    """A number from 0 to 1 that depends on a request's body and the salt alone."""
    digest = hashlib.blake2b(body, digest_size=8, key=salt.encode()).digest()
    return int.from_bytes(digest) / 2**64


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with a share of the requests."""

    kind: FaultKind
    share: float = 1.0
    #: Only the first so many attempts at the same body; None is always.
    attempts: int | None = None
    #: Only requests that hold this text.
    containing: str = ""
    #: Seconds in Retry-After of a rate limit.
    retry_after: float = 0.0

    def meets(self, body: bytes, attempt: int) -> bool:
        """Whether this attempt (from 1) at this body goes wrong."""
        if self.attempts is not None and attempt > self.attempts:
            return False
        if self.containing and self.containing.encode() not in body:
            return False
        if self.kind in ("no_bounds", "no_min_length"):
            return b'"minLength":' in body
        if self.kind == "no_base64":
            return b'"encoding_format":"base64"' in body
        if self.kind == "too_many_texts":
            return len(orjson.loads(body)["input"]) > 2
        if self.kind == "no_tools":
            return b'"tools":' in body
        if self.kind == "no_seed":
            return b'"seed":' in body
        if self.kind in ("no_json_schema", "no_json_object"):
            return f'"type":"{self.kind[3:]}"'.encode() in body
        return self.share >= 1.0 or chance(body, self.kind) < self.share


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds until an answer: a median, and the sigma of a lognormal around it (0: always the median)."""

    median: float = 0.0
    sigma: float = 0.0

    def of(self, body: bytes) -> float:
        """The latency of a request, by its body."""
        if not self.sigma:
            return self.median
        share = min(max(chance(body, "latency"), 1e-6), 1 - 1e-6)
        return self.median * math.exp(self.sigma * NormalDist().inv_cdf(share))

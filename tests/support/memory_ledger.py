"""A ledger in memory, for tests of what is recorded and what is recalled."""

from collections.abc import Sequence

from populace.agents.endpoint.response import ModelResponse
from populace.agents.gateway.call import Call, CallKey, RequestPart


class MemoryLedger:
    """Keeps every call; recalls those of earlier sessions."""

    def __init__(self, earlier: "MemoryLedger | None" = None) -> None:
        self.calls: list[Call] = []
        self.parts: dict[int, RequestPart] = {}
        self._paid = {
            call.key: ModelResponse(call.raw, call.finish_reason)
            for call in (earlier.calls if earlier else [])
            if call.raw is not None
        }

    def keep(self, parts: Sequence[RequestPart]) -> None:
        self.parts |= {one.part: one for one in parts}

    def record(self, call: Call) -> None:
        self.calls.append(call)

    def recall(self, key: CallKey) -> ModelResponse | None:
        return self._paid.get(key)

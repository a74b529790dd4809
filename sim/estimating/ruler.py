"""The stand-in as a ruler: it answers as ever, and reports sizes in bytes instead of tokens."""

from typing import Any

import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatResult
from pydantic import PrivateAttr

from ...agents.procedural import ProceduralModel

__all__ = ["Ruler"]


class Ruler(ProceduralModel):
    """A stand-in whose usage holds the bytes of requests, as they would be sent.

    Input: the messages; of those, cached: the system message, where an earlier request began with it. Output: the
    stand-in's answer; of that, reasoning: the schema that stands beside the messages.
    """

    _begun: set[str] = PrivateAttr(default_factory=set)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        result = await super()._agenerate(messages, stop, run_manager, **kwargs)
        message = result.generations[0].message
        if isinstance(message, AIMessage):
            asked, answered = sum(map(_size, messages)), _size(message)
            message.usage_metadata = UsageMetadata(
                input_tokens=asked,
                output_tokens=answered,
                total_tokens=asked + answered,
                input_token_details=InputTokenDetails(cache_read=self._known(messages[0])),
                output_token_details=OutputTokenDetails(reasoning=len(orjson.dumps(kwargs.get("response_format")))),
            )
        return result

    def _known(self, first: BaseMessage) -> int:
        text = str(first.content)
        if text in self._begun:
            return _size(first)
        self._begun.add(text)
        return 0


def _size(message: BaseMessage) -> int:
    return len(str(message.content).encode())

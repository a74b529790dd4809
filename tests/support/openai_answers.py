"""Answers that are valid under a request's JSON Schema and depend on the request alone."""

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

# fmt: off
_WORDS = (
    "river", "lamp", "orchard", "ledger", "kettle", "harbour", "saddle", "winter", "letter", "copper",
    "market",
    "ferry", "violin", "garden", "bridge", "ticket", "lantern", "pepper", "ribbon", "stable", "anchor",
    "thimble",
    "meadow", "basket", "cellar", "spindle", "pasture", "quarry", "window", "hammer",
)
# fmt: on

_CLASSES: dict[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "developer": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


def names_near(told: str) -> list[str]:
    """The names of those who can be spoken to, as prompts list them."""
    found = re.search(r"<neighbours>\n(.*?)\n</neighbours>", told, re.DOTALL)
    return re.findall(r"^([^(\n]+) \(", found[1], re.MULTILINE) if found else []


def procedural_model() -> BaseChatModel | None:
    """The procedural model, whose answers are richer; None where it does not exist yet."""
    try:
        from populace.agents.procedural import ProceduralModel
    except ImportError:
        return None
    model: BaseChatModel = ProceduralModel()
    return model


async def written_by(model: BaseChatModel, request: dict[str, Any]) -> str:
    """What a chat model answers to a request."""
    messages = [_CLASSES[m["role"]](m["content"]) for m in request["messages"]]
    kwargs = {k: request[k] for k in ("response_format", "seed", "tools") if k in request}
    result = await model._agenerate(messages, **kwargs)
    return str(result.generations[0].message.content)


def fill(
    schema: dict[str, Any], rng: random.Random, root: dict[str, Any] | None = None, *, names: Sequence[str] = ()
) -> Any:
    """Something valid under `schema`: enough of JSON Schema for what strict structured output allows.

    Lines are said to one of `names`.
    """
    root = {**schema, "names": names} if root is None else root
    if "$ref" in schema:
        return fill(root["$defs"][schema["$ref"].rpartition("/")[2]], rng, root)
    if "anyOf" in schema:
        return fill(rng.choice(schema["anyOf"]), rng, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _OF_TYPE[kind](schema, rng, root)


def _text(schema: dict[str, Any], rng: random.Random, root: dict[str, Any]) -> str:
    # Strict schemas hold no lengths; the shortest line of an action takes 80 characters, as these words do at most.
    words = rng.choices(_WORDS, k=3 if "pattern" in schema else 9)
    return "_".join(words) if "pattern" in schema else " ".join(words)


def _array(schema: dict[str, Any], rng: random.Random, root: dict[str, Any]) -> list[Any]:
    least = int(schema.get("minItems", 1))
    count = rng.randint(least, min(least + 2, int(schema.get("maxItems", least + 2))))
    return [fill(schema.get("items", {}), rng, root) for _ in range(count)]


def _object(schema: dict[str, Any], rng: random.Random, root: dict[str, Any]) -> dict[str, Any]:
    return {
        name: rng.choice(root["names"]) if name == "to" and root["names"] else fill(sub, rng, root)
        for name, sub in schema.get("properties", {}).items()
    }


def _integer(schema: dict[str, Any], rng: random.Random, root: dict[str, Any]) -> int:
    least = int(schema.get("minimum", 0))
    return rng.randint(least, int(schema.get("maximum", least + 100)))


_OF_TYPE: dict[str, Callable[[dict[str, Any], random.Random, dict[str, Any]], Any]] = {
    "string": _text,
    "array": _array,
    "object": _object,
    "integer": _integer,
    "number": lambda schema, rng, root: float(_integer(schema, rng, root)),
    "boolean": lambda schema, rng, root: rng.random() < 0.5,
    "null": lambda schema, rng, root: None,
}

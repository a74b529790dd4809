"""What a row of an export looks like: outputs as they are, or as the formats in which models are trained.

How an output becomes a conversation is never guessed. The action says it by the fields of its payload (`messages`; or
`prompt`, else the output's text, with `response`), the solutions of `populace data solve` do for problems, or the user
names the fields.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import orjson
from arro3.core import Table

from ...core.arrow import make_table, to_rows
from ...core.errors import SetupError, parameter
from .source import OutputSource

_SURROGATE = re.compile("[\ud800-\udfff]")
_ROLES = frozenset({"system", "user", "assistant", "tool"})


def clean_text(text: str) -> str:
    r"""The text as UTF-8 can hold it: halves of characters that were cut become U+FFFD.

    >>> clean("a\ud83d\ude00b\ud83d") == "a\U0001f600b\ufffd"
    True
    """
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def parse_payload(text: str) -> Any:
    """What JSON text holds, with every string as UTF-8 can hold it; the text itself where it is no JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return _clean_value(json.loads(text))
    except (ValueError, RecursionError):
        return clean_text(text)


def _clean_value(value: Any) -> Any:
    match value:
        case str():
            return clean_text(value)
        case list():
            return [_clean_value(one) for one in value]
        case dict():
            return {clean_text(key): _clean_value(one) for key, one in value.items()}
        case _:
            return value


def make_message(role: str, content: str) -> dict[str, Any]:
    """A message of OpenAI's format."""
    return {"role": role, "content": content}


def read_messages(found: object, *, with_tools: bool) -> list[dict[str, Any]] | str:
    """The messages of a payload in OpenAI's format up to the last one of the assistant, or why they cannot be written.

    `content` is a string in every message, also beside calls of tools, and arguments of calls are JSON objects as text.
    """
    if not isinstance(found, list) or not found:
        return "no messages"
    messages = []
    for message in found:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            return "messages that are not in OpenAI's format"
        content = message.get("content")
        made = make_message(message["role"], content if isinstance(content, str) else "")
        if calls := message.get("tool_calls"):
            made["tool_calls"] = [_read_call(call) for call in calls]
        messages.append(made | {name: message[name] for name in ("name", "tool_call_id") if message.get(name)})
    answers = [n for n, m in enumerate(messages) if m["role"] == "assistant" and (m["content"] or m.get("tool_calls"))]
    if not answers:
        return "no response"
    messages = messages[: answers[-1] + 1]
    used = any("tool_calls" in m or m["role"] == "tool" for m in messages)
    return "calls of tools" if used and not with_tools else messages


def _read_call(call: Any) -> dict[str, Any]:
    function = call.get("function", call)
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments or {}).decode()
    return {
        "id": call.get("id"), "type": "function", "function": {"name": function.get("name"), "arguments": text}
    }  # fmt: skip


def add_persona(
    messages: list[dict[str, Any]], persona: str | None, place: Literal["out", "in", "system"]
) -> list[dict[str, Any]]:
    """The messages, with the description of the persona before the first thing that the user says if `place` is in."""
    if place != "in" or not persona:
        return messages
    first = next((n for n, m in enumerate(messages) if m["role"] == "user"), None)
    if first is None:
        return messages
    said = messages[first] | {"content": f"{persona}\n\n{messages[first]['content']}"}
    return [*messages[:first], said, *messages[first + 1 :]]


def has_wrong_call(messages: Sequence[dict[str, Any]]) -> bool:
    """Return whether a tool was called wrongly: it is not there, the arguments do not fit, or it gave an error."""
    failed = {m.get("tool_call_id") for m in messages if m["role"] == "tool" and _is_error(m["content"])}
    return any(
        call["id"] in failed - {None} or not isinstance(parse_payload(call["function"]["arguments"]), dict)
        for message in messages
        for call in message.get("tool_calls", ())
    )


def _is_error(content: str) -> bool:
    # As `scenarios.tool_use` answers a call that gives nothing, and as most tools do.
    told = parse_payload(content)
    return isinstance(told, dict) and told.keys() == {"error"}


_SPEAKERS = {"user": "human", "assistant": "gpt", "tool": "observation"}


def make_sharegpt(messages: Sequence[dict[str, Any]]) -> list[dict[str, str]] | str:
    """ShareGPT's turns, which alternate: human or observation, then gpt or function_call; or why they cannot.

    Calls that are made at once are one function_call with a JSON list, and what they gave one observation.
    """
    turns: list[dict[str, str]] = []
    spoken = list(messages)
    if spoken and spoken[0]["role"] == "system":
        turns.append({"from": "system", "value": spoken.pop(0)["content"]})
    for message in spoken:
        if message["role"] == "system":
            return "a system message within the conversation"
        speaker, value = _SPEAKERS[message["role"]], message["content"]
        if calls := message.get("tool_calls"):
            if value:
                return "text beside a call of a tool, which ShareGPT has no place for"
            called = [call["function"] | {"arguments": parse_payload(call["function"]["arguments"])} for call in calls]
            speaker, value = "function_call", orjson.dumps(called if len(called) > 1 else called[0]).decode()
        if speaker == "observation" and turns and turns[-1]["from"] == "observation":
            turns[-1]["value"] += f"\n{value}"
        else:
            turns.append({"from": speaker, "value": value})
    said = [turn["from"] for turn in turns if turn["from"] != "system"]
    sides = (("human", "observation"), ("gpt", "function_call"))
    if len(said) % 2 or any(speaker not in sides[place % 2] for place, speaker in enumerate(said)):
        return "turns that do not alternate, as ShareGPT has them"
    return turns


class DatasetFormat(StrEnum):
    """What an export is written as."""

    #: Outputs as they are: a file or a folder of Parquet, one object a line, CSV, a dataset folder of Hugging Face.
    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"
    HUGGINGFACE = "huggingface"
    #: Conversations, as OpenAI's fine-tuning and TRL take them, and as ShareGPT had them.
    OPENAI = "openai"
    SHAREGPT = "sharegpt"
    #: One question with one answer.
    ALPACA = "alpaca"
    #: A prompt with a better and a worse answer, as conversations.
    DPO = "dpo"
    #: Conversations in which the assistant calls tools.
    TOOLS = "tools"


_CONVERSATIONS = (DatasetFormat.OPENAI, DatasetFormat.SHAREGPT, DatasetFormat.ALPACA, DatasetFormat.TOOLS)
#: Formats that need an answer, or a better and a worse one.
TRAINING = (*_CONVERSATIONS, DatasetFormat.DPO)

#: Where the description of the persona stands in a training row.
type PersonaPlace = Literal["out", "in", "system"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the outputs of one kind become conversations."""

    form: Literal["messages", "pair", "solution", "preference"]
    #: Names of fields of the payload; an empty prompt is the output's text.
    prompt: str = ""
    response: str = ""


def find_recipes(
    source: OutputSource, form: DatasetFormat, kinds: Sequence[str], *, named: bool, mapping: Mapping[str, str]
) -> tuple[dict[str, Recipe], dict[str, int]]:
    """Find how each kind becomes a training row, and count the outputs of the kinds that cannot.

    `mapping` gives the fields of prompt and response. Raises `SetupError` if a kind that was `named`, or every kind,
    has no answer to train on.
    """
    recipes: dict[str, Recipe] = {}
    for kind in kinds:
        if recipe := _find_recipe(source, form, kind, mapping):
            recipes[kind] = recipe
    without = {kind: number for kind, number in source.counts().items() if kind in kinds and kind not in recipes}
    if without and (named or not recipes):
        raise SetupError(_describe_refusal(source, form, tuple(without), mapping))
    return recipes, without


def _find_recipe(source: OutputSource, form: DatasetFormat, kind: str, mapping: Mapping[str, str]) -> Recipe | None:
    keys = source.payload_keys(kind)
    if form is DatasetFormat.DPO:
        return Recipe("preference") if _has_preferences(source, kind) else None
    if form is DatasetFormat.TOOLS:
        return Recipe("messages") if {"messages", "tools"} <= set(keys) else None
    if "response" in mapping:
        given = mapping.get("prompt", ""), mapping["response"]
        return Recipe("pair", *given) if all(name in keys for name in given if name) else None
    if "messages" in keys:
        return Recipe("messages")
    if "response" in keys:
        return Recipe("pair", "prompt" if "prompt" in keys else "", "response")
    return Recipe("solution") if source.is_solved(kind) else None


def _has_preferences(source: OutputSource, kind: str) -> bool:
    if not source.has("preferences"):
        return False
    return bool(source.ask("SELECT 1 FROM preferences JOIN emissions USING (emission) WHERE kind = ? LIMIT 1", [kind]))


def _describe_refusal(
    source: OutputSource, form: DatasetFormat, kinds: Sequence[str], mapping: Mapping[str, str]
) -> str:
    said = f"{', '.join(map(repr, kinds))} of {str(source.path)!r}"
    if form is DatasetFormat.DPO:
        return (
            f"There are no preferences among the outputs {said}, so they cannot be written as {form}; "
            "`populace data pairs` makes them of several responses, or outputs of one person, that were graded "
            "(`populace data grade --responses 4`, `make --per-persona 2`); jsonl takes any output."
        )
    if form is DatasetFormat.TOOLS:
        return (
            f"The outputs {said} hold no conversations with tools (fields `messages` and `tools`), so they cannot be "
            "written as tools; the task tool-use makes such conversations, and jsonl takes any output."
        )
    fields = ", ".join(source.payload_keys(kinds[0])) or "none"
    if "response" in mapping:
        return (
            f"The outputs {said} have no fields {' and '.join(map(repr, mapping.values()))} (they have {fields}); name "
            f"fields that they have with {parameter('mapping')}."
        )
    return (
        f"The outputs {said} have no response to train on (their fields: {fields}), so they cannot be written as "
        f"{form}; jsonl, parquet, csv and huggingface take any output, and {parameter('mapping')} "
        "response=FIELD names the field that holds the answer."
    )


@dataclass(frozen=True, slots=True)
class RowShape:
    """Makes the columns of a format from a page of outputs."""

    format: DatasetFormat
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    persona: PersonaPlace = "out"
    #: The text of the system message; None for no such message.
    system: str | None = None
    #: Whether messages have the fields of tool calls.
    with_tools: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the format itself."""
        return {
            DatasetFormat.OPENAI: ("messages", "tools") if self.with_tools else ("messages",),
            DatasetFormat.TOOLS: ("messages", "tools"),
            DatasetFormat.SHAREGPT: ("conversations", "tools") if self.with_tools else ("conversations",),
            DatasetFormat.ALPACA: ("instruction", "input", "output", "system"),
            DatasetFormat.DPO: ("prompt", "chosen", "rejected"),
        }.get(self.format, ())

    def shape_rows(self, rows: Table) -> tuple[Table, list[str | None]]:
        """Return the columns of the format, and for each row why it has to be left out, or None."""
        made, reasons = [], []
        for row in self._read_rows(rows):
            shaped = self._shape_row(row)
            reasons.append(shaped if isinstance(shaped, str) else None)
            made.append({} if isinstance(shaped, str) else shaped)
        types = {name: self._column_type(name) for name in self.names}
        return make_table({name: [row.get(name) for row in made] for name in types}, types), reasons

    def _read_rows(self, rows: Table) -> Iterator[dict[str, Any]]:
        wanted = (
            *("kind", "text", "payload", "persona_text", "partner_text", "solution", "correct"),
            *("asked", "chosen", "rejected"),
        )
        for row in to_rows(rows.select([name for name in wanted if name in rows.column_names])):
            payload = parse_payload(row["payload"])
            yield row | {"payload": payload if isinstance(payload, dict) else {}}

    def _shape_row(self, row: dict[str, Any]) -> dict[str, Any] | str:
        if self.recipes[row["kind"]].form == "preference":
            return self._make_preference(row)
        said = self._read_conversation(row)
        if isinstance(said, str):
            return said
        if self.format is DatasetFormat.ALPACA:
            return self._make_alpaca(said, row)
        messages = add_persona([*self._make_opening(row), *said], row["persona_text"], self.persona)
        if has_wrong_call(messages):
            return "a wrong call of a tool"
        if self.format is DatasetFormat.SHAREGPT:
            turns = make_sharegpt(messages)
            if isinstance(turns, str):
                return turns
            made: dict[str, Any] = {"conversations": turns}
        else:
            made = {"messages": messages}
        if "tools" in self.names:
            made["tools"] = orjson.dumps(row["payload"].get("tools") or []).decode()
        return made

    def _read_conversation(self, row: dict[str, Any]) -> list[dict[str, Any]] | str:
        recipe, payload = self.recipes[row["kind"]], row["payload"]
        if recipe.form == "messages":
            if row["partner_text"] and self.persona != "system":
                way = parameter("persona", "system")
                return f"a talk between two people, of whom one would pass for an assistant ({way} says who speaks)"
            return read_messages(payload.get("messages"), with_tools=self.with_tools)
        prompt = payload.get(recipe.prompt) if recipe.prompt else row["text"]
        if recipe.form == "solution" and row["correct"] is False:
            return "a solution with a wrong answer"
        if (ended := payload.get("response_outcome")) not in (None, "", "ok"):
            return f"a response that ended as {ended}"
        response = row["solution"] if recipe.form == "solution" else payload.get(recipe.response)
        if not isinstance(prompt, str) or not prompt.strip():
            return "no prompt"
        if not isinstance(response, str) or not response.strip():
            return "no response"
        return [make_message("user", prompt), make_message("assistant", response)]

    def _make_opening(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the system message: the user's text, the persona's description, or both."""
        persona = row["partner_text"] or row["persona_text"] or ""
        parts = [self.system or "", persona if self.persona == "system" else ""]
        said = "\n\n".join(part for part in parts if part)
        return [make_message("system", said)] if said else []

    def _make_alpaca(self, messages: list[dict[str, Any]], row: dict[str, Any]) -> dict[str, Any] | str:
        system = [m["content"] for m in (*self._make_opening(row), *messages) if m["role"] == "system"]
        said = [m for m in messages if m["role"] != "system"]
        if [m["role"] for m in said] != ["user", "assistant"]:
            return "more than one question with one answer"
        context = row["persona_text"] if self.persona == "in" else ""
        instruction, output = (m["content"] for m in said)
        return {"instruction": instruction, "input": context, "output": output, "system": "\n\n".join(system)}

    def _make_preference(self, row: dict[str, Any]) -> dict[str, Any] | str:
        prompt, chosen, rejected = row["asked"], row["chosen"], row["rejected"]
        if not chosen or not rejected or not chosen.strip() or not rejected.strip():
            return "no better and worse answer"
        asked = add_persona([*self._make_opening(row), make_message("user", prompt)], row["persona_text"], self.persona)
        answers = {"chosen": [make_message("assistant", chosen)], "rejected": [make_message("assistant", rejected)]}
        return {"prompt": asked, **answers}

    def _column_type(self, name: str) -> str:
        """Return DuckDB's type of a column of the format."""
        if name == "conversations":
            return 'STRUCT("from" VARCHAR, "value" VARCHAR)[]'
        if name != "messages" and not (self.format is DatasetFormat.DPO and name in self.names):
            return "VARCHAR"
        fields = ["role VARCHAR", "content VARCHAR"]
        if name == "messages" and (self.with_tools or self.format is DatasetFormat.TOOLS):
            function = "STRUCT(name VARCHAR, arguments VARCHAR)"
            calls = f"STRUCT(id VARCHAR, type VARCHAR, function {function})[]"
            fields += [f"tool_calls {calls}", "name VARCHAR", "tool_call_id VARCHAR"]
        return f"STRUCT({', '.join(fields)})[]"

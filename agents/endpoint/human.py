"""Somebody at the terminal, as a chat model: takes an agent's turns (`--play`), or answers for any role (`human`).

What is asked is shown on standard error. Answers come from standard input: a form of the fields that the request's
schema has, or lines of plain text. They are recorded, resumed and replayed as those of any model.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from threading import Lock, Thread
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from ...core.errors import EndpointError

#: Asks for one line of text, under a label.
type ReadLine = Callable[[str], str]

#: One question at a time, whoever asks.
_TERMINAL = Lock()


def read_line(label: str) -> str:
    """Read a line from standard input. Raises `EndpointError` at its end."""
    show(f"{label} ")
    line = sys.stdin.readline()
    if not line:
        raise EndpointError("Standard input has ended, so nobody answers; resume the run at a terminal.")
    return line.strip()


def show(text: str) -> None:
    """Show a text on standard error at once."""
    sys.stderr.write(text)
    sys.stderr.flush()


class HumanChat(BaseChatModel):
    """Somebody who reads what a model would be asked, and types the answer."""

    read: ReadLine = read_line
    _shown: set[str] = PrivateAttr(default_factory=set)

    @property
    def _llm_type(self) -> str:
        return "human"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        form = kwargs.get("response_format")
        with _TERMINAL:
            # What was shown in an earlier request, as the rules of a turn, is not shown again.
            for text in (str(message.text) for message in messages if message.type != "ai"):
                if text not in self._shown:
                    self._shown.add(text)
                    show(f"\n{text}\n")
            answer = json.dumps(fill_form(form["json_schema"]["schema"], self.read)) if form else self._read_text()
        return ChatResult(generations=[ChatGeneration(message=AIMessage(answer))])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[ChatResult] = loop.create_future()

        def settle_answer(result: ChatResult | None, error: Exception | None) -> None:
            if not done.done():
                done.set_result(result) if result is not None else done.set_exception(error or RuntimeError())

        def ask() -> None:
            try:
                answer = self._generate(messages, *args, **kwargs)
                loop.call_soon_threadsafe(settle_answer, answer, None)
            except Exception as error:  # noqa: BLE001 - whatever it is, the call has ended with it
                loop.call_soon_threadsafe(settle_answer, None, error)

        # Not a thread of the loop's pool, for whose end a program waits: nobody may ever type a line.
        Thread(target=ask, daemon=True).start()
        return await done

    def _read_text(self) -> str:
        lines = [self.read("Your answer, up to an empty line:")]
        while lines[-1]:
            lines.append(self.read(""))
        return "\n".join(lines[:-1])


def fill_form(schema: Mapping[str, Any], read: ReadLine) -> Any:
    """Return a value of the schema, read field by field. What cannot be read as the field's type is asked for again."""
    definitions = schema.get("$defs", {})

    def fill(part: Mapping[str, Any], label: str) -> Any:
        part = definitions[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        options = [one for one in part.get("anyOf", ()) if one.get("type") != "null"]
        if options:
            names = [_name_of(one, definitions) or f"{label} {place}" for place, one in enumerate(options, start=1)]
            return fill(options[_choose_option(names, label, read)], label)
        values = [part["const"]] if "const" in part else part.get("enum")
        if values:
            return values[_choose_option(list(map(str, values)), label, read)]
        if "properties" in part:
            return {name: fill(of, name) for name, of in part["properties"].items()}
        kind = part.get("type", "string")
        if kind == "array":
            return _fill_list(lambda: fill(part.get("items", {}), label), read, label)
        return _ask_value(kind if isinstance(kind, str) else kind[0], label, read)

    return fill(schema, "answer")


def _fill_list(fill: Callable[[], Any], read: ReadLine, label: str) -> list[Any]:
    found = []
    while read(f"Add to {label}? [y/N]").lower().startswith("y"):
        found.append(fill())
    return found


def _name_of(option: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return the one value of an option's field `kind`, or ""."""
    option = definitions[option["$ref"].rpartition("/")[2]] if "$ref" in option else option
    kind = option.get("properties", {}).get("kind", {})
    return str(kind.get("const", *kind.get("enum", [""])[:1]))


def _choose_option(names: Sequence[str], label: str, read: ReadLine) -> int:
    """Return the place of the one that is chosen, by its number or its name. Asks nothing where there is one."""
    listed = ", ".join(f"{place} {name}" for place, name in enumerate(names, start=1))
    while len(names) > 1:
        said = read(f"{label} ({listed}):")
        if said in names:
            return names.index(said)
        if said.isdecimal() and 1 <= int(said) <= len(names):
            return int(said) - 1
    return 0


def _ask_value(kind: str, label: str, read: ReadLine) -> Any:
    while True:
        said = read(f"{label}:")
        match kind:
            case "boolean" if said.lower() in ("y", "yes", "n", "no"):
                return said.lower().startswith("y")
            case "integer" | "number":
                try:
                    return int(said) if kind == "integer" else float(said)
                except ValueError:
                    continue
            case "string":
                return said
            case "null":
                return None

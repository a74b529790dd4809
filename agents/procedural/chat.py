"""The procedural stand-in as a chat model of langchain-core, and what it writes for each task.

It knows a task by name: a prompt ("persona_to_persona") or one of the actions that a turn offers ("dialogue"). The
task's generator proposes the values of an answer; `schema_fill` replaces what the schema forbids and adds what is
missing, so that a task without a generator is answered too. An action's own generator (`Action.stand_in`) comes first.
"""

import contextlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from ...core.model import AnswerGenerator, AnswerSchema
from ..schema_fill import fill_schema, to_json
from .growth import biography, persona_to_persona, profile, raise_person, text_to_persona
from .judging import interview, survey
from .situation import Situation, read_situation
from .speech import Speaker, deed, instruction, plan, tool, write_intention, write_line, write_reflection

_DECODER = json.JSONDecoder()
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
_FREE_OBJECT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
#: By the name of a prompt or an action.
GENERATORS: Mapping[str, AnswerGenerator] = {
    "text_to_persona": text_to_persona,
    "persona_to_persona": persona_to_persona,
    "profile": profile,
    "biography": biography,
    "raise": raise_person,
    "survey": survey,
    "interview": interview,
    "instruction": instruction,
    "dialogue": write_line,
    "deed": deed,
    "tool": tool,
    "plan": plan,
    "reflect": write_reflection,
}
#: The one spoken to answers, where this is among what can be done, in this share of turns.
_ANSWERING, _ANSWERS = "dialogue", 0.8
#: Of several things that can be done, how often each is done; 1 for what is not listed.
_OFTEN = {"dialogue": 5.0, "deed": 2.0, "instruction": 3.0, "tool": 8.0, "use": 4.0}


class ProceduralModel(BaseChatModel):
    """A stand-in for a language model, which it is not: it fills frames from word lists, the same way every time.

    It needs no weights and no network. It honours `response_format` (any JSON Schema) and `seed`, and passes over
    other options. The same request gives the same answer in every process. The tokens it reports are words. Raises
    `UnsatisfiableSchemaError` for a schema that no value can satisfy.
    """

    #: It receives the task's name and the answer generators, which no endpoint is sent.
    takes_tasks: ClassVar[bool] = True

    model_name: str = "procedural"
    #: How often it answers rightly where it knows the answer, as a solver of problems that a stand-in made.
    accuracy: float = 1.0

    @property
    def _llm_type(self) -> str:
        return "procedural-no-language-model"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model_name": self.model_name, "is_language_model": False}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _answer_messages(messages, kwargs, accuracy=self.accuracy)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # The base class would send each answer through a thread, which costs more than the answer.
        return _answer_messages(messages, kwargs, accuracy=self.accuracy)


def _answer_messages(messages: Sequence[BaseMessage], options: Mapping[str, Any], *, accuracy: float) -> ChatResult:
    told = [(_ROLES.get(m.type, m.type), m.content if isinstance(m.content, str) else str(m.text)) for m in messages]
    # Two places of which nothing is known, so that answers are those of earlier versions.
    asked = [options.get("response_format"), None, None, options.get("seed")]
    digest = blake2b(to_json([told, asked], sort_keys=True).encode(), digest_size=16).digest()
    rng = random.Random(digest)  # noqa: S311  # reproducible text, not a secret
    situation = replace(read_situation(told), accuracy=accuracy)
    speaker = Speaker(rng, situation)
    text_schema: AnswerSchema[Any] | None = options.get("text_schema")
    form = text_schema.text_form if text_schema is not None else None
    name, schema = _schema_asked(options.get("response_format"), situation)
    if text_schema is not None and form is not None:
        name, schema = "", text_schema.json_schema
    if schema is None:
        text = speaker.say_plainly()
    else:
        schema = _with_names(schema, [one.key for one in situation.neighbours] + [key for key, _ in situation.heard])
        values = propose_answer(rng, situation, schema, options.get("task") or name, options.get("generators") or {})
        filled = fill_schema(schema, rng, speaker.text, values)
        text = to_json(filled) if form is None else form.write(filled)
    return _make_result(told, text)


def _schema_asked(response_format: Any, situation: Situation) -> tuple[str, Mapping[str, Any] | None]:
    """Return the name and the schema that an answer must have. The schema is None if any text will do."""
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    if kind == "json_schema":
        form = response_format["json_schema"]
        return form.get("name", ""), form.get("schema", {})
    # In JSON mode and without, the schema stands in the prompt, on lines of its own.
    for text in (situation.rules, situation.plain):
        for start in re.finditer(r"^\{", text, re.MULTILINE):
            with contextlib.suppress(json.JSONDecodeError):
                found, _ = _DECODER.raw_decode(text, start.start())
                if isinstance(found, dict) and found.keys() & {"type", "properties", "anyOf", "$ref"}:
                    return "", found
    return "", _FREE_OBJECT if kind == "json_object" else None


def _with_names(schema: Any, names: Sequence[str]) -> Any:
    """Return the schema with the names of those who are there as the values of each field `to` that takes any text."""
    if isinstance(schema, list):
        return [_with_names(one, names) for one in schema]
    if not isinstance(schema, Mapping) or not names:
        return schema
    found = {key: _with_names(part, names) for key, part in schema.items()}
    to = found["properties"].get("to", {}) if isinstance(found.get("properties"), dict) else {}
    if "enum" not in to and to.get("type") in ("string", "array"):
        known = {"type": "string", "enum": list(dict.fromkeys(names))}
        found["properties"]["to"] = known if to["type"] == "string" else {**to, "items": known}
    return found


@lru_cache(maxsize=64)
def _word_count(system: str) -> int:
    # The world and the rules are the same for all agents.
    return len(system.split())


def _make_result(told: Sequence[tuple[str, str]], written: str) -> ChatResult:
    read = sum(_word_count(text) if role == "system" else len(text.split()) for role, text in told)
    made, info = len(written.split()), {"finish_reason": "stop"}
    message = AIMessage(
        content=written,
        usage_metadata={"input_tokens": read, "output_tokens": made, "total_tokens": read + made},
        response_metadata={"is_language_model": False, "model_name": "procedural", **info},
    )
    generation = ChatGeneration(message=message, generation_info=info)
    return ChatResult(generations=[generation], llm_output={"model_name": "procedural"})


def propose_answer(
    rng: random.Random,
    situation: Situation,
    schema: Mapping[str, Any],
    task: str,
    generators: Mapping[str, AnswerGenerator],
) -> Mapping[str, Any] | None:
    """Return the values that are proposed for an answer, or None for an unknown task.

    `task` is the name of the prompt, or of the schema if a request came over HTTP. `generators` are those of the
    actions offered, by name, or that of the prompt.
    """

    def make_values(name: str, form: Mapping[str, Any]) -> Mapping[str, Any] | None:
        own = generators[name](rng, situation, form) if name in generators else None
        return GENERATORS[name](rng, situation, form) if own is None and name in GENERATORS else own

    if task in generators or task in GENERATORS:
        return make_values(task, schema)
    actions = _offered_actions(schema)
    if not actions:
        return None
    if situation.heard and _ANSWERING in actions and rng.random() < _ANSWERS:
        name = _ANSWERING
    else:
        name = rng.choices(list(actions), [_OFTEN.get(one, 1.0) for one in actions])[0]
    action = {"kind": name, **(make_values(name, actions[name]) or {})}
    if "intends" in schema.get("properties", {}):
        return {"action": action, "intends": write_intention(rng, situation)}
    return {"action": action} if "action" in schema.get("properties", {}) else action


def _offered_actions(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the schemas of the offered actions, keyed by the constant `kind` of each."""
    definitions = schema.get("$defs", {})
    offered = schema.get("properties", {}).get("action", {}).get("anyOf")
    found: dict[str, Mapping[str, Any]] = {}
    for one in [schema] if offered is None else offered:
        action = definitions.get(str(one.get("$ref", "")).rpartition("/")[2], one)
        kind = action.get("properties", {}).get("kind")
        if isinstance(kind, Mapping) and isinstance(kind.get("const"), str):
            found[kind["const"]] = {"$defs": definitions, **action}
    return found

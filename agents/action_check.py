"""What can be known of an action class before any model is asked: whether it will do, and whether its text is free."""

import inspect
import random
from functools import cache, partial
from itertools import product
from string import Template
from typing import Any, get_args, get_type_hints

from pydantic import PydanticUserError, ValidationError

from ..personas.errors import SetupError
from ..personas.model import strict_schema
from ..personas.prompt import Prompt
from .action_schema import TURN_SLOTS, answer_schema, prompt_of
from .actions import Action, Novelty, is_free_text, own_fields
from .schema_fill import UnsatisfiableSchemaError, fill_schema

#: Instances that a class is tried on: enough for each choice of a short list to come up.
_TRIED = 12


def check_actions(actions: object, *, where: str) -> None:
    """Raise `SetupError` for the first action that could not be emitted.

    `where` names who lists the actions. A class needs a name of its own and the field `kind` with that name. Both are
    made if the class does not give them. It also needs `to` if it is addressed.
    """
    if not isinstance(actions, tuple | list):
        raise SetupError(f"{where} should list its actions as a tuple of classes, but {actions!r} was given.")
    names: dict[str, type[Action]] = {}
    for given in actions:
        action = _class_of(given, where)
        _check(action)
        other = names.setdefault(action.name, action)
        if other is not action:
            raise SetupError(
                f"{where} lists {other.__name__} and {action.__name__}, which have one name, {action.name!r}; "
                f"rename one of them."
            )


@cache
def novelty_of(action: type[Action]) -> Novelty:
    """Return whether outputs of this class are compared with earlier ones.

    The class decides, or else its text. Text that changes with a field that can hold any string is free, and gives
    "revise".
    """
    if action.novelty is not None:
        return action.novelty
    return "revise" if _is_free(action) else "none"


def _is_free(action: type[Action]) -> bool:
    open_fields = [name for name in own_fields(action) if is_free_text(action, name)]
    if not open_fields:
        return False
    examples = _examples(action)
    # The same choices with other words: where no text changes, no word is in it.
    for one, other in product(examples, examples[:3]):
        told = one.model_copy(update={name: getattr(other, name) for name in open_fields})
        try:
            if told.emitted_text != one.emitted_text:
                return True
        except Exception:  # noqa: BLE001 - a scenario's own code; what it makes of other words is not known
            return True
    return not examples


def _class_of(given: object, where: str) -> type[Action]:
    if isinstance(given, type) and issubclass(given, Action):
        return given
    raise SetupError(f"{where} lists {given!r} among its actions, which is no class derived from Action.")


def _check(action: type[Action]) -> None:
    said = f"The action {action.__name__}"
    name = getattr(action, "name", None)
    if not isinstance(name, str) or not name.strip():
        raise SetupError(f"{said} has no name; give it one, as `name: ClassVar[str] = {action.__name__.lower()!r}`.")
    if action.novelty not in (None, *get_args(Novelty.__value__)):
        raise SetupError(f"{said} has novelty {action.novelty!r}; give none, mark or revise.")
    threshold: object = action.novelty_threshold
    if not isinstance(threshold, int | float) or not 0.5 <= threshold <= 1:
        raise SetupError(f"{said} has novelty_threshold {threshold!r}; give a number from .5 to 1.")
    _check_prompt(said, action)
    _check_checks(said, action)
    _check_remembered(said, action)
    _check_kind(said, action, name)
    if action.addressed and "to" not in action.model_fields:
        raise SetupError(f"{said} is addressed and has no field `to`; add `to: str`, or leave out `addressed = True`.")
    _check_schema(said, action)
    _check_text(said, action)


def _check_prompt(said: str, action: type[Action]) -> None:
    if not isinstance(action.prompt, str | Prompt):
        raise SetupError(f"{said} has the prompt {action.prompt!r:.80}; give a name or what `read_prompt` gives.")
    try:
        prompt_of((action,)).render(**dict.fromkeys(TURN_SLOTS, ""))
    except KeyError as error:
        if isinstance(action.prompt, str):
            raise SetupError(f"{said} is asked with prompt {action.prompt!r}, and there is no such prompt.") from error
        raise SetupError(
            f"{said} is asked with prompt {action.prompt.name!r}, which has a slot {error}; a prompt of a turn has "
            f"the slots {', '.join(TURN_SLOTS)}."
        ) from error


def _check_checks(said: str, action: type[Action]) -> None:
    checks: object = action.checks
    for one in checks if isinstance(checks, tuple | list) else (checks,):
        if isinstance(one, type):
            raise SetupError(f"{said} has the class {one.__name__} among its checks; write {one.__name__}().")
        is_named = isinstance(getattr(one, "name", None), str) and isinstance(getattr(one, "version", None), int)
        if not is_named or not hasattr(one, "revises") or not callable(getattr(one, "judge", None)):
            raise SetupError(
                f"{said} has {one!r:.80} among its checks; a check has name, version, revises and an async judge."
            )
        if not inspect.iscoroutinefunction(one.judge):
            raise SetupError(
                f"{said} has the check {one.name!r}, whose judge is not async; write `async def judge(self, action, "
                f"context)`."
            )


def _check_remembered(said: str, action: type[Action]) -> None:
    remembered: object = action.remembered
    if not isinstance(remembered, str):
        raise SetupError(f"{said} is remembered as {remembered!r}; give a str, as {Action.remembered!r}.")
    form = Template(remembered)
    if not form.is_valid() or not {"text", "to"}.issuperset(form.get_identifiers()):
        raise SetupError(
            f"{said} is remembered as {action.remembered!r}, where a `$` stands before something other than text and "
            f"to; write `$$` for the sign itself."
        )


def _check_kind(said: str, action: type[Action], name: str) -> None:
    kind = action.model_fields.get("kind")
    if kind is None or get_args(kind.annotation) != (name,):
        raise SetupError(f"{said} needs the field `kind: Literal[{name!r}]`, by which a model says what it does.")


def _check_schema(said: str, action: type[Action]) -> None:
    try:
        answer_schema((action,), ("n1",))
    except (PydanticUserError, ValueError, TypeError, KeyError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise SetupError(f"{said} has fields that no model can be asked for: {reason}.") from error


def _check_text(said: str, action: type[Action]) -> None:
    read = getattr(action.emitted_text, "fget", None)
    if inspect.isfunction(action.emitted_text):
        raise SetupError(f"{said} has emitted_text as a method; write @property above it.")
    if (annotated := _annotated(read)) not in (None, str, Any):
        told = getattr(annotated, "__name__", str(annotated))
        if not (isinstance(annotated, type) and issubclass(annotated, str)):
            raise SetupError(f"{said} has an emitted_text of type {told}; it must give a str.")
    for example in _examples(action):
        try:
            text = example.emitted_text
        except Exception:  # noqa: BLE001, S112 - it may be written for better answers than an invented one
            continue
        if not isinstance(text, str):
            raise SetupError(f"{said} has an emitted_text that gives {text!r}; it must give a str.")
    if action.addressed and any(not _are_keys(getattr(e, "to", None)) for e in _examples(action)):
        raise SetupError(
            f"{said} is addressed, so its field `to` must be a str, the key of the agent that is addressed, or a "
            f"tuple[str, ...] of several."
        )


def _are_keys(to: object) -> bool:
    return isinstance(to, str) or (isinstance(to, tuple) and all(isinstance(one, str) for one in to))


def _annotated(read: Any) -> Any:
    if read is None:
        return None
    try:
        return get_type_hints(read).get("return")
    except Exception:  # noqa: BLE001 - names in annotations need not exist when the program runs
        return None


@cache
def _examples(action: type[Action]) -> tuple[Action, ...]:
    """Return valid instances, invented from the schema.

    Return fewer, or none, if the class demands more than its schema says.
    """
    schema, found = strict_schema(action.model_json_schema()), []
    for number in range(_TRIED):
        try:
            found.append(action.model_validate(fill_schema(schema, _rng(number), partial(_words, number))))
        except (ValidationError, UnsatisfiableSchemaError):
            continue
        except Exception:  # noqa: BLE001, S112 - a validator of the scenario's own may fail in any way
            continue
    return tuple(found)


def _words(number: int, shortest: int, longest: int | None) -> str:
    return f"words number {number}"


def _rng(number: int) -> random.Random:
    return random.Random(number)  # noqa: S311 - examples are no secrets

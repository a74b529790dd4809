"""What is known of an action before any model is asked."""

from enum import Enum
from typing import Any, ClassVar, Literal

import pytest

from populace.agents.action_schema import check_actions, novelty_of
from populace.agents.actions import Action, DialogueLine, Instruction
from populace.agents.tool_spec import ToolSpec
from populace.core.errors import SetupError
from populace.core.prompt import Prompt


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Vote(Action):
    """Vote, and say why."""

    name: ClassVar[str] = "vote"
    kind: Literal["vote"]
    choice: Literal["yes", "no"]
    reason: str

    @property
    def emitted_text(self) -> str:
        return self.choice


class Reasoned(Vote):
    """Vote, and say why where it matters."""

    @property
    def emitted_text(self) -> str:
        return self.reason if self.choice == "no" else "yes"


class Numbers(Action):
    """Choices, numbers and flags."""

    name: ClassVar[str] = "numbers"
    kind: Literal["numbers"]
    colours: list[Colour]
    price: float
    is_sure: bool | None

    @property
    def emitted_text(self) -> str:
        return f"{self.price:.2f} {self.is_sure} {[c.value for c in self.colours]}"


@pytest.mark.parametrize(
    ("action", "novelty"),
    [
        (Vote, "none"),
        (Numbers, "none"),
        (Reasoned, "revise"),
        (Instruction, "revise"),
        (DialogueLine, "revise"),
        (ToolSpec, "revise"),
    ],
)
def test_text_that_is_made_of_choices_alone_is_not_compared(action: type[Action], novelty: str) -> None:
    assert novelty_of(action) == novelty


def test_a_class_says_its_novelty_itself_where_it_wants_another() -> None:
    class Marked(Vote):
        novelty = "mark"

    assert novelty_of(Marked) == "mark"


def changed(base: type[Action] = Vote, **attributes: Any) -> type[Action]:
    return type("Mine", (base,), {"__module__": __name__, **attributes})


def _number(self: Action) -> int:
    return 3


def _unannotated(self):  # type: ignore[no-untyped-def]
    return self.reason, 3


def _method(self: Action) -> str:
    return "text"


class Nameless(Action):
    """Nothing that a kind could be known by."""

    kind: Literal["x"]


class Kindless(Action):
    """Of another kind than it is called."""

    name: ClassVar[str] = "poll"
    kind: Literal["vote"]


class Sound:
    """A check whose judge is not awaited."""

    name = "sound"
    version = 1
    revises = False

    def judge(self, action: Action, context: object) -> bool:
        return True


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ((Nameless,), "The action Nameless has no name"),
        ((changed(checks=(Sound,)),), "has the class Sound among its checks; write Sound()"),
        ((changed(checks=(Sound(),)),), "has the check 'sound', whose judge is not async; write `async def judge"),
        ((changed(addressed=True),), "Mine is addressed and has no field `to`"),
        ((changed(emitted_text=property(_number)),), "emitted_text that gives 3; it must give a str"),
        ((changed(emitted_text=property(_unannotated)),), "emitted_text that gives ("),
        ((changed(emitted_text=_method),), "write @property above it"),
        ((changed(remembered="You paid $5 for $text"),), "write `$$` for the sign itself"),
        ((changed(remembered="You chose $choice"),), "write `$$` for the sign itself"),
        ((Kindless,), "needs the field `kind: Literal['poll']`"),
        ((changed(novelty="never"),), "give none, mark or revise"),
        ((changed(novelty_threshold=0.2),), "has novelty_threshold 0.2; give a number from .5 to 1"),
        ((changed(checks=(3,)),), "has 3 among its checks; a check has name, version, revises and an async judge"),
        ((changed(checks="polite"),), "has 'polite' among its checks"),
        ((changed(prompt="trun"),), "is asked with prompt 'trun', and there is no such prompt"),
        ((changed(prompt=3),), "has the prompt 3; give a name or what `read_prompt` gives"),
        ((changed(prompt=Prompt("own", 1, "", "$place")),), "asked with prompt 'own', which has a slot 'place'"),
        ((Vote, changed()), "lists Vote and Mine, which have one name, 'vote'"),
        ((Vote, dict), "lists <class 'dict'> among its actions"),
        ((Vote(kind="vote", choice="no", reason="So."),), "which is no class derived from Action"),
        (Vote, "should list its actions as a tuple of classes"),
    ],
)
def test_an_action_that_could_not_be_emitted_is_refused_in_one_sentence(actions: Any, words: str) -> None:
    with pytest.raises(SetupError) as refused:
        check_actions(actions, where="The scenario Mine")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_emitted_text_that_fails_on_invented_answers_is_given_a_chance() -> None:
    def second(self: Any) -> str:
        return str(self.reason.split(":")[1])

    check_actions((changed(emitted_text=property(second)),), where="The scenario Mine")


def test_an_action_is_remembered_as_text() -> None:
    with pytest.raises(SetupError, match="The action Vote5 is remembered as 5; give a str"):
        check_actions((type("Vote5", (Vote,), {"remembered": 5, "__module__": __name__}),), where="It")

import random
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal

import jsonschema
import pytest
from pydantic import Field

from populace.agents.action_schema import answer_schema, check_actions, described_actions, possible_actions, prompt_of
from populace.agents.actions import Action, ActionEffects, DialogueLine, Instruction, Novelty, run_checks
from populace.agents.tool_spec import ToolSpec
from populace.core.prompt import Prompt

TOOL = {
    "kind": "tool",
    "purpose": "Says when the dough is ready.",
    "signature": "proofing_clock(dough_weight: float) -> str",
    "meanings": ["dough_weight: In grams.", "return: A time of day."],
}


def test_one_action_is_asked_for_as_it_is_and_several_in_an_envelope() -> None:
    assert answer_schema((Instruction,), ()).validate({"kind": "instruction", "text": "Help."}).name == "instruction"
    several = answer_schema((Instruction, ToolSpec), ())
    assert several.validate({"action": TOOL}).name == "tool"
    with pytest.raises(ValueError, match='the one key "action"'):
        several.validate(TOOL)


class Announcement(Action):
    """What this person tells some of those who are there."""

    name: ClassVar[str] = "announcement"
    addressed: ClassVar[bool] = True
    kind: Literal["announcement"]
    to: tuple[str, ...]
    text: str

    @property
    def emitted_text(self) -> str:
        return self.text


def test_a_line_can_be_spoken_to_several_who_are_there() -> None:
    schema = answer_schema((Announcement,), ("Ines Roca", "Bram Vos"))
    said = schema.validate({"kind": "announcement", "to": ["Bram", "Ines Roca", "Bram Vos"], "text": "Hello."})
    assert said.addressees == ("Bram Vos", "Ines Roca")
    with pytest.raises(ValueError, match="'Ruth' is not there; choose one of Ines Roca, Bram Vos"):
        schema.validate({"kind": "announcement", "to": ["Bram", "Ruth"], "text": "Hello."})
    assert answer_schema((Announcement,), ()).json_schema["properties"]["to"]["maxItems"] == 0


def test_a_line_can_only_be_spoken_to_somebody_who_is_there() -> None:
    schema = answer_schema((DialogueLine,), ("Ines Roca", "Ines Vega", "王秀英", "player"))
    called = {
        "Ines Roca": "Ines Roca",
        "VEGA": "Ines Vega",
        "Ines Roca (sister)": "Ines Roca",
        "王秀英": "王秀英",
        "the visitor": "player",
    }
    for name, key in called.items():
        assert schema.validate({"kind": "dialogue", "to": name, "text": "Hello."}).addressees == (key,)
    for name in ("Bram", "Ines", "", "the"):  # nobody, or several
        with pytest.raises(ValueError, match=r"to: .*choose one of Ines Roca, Ines Vega, 王秀英, Visitor|to\n"):
            schema.validate({"kind": "dialogue", "to": name, "text": "Hello."})


def test_the_form_of_a_turn_is_the_same_whoever_is_there() -> None:
    one, other = (
        answer_schema((DialogueLine, Instruction), there) for there in (("Ines Roca",), ("Bram Vos", "player"))
    )
    assert one.json_schema is other.json_schema


def test_nothing_is_spoken_where_nobody_is_there() -> None:
    assert possible_actions((DialogueLine, Instruction), ()) == (Instruction,)
    with pytest.raises(ValueError, match="no action can be offered"):
        answer_schema((DialogueLine,), ())


def test_every_schema_that_is_sent_is_strict_and_valid() -> None:
    for offered in ((Instruction,), (ToolSpec,), (Instruction, DialogueLine, ToolSpec)):
        schema = answer_schema(offered, ("n1",)).json_schema
        jsonschema.Draft202012Validator.check_schema(schema)
        assert "oneOf" not in str(schema)
        assert "'default'" not in str(schema)
        assert schema["additionalProperties"] is False


class OpenLetter(Action):
    """A letter to the council."""

    urgency: Literal["low", "high"] = "low"
    text: str


class PutHTMLDown(Action):
    """Several things."""

    text: str = "A."
    names: tuple[str, ...] = ()
    coins: int = 3


def test_an_action_is_named_after_its_class_and_emits_its_free_text_or_all_of_its_fields() -> None:
    letter = OpenLetter(text="Mend the bridge.")
    assert (OpenLetter.name, letter.kind, letter.emitted_text) == ("open_letter", "open_letter", "Mend the bridge.")  # type: ignore[attr-defined]
    assert list(OpenLetter.model_fields) == ["kind", "urgency", "text"]
    assert PutHTMLDown(names=("a", "b")).emitted_text == "text: A.; names: a, b; coins: 3"
    check_actions((OpenLetter, PutHTMLDown), where="The test")
    schema = answer_schema((OpenLetter, Instruction), ()).json_schema["$defs"]["OpenLetter"]
    assert schema["required"] == ["kind", "urgency", "text"]
    assert schema["properties"]["kind"]["const"] == "open_letter"


def test_a_subclass_keeps_the_name_that_its_base_was_given() -> None:
    class Request(Instruction):
        """As an instruction."""

    class Wish(Instruction):
        """Something else."""

        name: ClassVar[str] = "wish"

    class SecondLetter(OpenLetter):
        """Named after itself, as its base is."""

    assert (Request.name, Wish(text="A boat.").kind) == ("instruction", "wish")  # type: ignore[call-arg]
    assert SecondLetter(text="Mend it.").kind == SecondLetter.name == "second_letter"  # type: ignore[attr-defined]
    assert OpenLetter.configured(novelty="none").name == "open_letter"


def test_the_model_is_told_of_fields_and_bounds_in_words() -> None:
    told = described_actions((DialogueLine, ToolSpec))
    assert "- dialogue: One line said to somebody who is there" in told
    assert "\n  to: Their name.\n  text: The words alone" in told  # a text with room enough is described alone
    assert "\n  meanings (list of text, at most 400 characters, at most 32 items): A line for each argument" in told
    assert "kind" not in told


def test_actions_are_asked_with_the_prompt_that_they_share() -> None:
    own = Prompt("own", 1, "A prompt of a scenario's own.", "$world $persona $observation $task")

    class Own(Instruction):
        prompt = own

    assert prompt_of((Own,)) is own
    assert prompt_of((Own, ToolSpec)).name == "turn"


def test_the_example_in_the_docstring_of_action_is_an_action() -> None:
    example = textwrap.dedent((Action.__doc__ or "").partition("::\n")[2])
    names: dict[str, Any] = {
        "Action": Action,
        "ActionEffects": ActionEffects,
        "Novelty": Novelty,
        "Prompt": Prompt,
        "Field": Field,
        "Annotated": Annotated,
        "ClassVar": ClassVar,
        "Literal": Literal,
        "Path": Path,
        "__file__": __file__,
        "NamesAPlace": lambda: SimpleNamespace(name="place", version=1, revises=False, judge=run_checks),
        "Check": object,
        "read_prompt": lambda path: "turn",
        "__name__": __name__,
    }
    exec(example, names)
    complaint: type[Action] = names["Complaint"]
    check_actions((complaint,), where="The test")
    written = complaint.stand_in(random.Random(1), None, {})  # type: ignore[arg-type]
    assert complaint.model_validate({"kind": "complaint", **(written or {})}).note().startswith("You complained")


def test_what_is_spoken_is_delivered_when_it_is_applied() -> None:
    said: list[tuple[str, str]] = []
    effects: Any = SimpleNamespace(say=lambda to, text: said.append((to, text)))
    DialogueLine(kind="dialogue", to="n1", text="Good day.").apply(effects)
    Instruction(kind="instruction", text="Help me.").apply(effects)
    assert said == [("n1", "Good day.")]

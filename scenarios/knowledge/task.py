"""Articles that pass on what people know by trade, skill and experience; or reading material that they may like.

Run it as `populace make knowledge --hub town.duckdb --n 500 --set length=medium`, or with `--set form=reading`.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from populace.agents.action_schema import prompt_of
from populace.agents.actions import Action, Novelty
from populace.agents.checks import BASIC_CHECKS, CheckContext, CheckResult, NoDegeneration, failed, passed
from populace.agents.procedural.lexicon import read_toml, say, split
from populace.agents.procedural.situation import Situation, Subjects
from populace.agents.text_forms import text_under_header
from populace.core.model import TextForm
from populace.core.prompt import Prompt, read_prompt
from populace.core.text import word_list
from populace.sim.scenario import Settings
from populace.sim.tasks.task import Task, TaskSettings

#: Paragraphs beside the first two and the last one, by length; of reading material there are fewer.
_PARTS = {"short": 1, "medium": 4, "long": 11}

_FILE = Path(__file__).with_name("article.toml")
#: What children write otherwise.
_OWN = ("titles", "audience", "parts")


def article(
    rng: random.Random, situation: Situation, schema: Mapping[str, Any], *, form: str = "article", length: str = "short"
) -> Mapping[str, Any]:
    """Return title, text and audience of an article, or of something to read. In English, whatever is asked for."""
    data, subjects = read_toml(_FILE), Subjects(rng, situation.persona)
    things = [thing for thing in subjects.several("thing", 4) if thing != subjects("thing")]
    second, third = (*things, "patience", "time")[:2]
    further = {"thing2": second, "thing3": third}

    def fill_slot(name: str) -> str | None:
        return further.get(name) or subjects(name)

    def say_frames(text: str) -> str:
        return say(rng, split(text), fill_slot) or ""

    kind = "_child" if subjects.me.stage == "child" else ""
    told = {name: data[form].get(name + kind, data[form][name]) for name in _OWN}
    first, own, *middle, last = [part for part in told["parts"] if part != "day" or subjects.me.is_working]
    chosen = set(rng.sample(middle, min(_PARTS[length], len(middle))))
    parts = (first, own, *(one for one in middle if one in chosen), last)
    return {
        "title": say_frames(told["titles"]),
        "audience": say_frames(told["audience"]),
        "text": "\n\n".join(filter(None, (say_frames(data[part]["texts"]) for part in parts))),
    }


PROMPT = read_prompt(Path(__file__).with_name("knowledge.v3.toml"))

#: Words of a text, at least and at most, by length.
WORDS = {"short": (120, 300), "medium": (250, 600), "long": (500, 1500)}
#: How far outside these bounds a text may be, for models do not count.
_TOLERANCE = 0.2
#: Where each character is a word of ours, so many of them make up a word of a language with spaces.
_UNSPACED = 1.7

#: Tokens that an answer may have for each word that is asked for at most: three times what it takes.
_TOKENS = 4

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=160)]
Audience = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]
ArticleText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=200, max_length=16_000)]


class HasLength:
    """Fails a text that is much shorter or longer than was asked for: one length, or that which each request draws."""

    name = "length"
    version = 1
    revises = True

    def __init__(self, length: str) -> None:
        self._length = length

    async def judge(self, action: Action, context: CheckContext) -> CheckResult:
        """The result, with the number of words as its score."""
        is_drawn = self._length == "mixed"
        least, most = WORDS[PROMPT.word_in("length", context.instructions) if is_drawn else self._length]
        found = word_list(action.emitted_text)
        count = round(sum(1 / _UNSPACED if len(word) == 1 and not word.isascii() else 1 for word in found))
        if least * (1 - _TOLERANCE) <= count <= most * (1 + _TOLERANCE):
            return passed(count)
        return failed(f"It has {count} words; write {least} to {most}.", count)


class Article(Action):
    """An article in which this person's knowledge, skills, experience and insights are passed on to readers."""

    name: ClassVar[str] = "knowledge"
    prompt: ClassVar[str | Prompt] = PROMPT
    text_form: ClassVar[TextForm | None] = text_under_header("text", ("title", "audience"), {"kind": "knowledge"})
    novelty: ClassVar[Novelty | None] = "revise"
    #: How `procedural` is to write it, as the task's settings say.
    form: ClassVar[str] = "article"
    length: ClassVar[str] = "short"

    kind: Literal["knowledge"]
    title: Annotated[Title, Field(description="Its title, which says what it is about")]
    audience: Annotated[Audience, Field(description="Who it is for, in one line")]
    text: Annotated[ArticleText, Field(description="The whole text in plain paragraphs, without the title")]

    @property
    def emitted_text(self) -> str:
        """Title and text."""
        return f"{self.title}\n\n{self.text}"

    @classmethod
    def stand_in(cls, rng: random.Random, situation: Situation, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """An article of paragraphs that fit the person's field."""
        length = PROMPT.word_in("length", situation.plain) or cls.length
        return article(rng, situation, schema, form=cls.form, length=length)


class Reading(Article):
    """Something to read that this person would like, by another hand: an essay, a column, a story or a report."""


class KnowledgeSettings(TaskSettings):
    """What can be asked of the texts."""

    form: Literal["article", "reading"] = Field(
        "article", description="Whether this person writes it, or would like to read it"
    )
    length: Literal["short", "medium", "long", "mixed"] = Field(
        "short", description="120 to 300, 250 to 600, or 500 to 1500 words, or drawn for each text"
    )
    answer_tokens: int = Field(
        _TOKENS * WORDS["short"][1], ge=16, description="Maximum answer length in tokens; more for longer texts"
    )

    @model_validator(mode="before")
    @classmethod
    def _fit_answers(cls, given: Any) -> Any:
        if isinstance(given, dict) and (length := given.get("length")) in (*WORDS, "mixed"):
            return {"answer_tokens": _TOKENS * WORDS["long" if length == "mixed" else length][1], **given}
        return given


class Knowledge(Task):
    """Articles that share what a persona knows, or that it would read."""

    name = "knowledge"
    actions: tuple[type[Action], ...] = (Article,)
    settings_type: ClassVar[type[Settings]] = KnowledgeSettings
    settings: KnowledgeSettings

    def __init__(self, settings: Settings | dict[str, object] | None = None) -> None:
        """Raises `SetupError` for settings that cannot be."""
        super().__init__(settings)
        base = Article if self.settings.form == "article" else Reading
        form, length = self.settings.form, self.settings.length
        checks = (*BASIC_CHECKS, NoDegeneration(reads=("title", "text"), is_chat=False), HasLength(length))
        prompt = prompt_of(self.actions)
        self.actions = (base.configured(prompt=prompt, form=form, length=length, checks=checks),)

"""Rubrics: the criteria by which model graders judge an output, each with a question and a scale of labels.

A rubric is a TOML or JSON file::

    name = "problem"
    version = 1
    about = "Problems that have one answer."
    kinds = ["math", "logic"]           # kinds of outputs that it is for; none for all others
    fields = ["text"]                   # fields that the grader is shown; none for all
    persona = false                     # whether the grader is shown who made it
    lineup = false                      # whether the grader is to find who made it among four personas

    [[criteria]]
    name = "complete"
    question = "Does the problem say all that it takes to solve it?"
    weight = 2
    answer = true                       # whether the answer that solutions of a problem agree on is shown for it
    level = "ordinal"                   # nominal, ordinal or interval: how labels are compared
    scale = [
        { label = "1", meaning = "Something is missing." },
        { label = "2", meaning = "One thing has to be assumed." },
        { label = "3", meaning = "Nothing is missing." },
    ]

A scale goes from the worst label to the best. The score of a label is from 0 to 1: evenly spaced, in proportion to the
labels where these are numbers on an interval scale, or as `score` says. Labels of a nominal criterion have no order, so
each needs a `score` where the criterion has a weight.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, Field, StringConstraints, ValidationError, create_model, model_validator

from ..core.errors import SetupError
from ..core.inputs import nearest, read_utf8
from ..core.model import AnswerGenerator, AnswerSchema, FrozenModel, strict_schema
from ..core.prompt import fence

_RubricName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
_RubricText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
_ScaleLabel = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class Anchor(FrozenModel):
    """A label of a scale, and what it stands for."""

    label: _ScaleLabel
    meaning: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""
    #: From 0 to 1; None for the place on the scale.
    score: float | None = Field(None, ge=0, le=1)


class Criterion(FrozenModel):
    """A question about an output, and the scale of its answers, from the worst to the best."""

    name: _RubricName
    question: _RubricText
    scale: Annotated[tuple[Anchor, ...], Field(min_length=2, max_length=20)]
    #: Its share in the grade, in proportion to those of the other criteria; 0 is asked and does not count.
    weight: float = Field(1.0, ge=0, le=1_000)
    #: Whether the grader of a problem is shown the answer that solutions agree on, to judge by this criterion.
    answer: bool = False
    #: How the labels of the scale are compared.
    level: Literal["nominal", "ordinal", "interval"] = "ordinal"

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if len(set(self.labels)) < len(self.scale):
            raise ValueError(f"hold each label once: the scale of {self.name!r} has {', '.join(self.labels)}")
        if self.level == "nominal" and self.weight and any(one.score is None for one in self.scale):
            raise ValueError(
                f"give each label of {self.name!r} a score, because labels of a nominal criterion have no order; or "
                f"give it the weight 0"
            )
        if self.level == "interval":
            numbers = [_label_number(label) for label in self.labels]
            if any(one >= other for one, other in pairwise(numbers)) or not all(map(math.isfinite, numbers)):
                raise ValueError(f"have numbers as labels on the interval scale of {self.name!r}, in rising order")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, from the worst to the best."""
        return tuple(one.label for one in self.scale)

    def score(self, label: str) -> float:
        """Return the score of a label, 0 to 1. Raises `KeyError` for a label that is not on the scale."""
        if label not in self.labels:
            raise KeyError(label)
        place = self.labels.index(label)
        if (given := self.scale[place].score) is not None:
            return given
        if self.level == "interval":
            first, last, number = map(_label_number, (self.labels[0], self.labels[-1], label))
            return (number - first) / (last - first)
        return place / (len(self.scale) - 1)


def _label_number(label: str) -> float:
    try:
        return float(label)
    except ValueError:
        return math.nan


class PersonChoice(FrozenModel):
    """Which person of a line-up is behind a text."""

    reason: Annotated[str, Field(max_length=2_000, description="What in the text decides, in one or two sentences")]
    person: Annotated[Literal[1, 2, 3, 4], Field(description="The number of the person")]


class Rubric(FrozenModel):
    """The criteria for outputs of some kinds."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    version: int = Field(1, ge=1)
    about: str = ""
    #: Kinds of outputs that it is for; none for those that no other rubric is for.
    kinds: tuple[str, ...] = ()
    #: Fields of an output that the grader is shown; none for all.
    fields: tuple[str, ...] = ()
    #: Whether the grader is shown the description of the person who made the output.
    persona: bool = False
    #: Whether the grader chooses the author among four personas, which gives the last label if it is right, else the
    #: first.
    lineup: bool = False
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        names = [one.name for one in self.criteria]
        if len(set(names)) < len(names):
            raise ValueError(f"have criteria of different names, not {', '.join(names)}")
        if self.lineup and (self.persona or len(self.criteria) > 1 or len(self.criteria[0].scale) > 2):
            raise ValueError(
                "have one criterion with two labels, for a wrong and a right choice, and no `persona`, because it has "
                "`lineup`"
            )
        if not any(one.weight for one in self.criteria):
            raise ValueError("give one criterion a weight above 0 at least")
        return self

    @property
    def text(self) -> str:
        """The criteria as a grader is shown them."""
        parts = []
        for one in self.criteria:
            anchors = "\n".join(f"  {a.label}: {a.meaning}" if a.meaning else f"  {a.label}" for a in one.scale)
            parts.append(f"{one.name}: {one.question}\n{anchors}")
        return fence("rubric", "\n\n".join(parts))

    @property
    def by_answer(self) -> str:
        """The names of the criteria that are judged by the answer that solutions agree on, in words."""
        return " and ".join(one.name for one in self.criteria if one.answer)

    def answer_schema(self, generator: AnswerGenerator, author: int = 0) -> AnswerSchema[BaseModel]:
        """Return the form of a grader's answer: a reason and a label for each criterion.

        `generator` is that of the built-in generator, and `author` the right choice in a line-up, from 1.
        """
        made, schema = _answer_model(self.criteria)
        if self.lineup:
            asked = self.criteria[0]

            def read(answer: object) -> BaseModel:
                choice = PersonChoice.model_validate(answer)
                label = asked.labels[choice.person == author]
                return made.model_validate({asked.name: {"reason": choice.reason, "label": label}})

            return AnswerSchema("identify", AnswerSchema.of(PersonChoice).json_schema, read, {"identify": generator})
        return AnswerSchema("grade", schema, made.model_validate, {"grade": generator})

    def grade(self, scores: Mapping[str, float]) -> float | None:
        """The weighted mean of the scores of criteria, 0 to 1; None where none that counts has a score."""
        counted = [(one.weight, scores[one.name]) for one in self.criteria if one.weight and one.name in scores]
        total = sum(weight for weight, _ in counted)
        return sum(weight * score for weight, score in counted) / total if total else None


@cache
def _answer_model(criteria: tuple[Criterion, ...]) -> tuple[type[BaseModel], dict[str, Any]]:
    reason = Field(max_length=2_000, description="Why, in one or two sentences, before the label")
    fields: dict[str, Any] = {}
    for one in criteria:
        labels: Any = Literal[one.labels]
        label = (labels, Field(description=one.question))
        # Criteria are named as the user likes, also as something that a model has already.
        vote = create_model(f"{one.name}_vote", reason=(str, reason), label=label)
        fields[f"criterion_{one.name}"] = (vote, Field(alias=one.name))
    made = create_model("Grade", **fields)
    return made, strict_schema(made.model_json_schema())


def rubric_for(rubrics: Sequence[Rubric], kind: str) -> Rubric | None:
    """Return the rubric for outputs of a kind: the first that names the kind, or else the first that names none."""
    named = next((one for one in rubrics if kind in one.kinds), None)
    return named or next((one for one in rubrics if not one.kinds), None)


@cache
def shipped_rubrics() -> tuple[Rubric, ...]:
    """Return the rubrics that ship with the library, sorted by name."""
    entries = files(__package__).joinpath("rubrics").iterdir()
    found = [Rubric.model_validate(tomllib.loads(e.read_text("utf-8"))) for e in entries if e.name.endswith(".toml")]
    return tuple(sorted(found, key=lambda one: one.name))


def read_rubric(given: Path | str) -> Rubric:
    """Read the rubric in a TOML or JSON file, or find a shipped one by its name.

    Raises `SetupError` in one sentence.
    """
    shipped = {one.name: one for one in shipped_rubrics()}
    if str(given) in shipped:
        return shipped[str(given)]
    path = Path(given)
    if path.suffix not in (".toml", ".json"):
        raise SetupError(
            f"There is no rubric {str(given)!r}{nearest(str(given), list(shipped))}; name one of "
            f"{', '.join(shipped)}, or a file of your own that ends in .toml or .json."
        )
    text = read_utf8(path)
    try:
        written = orjson.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise SetupError(f"The rubric {str(path)!r} cannot be read: {str(error).rstrip('.')}.") from error
    try:
        return Rubric.model_validate(written)
    except ValidationError as error:
        raise SetupError(f"The rubric {str(path)!r} cannot be used: {_describe_error(error)}.") from error


def _describe_error(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
    if first["type"] == "missing":
        return f"it has no {where}"
    said = first["msg"].removeprefix("Input should ").removeprefix("Value error, ")
    return f"{where or 'it'} must {said}" if where else f"it must {said}"

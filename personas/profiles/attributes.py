"""The attributes of a profile, and the form in which a model answers for them: words, evidence, value."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..persona import canonical_text
from ..words import words as words_of

__all__ = ["ATTRIBUTES", "AnsweredProfile", "Evidence", "Known"]


class Evidence(StrEnum):
    """What the value of an attribute rests on."""

    #: The description says so in so many words.
    STATED = "stated"
    #: It follows from words of the description.
    IMPLIED = "implied"
    #: The model thinks it likely; nothing in the description says so.
    ASSUMED = "assumed"
    #: There is no value.
    UNKNOWN = "unknown"

    @property
    def is_quoted(self) -> bool:
        """Whether words of the description stand behind it."""
        return self in (Evidence.STATED, Evidence.IMPLIED)


def _parse_line(text: str) -> str:
    text = canonical_text(text)
    if not words_of(text) or not text.isprintable():
        raise ValueError("write plain words on one line, or null where nothing is known")
    return text


type AgeBand = Literal["0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90+"]
type Household = Literal[
    "alone",
    "couple",
    "couple with children",
    "single parent",
    "with parents",
    "extended family",
    "shared",
    "institution",
    "homeless",
]
#: The ten values of Schwartz's theory of basic human values.
type BasicValue = Literal[
    "self-direction",
    "stimulation",
    "hedonism",
    "achievement",
    "power",
    "security",
    "conformity",
    "tradition",
    "benevolence",
    "universalism",
]
#: Major group of ISCO-08, level of ISCED 2011, and one of the Big Five from very low to very high.
type OccupationGroup = Annotated[int, Field(ge=0, le=9)]
type EducationLevel = Annotated[int, Field(ge=0, le=8)]
type Trait = Annotated[int, Field(ge=1, le=5)]
type Number = Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]
type Name = Annotated[str, AfterValidator(_parse_line), Field(max_length=80)]
type Sentence = Annotated[str, AfterValidator(_parse_line), Field(max_length=300)]
type LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
type Languages = Annotated[list[LanguageTag], Field(min_length=1, max_length=6)]
type Names = Annotated[list[Name], Field(min_length=1, max_length=8)]
type BasicValues = Annotated[list[BasicValue], Field(min_length=1, max_length=3)]
type Events = Annotated[list[Sentence], Field(min_length=1, max_length=8)]


class Known[T](BaseModel):
    """One attribute: the words of the description, the evidence they are, and the value that follows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: Annotated[str, Field(max_length=300)]
    evidence: Evidence
    value: T | None

    @model_validator(mode="after")
    def _check_evidence(self) -> "Known[T]":
        if (self.value is None) != (self.evidence is Evidence.UNKNOWN):
            raise ValueError("value is null when evidence is unknown, and never otherwise")
        return self


class AnsweredProfile(BaseModel):
    """A profile as a model answers it, before its quotations are compared with the description."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    age_band: Known[AgeBand]
    occupation: Known[Name]
    occupation_group: Known[OccupationGroup]
    education: Known[EducationLevel]
    household: Known[Household]
    region: Known[Name]
    languages: Known[Languages]
    interests: Known[Names]
    values: Known[BasicValues]
    openness: Known[Trait]
    conscientiousness: Known[Trait]
    extraversion: Known[Trait]
    agreeableness: Known[Trait]
    neuroticism: Known[Trait]
    favourite_colour: Known[Name]
    favourite_number: Known[Number]
    family_background: Known[Sentence]
    life_events: Known[Events]


#: The attributes by name, in the order of the columns.
ATTRIBUTES: tuple[str, ...] = tuple(AnsweredProfile.model_fields)

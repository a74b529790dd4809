"""Profiles: the fine-grained attributes of a person, each with its evidence.

They are inferred from the description, or read from columns that were imported.
"""

import math
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from ...core.model import (
    Answer,
    AnswerError,
    AnswerMistake,
    AnswerSchema,
    FrozenModel,
    PersonaModel,
    RequestContext,
    strict_schema,
)
from ...core.prompt import Prompt, fence, language_phrase, load_prompt
from ...core.text import canonical_text
from ...core.text import words as words_of
from ..persona import Persona


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
        """Whether it rests on words of the description."""
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


class Known[T](FrozenModel):
    """One attribute: the words of the description, the evidence they are, and the value that follows."""

    words: Annotated[str, Field(max_length=300)]
    evidence: Evidence
    value: T | None

    @model_validator(mode="after")
    def _check_evidence(self) -> "Known[T]":
        if (self.value is None) != (self.evidence is Evidence.UNKNOWN):
            raise ValueError("value is null when evidence is unknown, and never otherwise")
        return self


class AnsweredProfile(FrozenModel):
    """A profile as a model answers it, before its quotations are compared with the description."""

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


_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """The value of one attribute, and its evidence."""

    #: None when it is unknown.
    value: Any
    evidence: Evidence
    #: The words of the description it follows from; empty unless it is stated or implied.
    words: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """The attributes of one persona."""

    persona: str
    #: Every attribute by name.
    attributes: Mapping[str, AttributeValue]
    #: The model and the prompt (`name@version`) that inferred it.
    model: str
    prompt: str
    #: Whether assumptions were made unknown.
    only_evident: bool = False

    def value(self, name: str) -> Any:
        """Return the value of an attribute, or None if it is unknown. Raises `KeyError` for an unknown attribute."""
        return self.attributes[name].value

    def without_assumptions(self) -> "Profile":
        """Return the same profile without assumptions, which become unknown."""
        kept = {
            name: AttributeValue(None, Evidence.UNKNOWN) if a.evidence is Evidence.ASSUMED else a
            for name, a in self.attributes.items()
        }
        return replace(self, attributes=kept, only_evident=True)


def parse_profile(answer: object, persona: Persona, *, model: str, prompt: str) -> Profile:
    """Parse the answer of a model into a profile.

    Raises `ValueError`, with one line per mistake, for an answer of another form and for evidence that is not in the
    description.
    """
    answered = AnsweredProfile.model_validate(answer)
    if mistakes := "\n".join(_find_misquotations(answered, persona.text)):
        raise AnswerError(mistakes, AnswerMistake.MISQUOTATION)
    return Profile(persona.id, {name: _make_attribute(getattr(answered, name)) for name in ATTRIBUTES}, model, prompt)


@cache
def profile_schema() -> dict[str, Any]:
    """Return the strict JSON Schema of a profile."""
    return strict_schema(AnsweredProfile.model_json_schema())


def _make_attribute(known: Known[Any]) -> AttributeValue:
    # Words are evidence only when the attribute is stated or implied.
    return AttributeValue(known.value, known.evidence, canonical_text(known.words) if known.evidence.is_quoted else "")


def _find_misquotations(answered: AnsweredProfile, description: str) -> Iterator[str]:
    text = _fold_quote(description)
    for name in ATTRIBUTES:
        known: Known[Any] = getattr(answered, name)
        if known.evidence.is_quoted and not (_says_something(known.words) and _fold_quote(known.words) in text):
            yield (
                f"{name}.words: {known.words!r} is not in the description; copy the words exactly as they stand there, "
                f"or call the evidence assumed or unknown"
            )
    occupation = answered.occupation
    if occupation.evidence is Evidence.STATED and _fold_quote(str(occupation.value)) not in text:
        yield f"occupation.value: {occupation.value!r} is called stated, but the description does not say it so"


def _says_something(quotation: str) -> bool:
    # One Latin letter is in every description; one Chinese character may be a word.
    return any(len(word) > 1 or not word.isascii() or word.isdigit() for word in words_of(quotation))


def _fold_quote(text: str) -> str:
    return re.sub(r"[.,;:!?\s]+$", "", canonical_text(text).translate(_QUOTES).casefold())


_PACKAGE = "populace.personas"


async def infer_profile(
    model: PersonaModel,
    persona: Persona,
    *,
    findings: Sequence[str] = (),
    only_evident: bool = False,
    context: RequestContext,
) -> Answer[Profile]:
    """Infer the profile of `persona`; without one, the answer holds the outcome and the reason.

    `findings` are sentences about an earlier profile that did not fit the people to whom the persona is tied. With
    `only_evident`, assumptions become unknown. Evidence that is not in the description is a schema mismatch and is
    asked for again.
    """
    prompt = load_prompt(_PACKAGE, "profile")
    request = prompt.render(
        persona=fence("persona", persona.text),
        findings=fence("findings", "\n".join(f"- {finding}" for finding in findings)),
        findings_rule=prompt.find_phrase("findings_rule", "found" if findings else "none"),
        language=language_phrase(prompt, persona.language),
    )
    return await model.ask(request, _profile_schema(persona, model.name, prompt, only_evident=only_evident), context)


def _profile_schema(persona: Persona, model: str, prompt: Prompt, *, only_evident: bool) -> AnswerSchema[Profile]:
    def check_profile(answer: object) -> Profile:
        parsed = parse_profile(answer, persona, model=model, prompt=f"{prompt.name}@{prompt.version}")
        return parsed.without_assumptions() if only_evident else parsed

    return AnswerSchema("profile", profile_schema(), check_profile)


#: Model and prompt of such profiles in the table.
_MODEL, _PROMPT = "import", "columns@1"

_PLACES = ("city", "town", "municipality", "county", "state", "province", "region", "country")
#: The names of columns that may hold an attribute.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "age_band": ("age_band", "age"),
    "occupation": ("occupation", "job", "job_title", "profession"),
    "occupation_group": ("occupation_group",),
    "education": ("education", "education_level", "highest_education"),
    "household": ("household", "household_type"),
    "languages": ("languages",),
    "interests": ("interests", "hobbies", "hobbies_and_interests_list"),
    "values": ("values",),
    "favourite_colour": ("favourite_colour", "favorite_color"),
    "favourite_number": ("favourite_number", "favorite_number"),
    **{trait: (trait,) for trait in ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")},
}
#: Levels of ISCED 2011 by names that are unambiguous everywhere.
_LEVELS: Mapping[str, int] = {
    "primary": 1, "primary school": 1, "primary education": 1, "lower secondary": 2, "upper secondary": 3,
    "high school diploma": 3, "bachelor": 6, "bachelors": 6, "bachelor's": 6, "bachelor's degree": 6,
    "bachelors degree": 6, "master": 7, "masters": 7, "master's": 7, "master's degree": 7, "masters degree": 7,
    "doctorate": 8, "doctoral": 8, "phd": 8, "doctoral degree": 8,
}  # fmt: skip
_SEPARATED = re.compile(r"\s*;\s*")
_OLDEST = 120


def profile_of_columns(persona: str, columns: Mapping[str, Any]) -> Profile | None:
    """Return the profile that the columns of a row state; None if they state nothing that a profile has.

    A value is used if it can mean one thing only, like an age of 34. Everything else stays a column.
    """
    by_name = {re.sub(r"[\s_-]+", "_", str(name).strip().casefold()): name for name in columns}
    known = {name: AttributeValue(None, Evidence.UNKNOWN) for name in ATTRIBUTES}
    for attribute, names in _NAMES.items():
        for column in (by_name[name] for name in names if name in by_name):
            value = _valid_value(attribute, _read_value(attribute, columns[column]))
            if value is not None:
                known[attribute] = AttributeValue(value, Evidence.STATED, f"{column}: {columns[column]}"[:300])
                break
    if region := _read_region(columns, by_name):
        known["region"] = region
    is_known = any(one.evidence is Evidence.STATED for one in known.values())
    return Profile(persona, known, _MODEL, _PROMPT) if is_known else None


def _read_value(attribute: str, value: Any) -> Any:
    if attribute == "age_band":
        return _age_band(value)
    if attribute == "education":
        return _LEVELS.get(value.strip().casefold().replace("_", " ").replace("’", "'")) if _is_text(value) else value
    if attribute in ("languages", "interests", "values"):
        return _SEPARATED.split(value.strip()) if _is_text(value) else value
    if attribute in ("occupation", "household", "favourite_colour"):
        return value
    number = _whole_number(value)
    return value if number is None else number


def _age_band(value: Any) -> str | None:
    age = _whole_number(value)
    if age is None:
        return value if _is_text(value) else None
    return None if not 0 <= age <= _OLDEST else "90+" if age >= 90 else f"{age // 10 * 10}-{age // 10 * 10 + 9}"


def _whole_number(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if math.isfinite(value) and value == int(value) else None
    return int(value) if _is_text(value) and re.fullmatch(r"\d{1,4}", value.strip()) else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _valid_value(attribute: str, value: Any) -> Any:
    """Return the value if the attribute can have it, else None."""
    if value is None:
        return None
    answer = {"words": "", "evidence": Evidence.STATED, "value": value}
    try:
        return _attribute_types()[attribute].validate_python(answer).value
    except ValidationError:
        return None


@cache
def _attribute_types() -> Mapping[str, TypeAdapter[Any]]:
    kinds = {name: field.annotation for name, field in AnsweredProfile.model_fields.items()}
    return {name: TypeAdapter(kind) for name, kind in kinds.items() if kind is not None}


def _read_region(columns: Mapping[str, Any], by_name: Mapping[str, Any]) -> AttributeValue | None:
    there = [by_name[name] for name in _PLACES if name in by_name and _is_text(columns[by_name[name]])]
    value = _valid_value("region", ", ".join(columns[name].strip() for name in there))
    words = "; ".join(f"{name}: {columns[name]}" for name in there)[:300]
    return AttributeValue(value, Evidence.STATED, words) if value is not None else None


#: The languages whose labels are understood.
LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "ja", "pt", "sw", "zh")

_TABLE = "tie_words.toml"
_SETTINGS = ("head", "of", "otherwise")
#: Models write labels in English about people of any language.
_ALWAYS = ("en",)
#: Languages that are unambiguous by script when none is stated; Chinese and Japanese share theirs.
_UNSTATED = {"und": ("ar", "hi")}
_ARTICLE = "\u0627\u0644"
_APOSTROPHES = re.compile("['\u2019]")
_HYPHENS = re.compile("[-\u2010\u2011\u2013]")
_MARKS = '.,;:!?()[]"\u201c\u201d\u201e\u00ab\u00bb'


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a label: what the target is to the source."""

    #: parent, child, grandparent, grandchild, sibling, spouse, employer, colleague, or other for one without a rule.
    relation: str
    #: Whether the tie is by marriage, adoption, former or the like, so that no age follows from it.
    is_otherwise: bool


@dataclass(frozen=True, slots=True)
class _Language:
    """The words of one language, and the structure of its labels."""

    head: str
    of: frozenset[str]
    otherwise: re.Pattern[str]
    #: The relation by the words of a phrase, or by its letters where there are no spaces.
    phrases: Mapping[str, str]
    #: Words, or letters, of the longest phrase.
    longest: int

    def read(self, label: str) -> Meaning | None:
        """The meaning of a label in lower case, if it is in this language."""
        found = next((phrase for phrase in self._head_candidates(label) if phrase in self.phrases), None)
        if found is None or self._is_of_another(label, found):
            return None
        return Meaning(self.phrases[found], self.otherwise.search(label) is not None)

    def _head_candidates(self, label: str) -> Iterator[str]:
        """The parts of a label that may be its head, the longest first."""
        if self.head == "end":
            yield from (label[-size:] for size in range(min(self.longest, len(label)), 0, -1))
            return
        words = _label_words(label)
        if self.head == "alone":
            yield from _lone_words(words)
            return
        for size in range(min(self.longest, len(words)), 0, -1):
            if self.head != "first":
                yield " ".join(words[-size:])
            if self.head != "last":
                yield " ".join(words[:size])

    def _is_of_another(self, label: str, found: str) -> bool:
        if self.head == "end":
            return not self.of.isdisjoint(label.removesuffix(found))
        rest = " ".join(_label_words(label)).replace(found, " ", 1)
        return not self.of.isdisjoint(_APOSTROPHES.sub(" ", rest).split())


def read_label(label: str, languages: Iterable[str] = ()) -> Meaning | None:
    """The meaning of a label in English, in one of these languages (BCP 47), or by its script.

    The longest known phrase counts. None for an unknown label, and for a relative of somebody else ("mother of her
    pupil").
    """
    folded = unicodedata.normalize("NFC", label.strip().casefold())
    tags = [language.partition("-")[0].lower() for language in languages]
    spoken = dict.fromkeys((*tags, *_ALWAYS, *(tag for one in tags for tag in _UNSTATED.get(one, ()))))
    known = _known_languages()
    found = (known[language].read(folded) for language in spoken if language in known)
    return next((meaning for meaning in found if meaning is not None), None)


@cache
def _known_languages() -> Mapping[str, _Language]:
    table = tomllib.loads(files(__package__).joinpath(_TABLE).read_text(encoding="utf-8"))
    return {language: _parse_language(table[language]) for language in LANGUAGES}


def _parse_language(entry: Mapping[str, Any]) -> _Language:
    relations = {name: words for name, words in entry.items() if name not in _SETTINGS}
    phrases = {_fold_phrase(word): relation for relation, words in relations.items() for word in words}
    return _Language(
        entry["head"],
        frozenset(entry.get("of", ())),
        re.compile(entry["otherwise"]),
        phrases,
        max(len(phrase) if entry["head"] == "end" else len(phrase.split()) for phrase in phrases),
    )


def _fold_phrase(word: str) -> str:
    return " ".join(_label_words(unicodedata.normalize("NFC", word.casefold())))


def _label_words(text: str) -> list[str]:
    """The words of a label; a hyphen separates words."""
    return [word for part in _HYPHENS.sub(" ", text).split() if (word := part.strip(_MARKS))]


def _lone_words(words: Sequence[str]) -> Iterator[str]:
    """The whole label; and its first word without the article, when the second is an adjective."""
    yield " ".join(words)
    has_article = [word.startswith(_ARTICLE) for word in words]
    if has_article == [True] or has_article == [True, True]:
        yield words[0].removeprefix(_ARTICLE)


_EDUCATION = (
    "early childhood education",
    "primary school",
    "lower secondary school",
    "upper secondary school",
    "training after school",
    "short-cycle tertiary education",
    "bachelor's degree",
    "master's degree",
    "doctorate",
)
_TOLD = {
    "age_band": "aged {}",
    "occupation": "{}",
    "education": "education: {}",
    "household": "household: {}",
    "region": "lives in {}",
    "languages": "speaks {}",
    "interests": "likes {}",
    "values": "holds to {}",
    "favourite_colour": "favourite colour {}",
    "favourite_number": "favourite number {}",
    "family_background": "family: {}",
    "life_events": "events: {}",
}


def told_facts(values: Mapping[str, Any], *, most: int | None = None) -> str:
    """The known attributes in one line, or the first `most` of them; empty when nothing is known."""
    facts = [
        form.format(_describe_value(name, values[name]))
        for name, form in _TOLD.items()
        if values.get(name) not in (None, [])
    ]
    return "; ".join(facts[:most])


def _describe_value(name: str, value: Any) -> str:
    if name == "education":
        return _EDUCATION[value]
    return ", ".join(value) if isinstance(value, list) else str(value)


#: The most characters of a description, and the most facts, that the prompt gives about one of them.
_PERSON = 300
_MOST_FACTS = 5
_BACK = {"parent": "child", "child": "parent", "grandparent": "grandchild", "grandchild": "grandparent"}


@dataclass(frozen=True, slots=True)
class Tied:
    """A person to whom a persona is tied, with what a biography needs to know."""

    persona: str
    #: What the other is to the persona ("mother"), or what the persona is to the other.
    label: str
    #: Whether the label says what the other is.
    is_theirs: bool
    text: str
    #: What is known of the other by attribute; empty without a profile.
    values: Mapping[str, Any]

    def told(self, key: str) -> str:
        """The line of the prompt about this person."""
        tie = f"this person's {self.label}" if self.is_theirs else f"this person is their {self.label}"
        facts = told_facts(self.values, most=_MOST_FACTS)
        return f"{key}: {tie}: {canonical_text(self.text)[:_PERSON]}" + (f" ({facts})" if facts else "")

    def relation(self, language: str) -> str | None:
        """What the other is to the persona (parent, child, ...); None when the label does not say, or by marriage."""
        meaning: Meaning | None = read_label(self.label, [language])
        if meaning is None or meaning.is_otherwise:
            return None
        return meaning.relation if self.is_theirs else _BACK.get(meaning.relation)

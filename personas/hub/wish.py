"""What somebody wants of an import: which columns to read, and what is to be written beside each row."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import SetupError
from ..inputs import shown
from .formats import Shape

__all__ = ["ImportWish", "parse_mapping"]

type Meaning = Literal["text", "language", "source", "licence"]

_MEANINGS = ("text", "language", "source", "licence")
_TAG = r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$"
# SPDX expressions: ids, joined by AND, OR and WITH. What no list knows is written LicenseRef-NAME.
_LICENCE = r"^\(*[A-Za-z0-9.:+-]+\)*( (AND|OR|WITH) \(*[A-Za-z0-9.:+-]+\)*)*$"
_WAYS_OUT = {
    "licence": "an SPDX expression such as CC-BY-4.0, or LicenseRef-NAME for one that SPDX does not list",
    "language": "a BCP 47 tag such as en or pt-BR",
    "format": f"one of {', '.join(Shape)}",
    "personal": "keep, pseudonymise, drop or ignore",
    "max_length": "a whole number of characters from 1",
}


class ImportWish(BaseModel):
    """What is asked of an import; whatever is not asked for is taken from the file, or is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Columns by what they mean; what is not named is known by its name or is an attribute.
    mapping: Mapping[Meaning, str] = Field(default_factory=dict)
    #: The shape of the rows; recognised by their columns when it is not given.
    format: Shape | None = None
    #: What to call the source, instead of the file's name.
    source: str | None = Field(default=None, min_length=1)
    #: Licence of the source, its revision, and the language of the descriptions, where no column states it.
    licence: str | None = Field(default=None, pattern=_LICENCE)
    revision: str | None = Field(default=None, min_length=1)
    language: str | None = Field(default=None, pattern=_TAG)
    #: What becomes of personal data in descriptions, as `Policy` names it; `ignore` does not look for any.
    personal: Literal["keep", "pseudonymise", "drop", "ignore"] = "keep"
    #: Whether descriptions are judged by the rules of quality. Those of a published collection are their authors'.
    quality: bool = False
    #: Stop at the first row that cannot be imported, instead of leaving it out.
    strict: bool = False
    #: What whoever meets a strict import is told to do about a row that cannot be imported.
    way_out: str = "mend it, or leave --strict away to skip such rows"
    #: A template by which descriptions are composed of columns, as `A {age}-year-old [{occupation} ]in {city}`.
    compose: str | None = Field(default=None, min_length=1)
    #: Characters that a description may have.
    max_length: int = Field(default=20_000, ge=1)

    @classmethod
    def given(cls, **options: Any) -> Self:
        """A wish from options of which some are None, that is, not given. Raises `SetupError` in one sentence."""
        try:
            return cls.model_validate({name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0])
            wanted = _WAYS_OUT.get(name, "something that is not empty")
            raise SetupError(f"{name} must be {wanted}, but {shown(first['input'])} was given.") from error

    def settings(self) -> dict[str, Any]:
        """What, besides the file itself, decides what is written: the same settings make the same import."""
        said = self.model_dump(mode="json", exclude={"strict", "way_out"})
        # Hubs from before there were judges of imports, and templates, say nothing of them.
        earlier = {"personal": "ignore", "quality": False, "compose": None}
        return {name: value for name, value in said.items() if (name, value) not in earlier.items()}


def parse_mapping(items: Sequence[str]) -> dict[str, str]:
    """Columns by meaning, of items such as `text=bio`. Raises `SetupError` for one that means nothing."""
    mapping: dict[str, str] = {}
    for item in items:
        meaning, equals, column = item.partition("=")
        if meaning not in _MEANINGS or not equals or not column:
            raise SetupError(
                f"--map takes MEANING=COLUMN with a meaning of {', '.join(_MEANINGS)}, as --map text=bio, "
                f"but {shown(item)} was given; all other columns are kept as attributes."
            )
        if meaning in mapping:
            raise SetupError(f"--map gives {meaning!r} two columns, {mapping[meaning]!r} and {column!r}; give one.")
        mapping[meaning] = column
    return mapping

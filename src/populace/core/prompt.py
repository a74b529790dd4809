"""Prompts are data: one TOML file each, with a name and a version, rendered here and nowhere else.

Text that comes from outside (a passage, a persona, what somebody said) stands between delimiters and is never
read as an instruction: `fence` writes it there, and escapes whatever in it would close the delimiter.
"""

import random
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Literal

from .errors import SetupError, parameter
from .inputs import nearest

_LANGUAGE_NAMES = "language_names.toml"
#: What follows the language in a BCP 47 tag.
_REGION = re.compile(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*")

#: Tags of the sections of our prompts.
_SECTIONS = (
    "world|persona|neighbours|now|goal|news|memory|tools|heard|conversation|posts|task|earlier|known|passage|profile|skill|findings"
    "|example|output|questions|question|result|request|sheet|other|relation|tool|message-\\d+"
)

type Role = Literal["system", "user", "assistant"]
type PromptMessage = tuple[Role, str]


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """The messages of one request, and the prompt they were made from."""

    name: str
    version: int
    messages: tuple[PromptMessage, ...]
    #: What the messages were rendered from.
    template: "Prompt | None" = field(default=None, compare=False, repr=False)
    slots: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def drawn(self) -> Mapping[str, str]:
        """The words whose phrases stand in the slot `angle`, by their tables."""
        if self.template is None:
            return {}
        shown = self.slots.get("angle", "")
        words = {table: self.template.word_in(table, shown) for table in self.template.draws}
        return {table: word for table, word in words.items() if word}

    def followed_by(self, answer: str, reply: str) -> "RenderedPrompt":
        """Return the same conversation after the model's `answer` and our `reply` to it."""
        return replace(self, messages=(*self.messages, ("assistant", answer), ("user", reply)))


@dataclass(frozen=True, slots=True)
class Prompt:
    """A named, versioned template: `$name` marks a slot."""

    name: str
    version: int
    #: What it is for and where it comes from, for readers of `populace list prompts`.
    about: str
    user: str
    system: str = ""
    #: Ready phrases for a slot, by slot and by the word a caller chooses them with.
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: The tables among `choices` of which each request shows one phrase, drawn anew for each, in this order.
    draws: Sequence[str] = ()
    #: What does not go together: table, word, another table, words of that one.
    never: Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]] = field(default_factory=dict)
    #: Words of tables that a setting has chosen, which are not drawn.
    fixed: Mapping[str, str] = field(default_factory=dict)

    def render(self, **slots: str) -> RenderedPrompt:
        """Fill the slots. Raises `KeyError` for a slot that was not given; values are never read for slots."""
        parts: tuple[PromptMessage, ...] = (("system", self.system), ("user", self.user))
        messages = tuple((role, _fill_template(text, slots)) for role, text in parts if text)
        return RenderedPrompt(self.name, self.version, messages, self, slots)

    def find_phrase(self, slot: str, word: str) -> str:
        """Return the ready phrase for `word` in `slot`. Raises `SetupError` naming the known words."""
        phrases = self.choices[slot]
        if word not in phrases:
            raise SetupError(
                f"{slot.capitalize()} {word!r} is unknown to prompt {self.name}; choose one of {', '.join(phrases)}."
            )
        return phrases[word]

    def drawn(self, slot: str, seed: int) -> str:
        """Return one of the ready phrases of `slot`, drawn by `seed`: the same in every process."""
        rng = random.Random(f"{self.name} {slot} {seed}")  # noqa: S311 - a choice of words, no secret
        return rng.choice(list(self.choices[slot].values()))

    def drawn_words(self, seed: int) -> Mapping[str, str]:
        """Draw a word of each table in `draws` that is not fixed, each by a hash of its own.

        A table is drawn from the words that go with those before it. A word is not drawn if its phrase is empty or if
        it is `other`. A table of which no word goes with the others is left out.
        """
        words = dict(self.fixed)
        for table in self.draws:
            if table in self.fixed:
                continue
            phrases = self.choices[table]
            fitting = [w for w in phrases if phrases[w] and w != "other" and self._fits_drawn(table, w, words)]
            if fitting:
                rng = random.Random(f"{self.name} {table} {seed}")  # noqa: S311 - a choice of words, no secret
                words[table] = rng.choice(fitting)
        return {table: word for table, word in words.items() if table not in self.fixed}

    def word_in(self, table: str, text: str) -> str:
        """Return the word of a table whose phrase is in `text`; empty if there is none."""
        phrases = self.choices.get(table, {})
        return next((word for word, phrase in phrases.items() if phrase and phrase in text), "")

    def _fits_drawn(self, table: str, word: str, words: Mapping[str, str]) -> bool:
        return not any(
            other_word in self.never.get(table, {}).get(word, {}).get(other, ())
            or word in self.never.get(other, {}).get(other_word, {}).get(table, ())
            for other, other_word in words.items()
        )


def _fill_template(template: str, slots: Mapping[str, str]) -> str:
    literals, names = template_parts(template)
    parts = [literals[0]]
    for name, literal in zip(names, literals[1:], strict=True):
        parts += (slots[name], literal)
    text = "".join(parts)
    # An empty slot on a line of its own leaves no gap behind.
    return (re.sub(r"\n{3,}", "\n\n", text) if "\n\n\n" in text else text).strip()


@cache
def template_parts(template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split a template into its literal texts and the slots between them.

    Raises `ValueError` for a `$` that marks no slot.
    """
    literals, names, end = [""], [], 0
    for found in Template.pattern.finditer(template):
        literals[-1] += template[end : found.start()]
        end = found.end()
        if found["escaped"] is not None:
            literals[-1] += "$"
        elif name := found["named"] or found["braced"]:
            names.append(name)
            literals.append("")
        else:
            raise ValueError(f"a `$` that marks no slot stands before {template[end : end + 20]!r}; write `$$` for $")
    literals[-1] += template[end:]
    return tuple(literals), tuple(names)


@cache
def format_string(template: str) -> str:
    """Convert a template to a string for `format`, which is faster.

    Raises `ValueError` for a `$` that marks no slot.
    """
    first, *others = (literal.replace("{", "{{").replace("}", "}}") for literal in template_parts(template)[0])
    return first + "".join(
        f"{{{slot}}}{after}" for slot, after in zip(template_parts(template)[1], others, strict=True)
    )


def fence(tag: str, text: str, **attributes: str) -> str:
    """Put `text` between `<tag>` and `</tag>` on lines of their own; empty text gives the empty string.

    Anything in `text` that opens this section or another one of our prompts, or closes any tag, is escaped. No text can
    leave its fence, nor seem to begin or leave that of another part.
    """
    inside = text.strip()
    if not inside:
        return ""
    if "<" in inside:
        inside = re.sub(rf"<(?=\s*/|\s*(?:{re.escape(tag)}|{_SECTIONS})\b)", "&lt;", inside, flags=re.IGNORECASE)
    written = "".join([f' {name}="{value}"' for name, value in attributes.items()])
    return f"<{tag}{written}>\n{inside}\n</{tag}>"


def language_phrase(prompt: Prompt, tag: str) -> str:
    """Return how `prompt` asks for answers in the language with BCP 47 tag `tag`, by its name if that is known."""
    phrases = prompt.choices["language"]
    return phrases.get(tag) or Template(phrases["other"]).substitute(name=language_name(tag))


def language_name(tag: str) -> str:
    """Return the English name of the language with BCP 47 tag `tag`: "German", "Brazilian Portuguese".

    Names are those of the Unicode CLDR. Varieties without a name are named like "Portuguese (pt-AO)".
    """
    names = _language_names()
    base = tag.partition("-")[0].lower()
    if found := names.get(tag):
        return found[0]
    return f"{names[base][0]} ({tag})" if base in names else f"the language whose BCP 47 tag is {tag}"


def find_language(given: str) -> str:
    """Find the BCP 47 tag of a language by its tag, its English name, its own name or another usual one.

    Case and accents do not matter: "German", "deutsch", "Brazilian Portuguese", "Mandarin", "Farsi", "PT_br". Raises
    `SetupError` for any other name.
    """
    by_name = _tags_by_name()
    if (found := by_name.get(_plain_name(given))) is not None:
        return found
    tag, dash, region = given.strip().replace("_", "-").partition("-")
    if tag.lower() in _language_names() and (not dash or _REGION.fullmatch(region)):
        return f"{tag.lower()}{dash}{region}"
    known = [name for names in _language_names().values() for name in names] if len(given) > 3 else _language_names()
    hint = nearest(given.strip().title() if len(given) > 3 else given, known)
    raise SetupError(
        f"{parameter('language')} {given!r} is no language of the {len(_language_names())} that are known{hint}; give "
        "its English name, its own name or its tag, as German, Deutsch, de or pt-BR."
    )


def _plain_name(name: str) -> str:
    """Return a name or a tag without case, accents and word separators."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.split(r"[-_\s]+", plain.strip()))


@cache
def _language_names() -> Mapping[str, list[str]]:
    return tomllib.loads(files(__package__).joinpath(_LANGUAGE_NAMES).read_text(encoding="utf-8"))


@cache
def _tags_by_name() -> Mapping[str, str]:
    # Later ones give way: a name that two languages have is that of the first in the file.
    named = [(name, tag) for tag, names in _language_names().items() for name in (tag, *names)]
    return {_plain_name(name): tag for name, tag in reversed(named)}


def load_prompt(package: str, name: str) -> Prompt:
    """Load the prompt `name` from the `prompts/` of `package` (such as `populace.agents`).

    Raises `KeyError` if there is none.
    """
    return _load_prompts(package)[name]


def read_prompt(path: Path | str) -> Prompt:
    """Read the prompt in a TOML file, for a scenario's own actions, checks and stages.

    Raises `SetupError` if the file is missing or holds none.
    """
    try:
        return _parsed_file(Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise SetupError(
            f"{str(path)!r} holds no prompt ({str(error).rstrip('.')}); a prompt is a TOML file with name, version, "
            f"about, user and, where it has one, system."
        ) from error


def iter_prompts(package: str) -> Iterator[Prompt]:
    """Yield the prompts of a package by name."""
    yield from _load_prompts(package).values()


@cache
def _load_prompts(package: str) -> Mapping[str, Prompt]:
    entries = [entry for entry in files(package).joinpath("prompts").iterdir() if entry.name.endswith(".toml")]
    found = [_parsed_file(entry.read_text(encoding="utf-8")) for entry in entries]
    return {prompt.name: prompt for prompt in sorted(found, key=lambda prompt: prompt.name)}


def _parsed_file(text: str) -> Prompt:
    prompt = Prompt(**tomllib.loads(text))
    for template in (prompt.system, prompt.user):
        template_parts(template)
    _check_tables(prompt)
    return prompt


def _check_tables(prompt: Prompt) -> None:
    """Raise `ValueError` where `draws` or `never` names a table or a word that the prompt does not have."""
    named = [(table, "") for table in prompt.draws]
    for table, entries in prompt.never.items():
        for word, excluded in entries.items():
            named += [(table, word), *((other, one) for other, words in excluded.items() for one in words)]
    for table, word in named:
        if table not in prompt.choices:
            raise ValueError(f"it names the table {table!r} and has no [choices.{table}]")
        if word and word not in prompt.choices[table]:
            raise ValueError(f"it names the word {word!r}, which [choices.{table}] does not have")

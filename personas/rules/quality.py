"""Whether a description describes one person, from outside, in the language that was asked for."""

from dataclasses import replace

from ..judging import Judge, Ruling
from ..persona import canonical_text
from ..words import words
from .leaks import find_leak, find_refusal
from .personal import find_personal
from .reference import find_reference
from .speaker import from_outside, speaks_of_itself, speaks_to_somebody
from .tongue import is_other_language

__all__ = ["QUALITY_RULES", "quality_judge"]

#: What a judge of quality may find, in the order in which it looks.
QUALITY_RULES = (
    "too_short",
    "too_long",
    "refusal",
    "template_leak",
    "refers_to_unnamed",
    "first_person",
    "second_person",
    "other_language",
)

#: Fewest and most distinct words; the paper's shortest personas have three.
_FEWEST, _MOST = 3, 150


def quality_judge(language: str | None = None) -> Judge:
    """A judge by all rules of quality, the first that speaks; `language` is the BCP 47 tag of what was asked for.

    A description in the first person, or one that tells the reader who they are, is rewritten where that is sure
    (English, `I am a ...` or `You are a ...`, and nothing more of its kind behind it) and turned away where it is not.
    A language is told by its script and by its commonest words; where both leave doubt, nothing is said.
    """
    rules: tuple[Judge, ...] = (_length, _refusal, _leak, _unnamed, _first_person, _second_person)

    def judge(text: str) -> Ruling | None:
        line = canonical_text(text)
        for rule in rules:
            ruling = rule(line)
            if ruling is not None:
                return _as_it_stands(ruling, text)
        return _language(line, language) if language else None

    return judge


def _as_it_stands(ruling: Ruling, text: str) -> Ruling:
    """The ruling with line breaks and blanks of a rewritten description as they came."""
    return ruling if ruling.text is None else replace(ruling, text=from_outside(text) or ruling.text)


def _length(text: str) -> Ruling | None:
    count = len(words(text))
    if count < _FEWEST:
        return Ruling("too_short", f"It has {count} different words, and a description needs {_FEWEST}.")
    if count > _MOST:
        return Ruling("too_long", f"It has {count} different words, and a description may have {_MOST}.")
    return None


def _refusal(text: str) -> Ruling | None:
    return _found("refusal", find_refusal(text), "It declines to describe anybody")


def _leak(text: str) -> Ruling | None:
    return _found("template_leak", find_leak(text), "It holds what belongs to a prompt or an answer")


def _unnamed(text: str) -> Ruling | None:
    return _found("refers_to_unnamed", find_reference(text), "It refers to somebody or something that it does not name")


def _found(rule: str, said: str | None, reason: str) -> Ruling | None:
    if not said:
        return None
    # A reason may outlive the description that it is for, and must not tell what that told.
    shown = f": {said!r}" if not find_personal(said) else ""
    return Ruling(rule, f"{reason}{shown}.")


def _first_person(text: str) -> Ruling | None:
    if not speaks_of_itself(text):
        return None
    return _turned("first_person", "in the first person", text)


def _second_person(text: str) -> Ruling | None:
    if not speaks_to_somebody(text):
        return None
    return _turned("second_person", "to the reader", text)


def _turned(rule: str, how: str, text: str) -> Ruling:
    changed = from_outside(text)
    if changed is None:
        return Ruling(rule, f"It speaks {how}.")
    return Ruling(rule, f"It spoke {how}.", is_kept=True, text=changed)


def _language(text: str, language: str) -> Ruling | None:
    if not is_other_language(text, language):
        return None
    return Ruling("other_language", f"It is not written in {language!r}, in which it was asked for.")

"""Whether a description describes one person, from outside, in the language that was asked for."""

from typing import Literal

from ..judging import Judge, Ruling
from ..persona import canonical_text
from ..words import words
from .leaks import find_leak, find_refusal
from .personal import find_personal
from .reference import find_reference
from .speaker import from_outside, in_third_person, speaks_of_itself, speaks_to_somebody
from .tongue import is_other_language

__all__ = ["FIRST_PERSON", "QUALITY_RULES", "FirstPerson", "quality_judge", "rewriting_judge"]

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

#: The rule on descriptions in the first person, and what may become of them.
FIRST_PERSON = "first_person"
type FirstPerson = Literal["turn-away", "rewrite", "keep"]

#: Fewest and most distinct words; the paper's shortest personas have three.
_FEWEST, _MOST = 3, 150


def quality_judge(language: str | None = None, *, first_person: FirstPerson = "turn-away") -> Judge:
    """A judge by all rules of quality, the first that speaks; `language` is the BCP 47 tag of what was asked for.

    A description in the first person, or one that tells the reader who they are, is rewritten where that is sure
    (English, `I am a ...` or `You are a ...`, and nothing more of its kind behind it) and turned away where it is not.
    With `first_person` as `rewrite`, whole texts in the first person are put into the third where rules can do it, and
    the others are kept; as `keep`, all are.
    A language is told by its script and by its commonest words; where both leave doubt, nothing is said.
    """
    of_itself = {"turn-away": _first_person, "rewrite": _rewritten, "keep": _kept}[first_person]
    rules: tuple[Judge, ...] = (_length, _refusal, _leak, _unnamed, of_itself, _second_person)

    def judge(text: str) -> Ruling | None:
        kept = None
        for rule in rules:
            ruling = _said(rule, text)
            if ruling is not None and (ruling.text is not None or not ruling.is_kept):
                return ruling
            kept = kept or ruling
        return (_language(text, language) if language else None) or kept

    return judge


def rewriting_judge() -> Judge:
    """A judge that rewrites who speaks of themselves, or to the reader, as a judge of quality did; it says no more."""
    rules: tuple[Judge, ...] = (_rewritten, _second_person)

    def judge(text: str) -> Ruling | None:
        rulings = (_said(rule, text) for rule in rules)
        return next((ruling for ruling in rulings if ruling is not None and ruling.text is not None), None)

    return judge


def _said(rule: Judge, text: str) -> Ruling | None:
    """What a rule says of the canonical text; line breaks and blanks of a description that it rewrites stay."""
    ruling = rule(canonical_text(text))
    if ruling is None or ruling.text is None:
        return ruling
    as_it_came = rule(text)
    return ruling if as_it_came is None or as_it_came.text is None else as_it_came


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
    return _turned(FIRST_PERSON, "in the first person", text)


def _rewritten(text: str) -> Ruling | None:
    if not speaks_of_itself(text):
        return None
    changed = in_third_person(text)
    if changed is None or find_reference(changed):
        return Ruling(FIRST_PERSON, "It speaks in the first person, and no rule rewrites it for sure.", is_kept=True)
    return Ruling(FIRST_PERSON, "It spoke in the first person.", is_kept=True, text=changed)


def _kept(text: str) -> Ruling | None:
    return Ruling(FIRST_PERSON, "It speaks in the first person.", is_kept=True) if speaks_of_itself(text) else None


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

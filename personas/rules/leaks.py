"""What belongs to a prompt or to an answer, and not to a description: slots, headings, announcements, refusals."""

import re
from functools import cache

from .found import KINDS
from .tongue import beginning, tongues

__all__ = ["find_leak", "find_refusal"]

_LEAK = re.compile(
    r"\{\w+\}|\{\{|\{\s*\"\w+\"\s*:|<\|?\w[\w |]*\|?>|```|^\W*#{1,6} \w"
    r"|\[(?!(?:sic|" + "|".join(KINDS) + r")\])[^\W\d_][\w '’/|-]{1,40}\]"
    r"|\blorem ipsum\b"
    r"|^\W*(?:persona|person|character|profile|description|answer|output|response|result|task|example|text|user|"
    r"assistant|system|personne|personnage|person[ae]je?|beschreibung|descripción|description|descrição|descrizione|"
    r"人物|角色|用户画像|ペルソナ|페르소나|персона|شخصية)(?: (?:no\.? ?)?#?\d+| [A-Z](?=[:.)]))?\W{0,3}[:：]"
    r"|^\W*(?:persona|person) #?\d+\b"
    r"|^\W*\d{1,2}[.)] +(?:an?|the)\b"
    r"|(?:^|[.!?:] )\W*(?:please )?(?:respond|reply|return|answer|output|write|provide)\b.{0,40}\bjson\b",
    re.IGNORECASE,
)


def find_leak(text: str) -> str | None:
    """What stands in the text and belongs to a prompt, or to an answer around the description; None for nothing."""
    return _said(_LEAK.search(text) or _announcement().search(text))


def find_refusal(text: str) -> str | None:
    """The words with which the text, in any language that is known, declines to describe anybody; else None."""
    return _said(_refusal().search(text))


def _said(match: re.Match[str] | None) -> str | None:
    return match[0].strip() if match else None


@cache
def _announcement() -> re.Pattern[str]:
    return beginning(tongue.here for tongue in tongues().values())


@cache
def _refusal() -> re.Pattern[str]:
    return beginning(tongue.sorry for tongue in tongues().values())

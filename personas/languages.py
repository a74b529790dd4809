"""The languages of texts that nobody has stated: English by its commonest words, all others by a statistical model.

The model is that of py3langid (a naive Bayes classifier over byte n-grams; Lui and Baldwin, "langid.py: An
off-the-shelf language identification tool", ACL 2012), which comes with its package.
"""

import re
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .persona import canonical_text
from .source import UNKNOWN_LANGUAGE

__all__ = ["detect_languages"]

#: A language that is less probable than this is not known.
_LEAST = 0.7
#: Living languages with many writers; among more of them, short texts are taken for rare ones.
_CANDIDATES = (
    "af am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl gu ha he hi hr hu hy id ig is it ja ka kk km "
    "kn ko ky lo lt lv mk ml mn mr ms mt my ne nl no pa pl ps pt ro ru si sk sl so sq sr sv sw ta te tg th tl tr uk ur "
    "uz vi yo zh zu"
)
#: Words that no other language has in common use, as RE2 finds them. Two of them are English, and so is an article at
#: the beginning before a preposition; beside words of another language they say nothing.
_ENGLISH = r"(?i)\b(?:the|who|whose|with|their|they|from|which|that|while|through|about|into|been|works|working)\b"
_BEGUN = r"^\s*(?:An?|The)\s.*\b(?:who|whose|with|from|that|of|and|for|near|at|by|works|working|his|her)\b"
_OTHERS = (
    r"(?i)\b(?:der|das|und|ein|eine|einer|nicht|het|een|les|une|des|et|qui|que|los|las|una|por|para|con|che|della|"
    r"uma|não|och|som|att|og|på|til|jest|nie|się|ve|bir|yang|dan|dengan)\b"
)
#: Chinese characters and nothing that tells which of their languages it is.
_HAN = re.compile(r"[^\W\d_]+")
_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\uac00-\ud7af]")
_FEWEST_HAN = 10


def detect_languages(texts: pa.Array) -> list[str]:
    """The BCP 47 tag of each text's language, `und` where that is uncertain: of a few words, or a name alone."""
    is_said = pc.or_(pc.greater(pc.count_substring_regex(texts, _ENGLISH), 1), pc.match_substring_regex(texts, _BEGUN))
    is_english = pc.and_not(is_said, pc.match_substring_regex(texts, _OTHERS))
    found = pc.if_else(is_english, "en", None).to_pylist()
    return [_classified(texts[place].as_py()) if tag is None else tag for place, tag in enumerate(found)]


def _classified(text: str) -> str:
    text = canonical_text(text)
    letters = "".join(_HAN.findall(text))
    is_han = bool(letters) and all("\u3400" <= letter <= "\u9fff" for letter in letters)
    if not letters or (is_han and len(letters) < _FEWEST_HAN):
        return UNKNOWN_LANGUAGE
    tag, probability = _classifier().classify(text)
    if tag == "zh" and _KANA_OR_HANGUL.search(text):
        return UNKNOWN_LANGUAGE
    return str(tag) if probability >= _LEAST else UNKNOWN_LANGUAGE


@cache
def _classifier() -> Any:
    # Half a second to load, for which English texts have no use.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    classifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    classifier.set_languages(_CANDIDATES.split())
    return classifier

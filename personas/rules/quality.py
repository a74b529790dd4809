"""Rules of quality: a description is of one person, from outside, in the language asked for, and not degenerate."""

import re
from functools import cache
from typing import Any

import numpy as np
from arro3.core import ChunkedArray, Table

from ...core.arrow import engine, make_array, make_table, set_column
from ...core.text import UNSPACED, canonical_text, word_list, words
from ..judgement import Judge, RuleResult
from .contacts import KINDS
from .languages import (
    from_outside,
    is_in_language,
    known_languages,
    match_beginning,
    name_words,
    read_words,
    speaks_of_itself,
    speaks_to_somebody,
)
from .names import harmless_words
from .personal import find_personal

#: Characters read at either end of a text: loops run to the end, and a longer text is no line, list or placeholder.
_END = 12_000

#: Words in a row, and the most distinct ones among them in a loop. Prose has twice as many, and so have refrains.
_WINDOWS = ((15, 3), (20, 5), (24, 7), (32, 11), (36, 13), (60, 22), (120, 42), (240, 76))
#: The same of puzzles, which name the same things over and over.
_PUZZLE_WINDOWS = ((15, 3), (20, 5), (48, 12), (120, 30), (240, 60))
#: A pair of words that alternates, and one word alone; a character that is a word counts less.
_ALTERNATING, _REPEATED, _REPEATED_CHARACTER = 10, 12, 20
#: Words of a text that is said twice, at least.
_SAID_TWICE = 8
_ONE_LETTER = re.compile(r"([^\W\d_])\1{19,}")
#: Owners of owners: "the boss of the uncle of the nurse of ...", "my cousin's boss's aunt's ...".
_CHAIN = re.compile(
    r"(?:\b(?:of|from) (?:(?:the|an?|my|his|her|their) )?[\w-]{1,30} ?){6}"
    r"|(?:\b[\w-]{1,30}['’]s ){5}"
    r"|(?:\b(?:des|eines|meines|seines|ihres|der|einer|meiner|seiner|ihrer|vom|von (?:der|dem)) [\w-]{1,30} ?){6}"
    r"|(?:\b(?:del|de (?:el|la|los|las|una?|su|mi)|d[ou]|da|de la) [\w-]{1,30} ?){6}"
    r"|(?:[^\W\d_的の]{1,6}[的の]){6}",
    re.IGNORECASE,
)

#: Repeated words of a chain, at least, and owners where none is repeated: other texts need no search for one.
_CHAIN_REPEATS, _OWNERS = 2, 5

#: Fewest items of a list of nouns, and most words (or characters that are words) of an item.
_ITEMS, _ITEM_WORDS, _ITEM_CHARACTERS = 5, 4, 8
_SEPARATOR = re.compile(r"[,;，；、،|\n]")
#: Marks and numbers that a bare list has not.
_SENTENCE_MARK = re.compile(r"[:：!?！？…\"“”„«»「」()\d]|[.。](?!\s*$)")
_HAN_FUNCTION = re.compile(r"[的了是我你您他她它们这那在不没也都就还吗吧呢啊哦和跟把被给要会能可很]")

#: Words that no sentence ends with, where no mark follows. "Eine" and "mine" may end one, "unter eine" may not.
_DANGLING = re.compile(
    r"(?:(?<![\w'’])(?:the|and|or|your|our|their|(?<!just )because|although|whether|than|(?<!what )if|which of"
    r"|(?:under|into|like|with|in|on|of|from|is|was|at) an?|(?:from|in|on|at|under|into|of|with) my"
    r"|(?:from|in|on|at|under|into) (?:his|her|its)"
    r"|und|oder|weil|dass|obwohl|(?:nur|aber|und|dass) wenn|falls|(?:dass|weil|wenn) (?:unser|mein|dein|sein|ihr)e?"
    r"|(?:und|von|mit|für|ohne|unter|in|auf|neben|über) (?:eine|ein|mein|dein|sein|ihr|unser)e?[mnr]?"
    r"|(?:weil|dass|mit|von|in|auf|unter|für|welche[rs]?) (?:der|die|dem|den|des)"
    r"|(?:porque|aunque|pero|solo|que|y) (?:el|los|las|cuando|si|nuestr[oa]s?)|porque|aunque|que si|junto a"
    r"|(?:de|en|con|por|para|bajo|sobre|a) (?:los|las|el|una?|sus?|mis?)|[^\W\d_]{3,} (?:y|o|de|en|por|para|sin|con))"
    r"|(?:(?<![暖柔温平缓])和|或|或者|以及|并且|因为|如果|虽然|但是|可是|所以|从|(?<!一)把|(?<![棉盖])被|就|而且|其中的"
    r"|(?:在|从|到)(?:[他她它我你]的|一[个只条位])))$",
    re.IGNORECASE,
)
_OPEN_END = re.compile(r"(?<![:;=8])(?<![:;=8][-'^])[,，、;；(（\[„«「『]$")
_CLOSED = re.compile(r"[^\w\s,，、;；(（\[„«「『]$")
_PAIRS = (("(", ")"), ("（", "）"), ("„", "“”"), ("«", "»"), ("「", "」"), ("『", "』"))
_OPEN_QUOTE = re.compile(r'(?:^|[\s(])"\w[^"]*$|^[^„]*“[^”“]*$')
_FINISHED = re.compile(r"(?:[^.!?。！？\n]|[.](?=\w)){3,}(?:[.!?]+[\"'”’»)]*\s|[。！？][”’」』）]*)\s*")
#: Fewest characters in full sentences before the one that breaks off, and fewest of that; without spaces, half.
_BEFORE, _BROKEN = 40, 8

_BRACKETED = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|【[^【】]*】|[{}\s]*")
#: A longer text says something, whatever its words.
_LONGEST_PLACEHOLDER = 80


def find_loop(text: str, *, is_puzzle: bool = False) -> str:
    """Find words, phrases or sentences repeated over and over, or owners of owners without end."""
    if len(text) > 2 * _END:
        return find_loop(text[:_END], is_puzzle=is_puzzle) or find_loop(text[-_END:], is_puzzle=is_puzzle)
    tokens = [token for token in word_list(text) if not token.isdecimal()]
    repeats = len(tokens) - len(set(tokens))
    has_chain = repeats >= _CHAIN_REPEATS or text.count("'s ") + text.count("’s ") >= _OWNERS
    if found := _ONE_LETTER.search(text) or (has_chain and _CHAIN.search(text)):
        return found[0][:60].strip()
    half = len(tokens) // 2
    if half >= _SAID_TWICE and tokens[:half] == tokens[half:]:
        return " ".join(tokens[:half][:8])
    if repeats < _ALTERNATING - 2:
        return ""
    is_unspaced = len(tokens[-1]) == len(tokens[0]) == 1 and tokens[-1] in _unspaced_words(tokens)
    repeated = _REPEATED_CHARACTER if is_unspaced else _REPEATED
    windows = _PUZZLE_WINDOWS if is_puzzle else _WINDOWS
    for size, least, most in ((_ALTERNATING, 2, 2), (repeated, 1, 1), *((size, 1, most) for size, most in windows)):
        for at in range(0, len(tokens) - size + 1, size // 10 or 1):
            if least <= len(set(tokens[at : at + size])) <= most:
                return ("" if is_unspaced else " ").join(tokens[at : at + 8])
    return ""


def find_noun_list(text: str) -> str:
    """Find a text that is a bare list of nouns and names: no verb, no "and", no sentence."""
    if len(text) > _END or _SENTENCE_MARK.search(text):
        return ""
    items = [bare for item in _SEPARATOR.split(text.strip(" .。\n")) if (bare := item.strip())]
    if len(items) < _ITEMS or not all(map(_is_noun, items)):
        return ""
    return ", ".join(items[:4])


def find_cut(text: str, *, is_chat: bool = False) -> str:
    """Find the last words of a text that breaks off after a word that needs another, or, in prose, in a last sentence.

    Chat leaves out the last mark. A single sentence without one is not taken for cut, and with `is_chat` none is.
    """
    text = text.rstrip()
    line = text[-_END:].rpartition("\n")[2]
    if not line or _CLOSED.search(line):
        return ""
    is_spaced = not re.search(rf"[{UNSPACED}]$", line.rstrip(",，、;；(（"))
    shown = " ".join(line.split()[-4:]) if is_spaced else line[-8:]
    if len(word_list(line)) > 2 and (_DANGLING.search(line[-60:]) or _OPEN_END.search(line) or _has_open_pair(line)):
        return shown
    if is_chat:
        return ""
    last = count = 0
    while found := _FINISHED.match(line, last):
        last, count = found.end(), count + 1
    rest, scale = line[last:], 1 if is_spaced else 2
    if (
        count < 2
        or last * scale < _BEFORE
        or len(rest) * scale < _BROKEN
        or not _is_prose(line[:last], rest, is_spaced)
    ):
        return ""
    return shown


def has_content(text: str, *, reserved: tuple[str, ...] = ()) -> bool:
    """True if a text says anything: is more than marks, a placeholder, a word of a schema or a `reserved` word."""
    text = text.strip()
    if not re.search(r"[^\W_]", text) or (len(text) <= _LONGEST_PLACEHOLDER and _BRACKETED.fullmatch(text)):
        return False
    if len(text) > _LONGEST_PLACEHOLDER:
        return True
    bare = re.sub(r"[\W_]+", " ", text.casefold()).strip()
    bare = re.sub(r"(?<=\d)(?=[^\W\d])", " ", bare)
    if bare in {word.casefold() for word in reserved}:
        return False
    known, filler = _placeholder_patterns()
    left = known.sub(" ", bare)
    return left == bare or bool(filler.sub(" ", left).strip())


@cache
def _placeholder_patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    def word_pattern(*words: str) -> re.Pattern[str]:
        return re.compile(rf"(?<![^\W{UNSPACED}])(?:{'|'.join(words)})(?![^\W{UNSPACED}])")

    lists = read_words("text_faults")
    return word_pattern(*lists["placeholders"]), word_pattern(*lists["fillers"], r"\d+")


def _unspaced_words(tokens: list[str]) -> set[str]:
    return {token for token in tokens if re.match(rf"[{UNSPACED}]", token)}


def _is_noun(item: str) -> bool:
    if re.search(rf"[{UNSPACED}]", item):
        return len(item) <= _ITEM_CHARACTERS and not _HAN_FUNCTION.search(item)
    parts = item.lower().replace("'s", "").replace("’s", "").split()
    return len(parts) <= _ITEM_WORDS and function_words().isdisjoint(parts)


@cache
def function_words() -> frozenset[str]:
    """Return the commonest words of the known languages."""
    common = (language.common | language.self for language in known_languages().values())
    return frozenset().union(*common, ("i", "i'm", "it's", "don't", "my", "me", "you", "your", "not", "please"))


def _has_open_pair(line: str) -> bool:
    if (found := _OPEN_QUOTE.search(line)) and ("“" in found[0] or line.count('"') % 2):
        return True
    for opening, closing in _PAIRS:
        at = line.rfind(opening)
        before = line[max(0, at - 2) : at]
        if at >= 0 and not any(mark in line[at + 1 :] for mark in closing) and not re.search(r"[:;=][-']?$", before):
            return True
    return False


def _is_prose(before: str, rest: str, is_spaced: bool) -> bool:
    """True if the sentences are written out, so that a missing end is no habit, and the rest is no signature."""
    if not is_spaced:
        return True
    begun = re.findall(r"(?:^|[.!?]\s+)[\"'“„«(¿¡]*(\w)", before) + re.findall(r"\w", rest)[:1]
    words = rest.split()
    return all(letter.isupper() or not letter.islower() for letter in begun) and not all(w[0].isupper() for w in words)


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


@cache
def _announcement_pattern() -> re.Pattern[str]:
    return match_beginning(language.here for language in known_languages().values())


@cache
def _decline_pattern() -> re.Pattern[str]:
    return match_beginning(language.sorry for language in known_languages().values())


#: Words for people by their relation to another person, who is not named when nothing else is said.
_TIES = (
    "mother|father|mum|dad|parents?|son|daughter|child|children|brother|sister|siblings?|twin|wife|husband|spouse|"
    "widow|widower|partner|fianc[ée]e?|girlfriend|boyfriend|aunt|uncle|nephew|niece|cousin|grand(?:mother|father|son|"
    "daughter|child|parents?)|(?:step|foster|god)(?:mother|father|son|daughter|child|brother|sister)|"
    "(?:mother|father|son|daughter|brother|sister)-in-law|in-laws|friend|neighbou?r|colleague|co-?worker|workmate|"
    "classmate|roommate|flatmate|schoolmate|teammate|rival|competitor|acquaintance|apprentice|student|pupil|mentor|"
    "mentee|boss|employer|employee|supervisor|subordinate|assistant|patient|client|customer|landlord|landlady|"
    "tenant|doctor|nurse|carer|caregiver|teacher|tutor|coach|trainer|lawyer|accountant|therapist|hairdresser|"
    "barber|mechanic|gardener|cleaner|housekeeper|secretary|supplier|collaborator|successor|predecessor|enemy|fan"
)
_PERSON = (
    "person|persona|individual|character|man|woman|girl|boy|child|teacher|nurse|doctor|baker|farmer|student|worker|"
    r"artist|engineer|writer|scientist|\w+(?:er|or|ist|ian|man|woman|smith|keeper)"
)
#: Groups and places of which somebody may be: "a village's doctor" refers to no other person.
_BODIES = (
    "village|town|city|country|county|region|district|island|school|college|university|company|firm|hospital|team|"
    "club|ship|boat|family|world|nation|state|community|church|parish|market|army|navy|factory|museum|theatre|"
    "theater|orchestra|choir|court|king|queen|bishop|century|year|season|day|month|week|people|men|women|children"
)
_TEXT = "text|passage|article|excerpt|document|description|story|paragraph|prompt|input|material"
#: References at the beginning, where nobody has been named yet.
_AT_FIRST = re.compile(
    r"\W*(?:"
    rf"(?:the|this|that) same (?:[\w-]+ )?(?:{_PERSON})\b"
    rf"|(?:his|her|their) (?!(?:majesty|highness|royal|excellency|grace|eminence|holiness)\b)[a-z]"
    rf"|(?:the|this|that) (?:[\w-]+ ){{0,3}}(?!(?:{_BODIES})['’])[\w-]+['’]s? (?:[\w-]+ ){{0,3}}?(?:{_TIES})\b"
    rf"|(?:another|a|an|the|one) (?:[\w-]+ )?(?:{_TIES}) (?:of|to) (?:his|hers|theirs|him|her|them)\b"
    r"|(?:son|sa|ses|leur|su|sus|seu|sua|seine?|ihre?|ihr|sein|suo|sua|zijn|jego|jej|его|её|ее|их) "
    r"(?:\w+ )?(?:herman[oa]|madre|padre|hij[oa]|vecin[oa]|irmã[o]?|mãe|pai|filh[oa]|vizinh[oa]|"
    r"frère|sœur|soeur|mère|père|fils|fille|voisine?|ami[es]?|bruder|schwester|mutter|vater|sohn|tochter|"
    r"nachbarin?|freundin?|fratello|sorella|madre|padre|vicin[oa]|amic[oa]|broer|zus|moeder|vader|buur\w*|vriend\w*|"
    r"brat|siostra|matka|ojciec|сосед\w*|брат|сестра|друг|мать|отец)\b"
    r"|(?:他的|她的|彼の|彼女の)"
    r")",
    re.IGNORECASE,
)
#: Words with which prompts refer to their subject.
_ANYWHERE = re.compile(
    r"\b(?:(?:the|this|that|said) (?:above[- ]?mentioned |aforementioned )|(?:described|mentioned|as) above\b)"
    r"|\b(?:of|to|with|for|by|from) (?:this|that|the (?:given|above|described|mentioned|original|first)) "
    r"(?:person|persona|individual|character)\b"
    r"|\b(?:the|this) (?:given|original|described|input) persona\b|\b(?:of|to|with|from) the persona\b"
    rf"|\b(?:{_TIES}) (?:of|to|for) the (?:protagonist|main character|narrator|individual|subject|person)\b"
    rf"|\b(?:the|this) (?:author|reader|writer|subject) of (?:the|this) (?:{_TEXT})\b"
    rf"|\b(?:in|by|on|from|of|with|to|about|reads?|reading|wrote|write|likes?|enjoys?|dislikes?) this (?:{_TEXT})\b"
    rf"|\b(?:the|this) (?:given|above|provided|following|present) (?:{_TEXT})\b"
    rf"|\b(?:described|mentioned|depicted|discussed|presented|portrayed) in (?:the|this) (?:{_TEXT})\b"
    rf"|\b(?:would|might|may|could|likely to|interested in) (?:\w+ )?"
    rf"(?:read|write|like|enjoy|dislike|reading|writing) (?:the|this) (?:{_TEXT})\b(?! (?:of|on|about|for))"
    rf"|\bbased on (?:the|this) (?:{_TEXT})\b",
    re.IGNORECASE,
)
#: Whatever `_ANYWHERE` matches contains one of these.
_HINTS = (
    "above", "aforementioned", "persona", "individual", "character", "protagonist", "narrator", "person", "subject",
    "text", "passage", "article", "excerpt", "document", "description", "story", "paragraph", "prompt", "input",
    "material",
)  # fmt: skip


def _find_reference(text: str) -> re.Match[str] | None:
    """Find the words that refer to a person or text that is not named."""
    if match := _AT_FIRST.match(text):
        return match
    lowered = text.lower()
    return _ANYWHERE.search(text) if any(hint in lowered for hint in _HINTS) else None


#: The rules of quality, in the order in which they are applied.
QUALITY_RULES = (
    "too_short",
    "too_long",
    "degenerate",
    "refusal",
    "template_leak",
    "refers_to_unnamed",
    "first_person",
    "second_person",
    "other_language",
)

#: The rule on descriptions in the first person.
FIRST_PERSON = "first_person"

#: Fewest and most distinct words; the paper's shortest personas have three.
_FEWEST, _MOST = 3, 150


def quality_judge(language: str | None = None) -> Judge:
    """Return a judge by all rules of quality, in order; `language` is the BCP 47 tag that was asked for.

    A description in the first person, or one that addresses the reader, is rewritten if that is certain (in English,
    `I am a ...` or `You are a ...` with nothing else of the kind) and rejected otherwise. The language is judged by
    script and by its commonest words. In doubt there is no rule result.
    """
    rules: tuple[Judge, ...] = (
        _judge_length,
        _judge_degenerate,
        _judge_phrases,
        _judge_first_person,
        _judge_second_person,
    )

    def judge(text: str) -> RuleResult | None:
        found = (_apply_rule(rule, text) for rule in rules)
        result = next((result for result in found if result is not None), None)
        return result or (_judge_language(text, language) if language else None)

    return judge


def rewriting_judge() -> Judge:
    """Return a judge that only repeats the rewriting of a quality judge: first person, and texts to the reader."""
    rules: tuple[Judge, ...] = (_judge_first_person, _judge_second_person)

    def judge(text: str) -> RuleResult | None:
        rule_results = (_apply_rule(rule, text) for rule in rules)
        return next((result for result in rule_results if result is not None and result.text is not None), None)

    return judge


def _apply_rule(rule: Judge, text: str) -> RuleResult | None:
    """Return the rule result on the canonical text; a rewritten description keeps its line breaks and spaces."""
    result = rule(canonical_text(text))
    if result is None or result.text is None:
        return result
    as_it_came = rule(text)
    return result if as_it_came is None or as_it_came.text is None else as_it_came


def _judge_length(text: str) -> RuleResult | None:
    count = len(words(text))
    if count < _FEWEST:
        return RuleResult("too_short", f"It has {count} different words, and a description needs {_FEWEST}.")
    if count > _MOST:
        return RuleResult("too_long", f"It has {count} different words, and a description may have {_MOST}.")
    return None


def _judge_degenerate(text: str) -> RuleResult | None:
    if not has_content(text):
        return RuleResult("degenerate", "It says nothing: it is a placeholder.")
    if find_loop(text):
        return RuleResult("degenerate", "It repeats itself without end.")
    if find_noun_list(text):
        return RuleResult("degenerate", "It is a list of nouns.")
    return RuleResult("degenerate", "It breaks off.") if find_cut(text, is_chat=True) else None


def _judge_phrases(text: str) -> RuleResult | None:
    """Reject a text with words that no description has; the first rule that finds any counts."""
    found = (
        ("refusal", "It declines to describe anybody", _decline_pattern().search),
        ("template_leak", "It holds what belongs to a prompt or an answer", _LEAK.search),
        ("template_leak", "It holds what belongs to a prompt or an answer", _announcement_pattern().search),
        ("refers_to_unnamed", "It refers to somebody or something that it does not name", _find_reference),
    )
    for rule, reason, find in found:
        if (match := find(text)) and (said := match[0].strip()):
            # A reason may outlive its description, and must not repeat personal data.
            return RuleResult(rule, f"{reason}." if find_personal(said) else f"{reason}: {said!r}.")
    return None


def _judge_first_person(text: str) -> RuleResult | None:
    if not speaks_of_itself(text):
        return None
    return _turn_outside(FIRST_PERSON, "in the first person", text)


def _judge_second_person(text: str) -> RuleResult | None:
    if not speaks_to_somebody(text):
        return None
    return _turn_outside("second_person", "to the reader", text)


def _turn_outside(rule: str, how: str, text: str) -> RuleResult:
    changed = from_outside(text)
    if changed is None:
        return RuleResult(rule, f"It speaks {how}.")
    return RuleResult(rule, f"It spoke {how}.", is_kept=True, text=changed)


def _judge_language(text: str, language: str) -> RuleResult | None:
    if is_in_language(text, language) is not False:
        return None
    return RuleResult("other_language", f"It is not written in {language!r}, in which it was asked for.")


#: Patterns for RE2, which has no look-around.
_CONTACTS = (
    r"@|://|[wW]{3}\.|\d(?:\D*\d){4}|\d[a-z]? \p{Lu}|(?:straße|strasse|weg|platz|gasse|allee) \d"
    r"|\d,? (?:rue|avenue|boulevard|place) |(?:[Cc]alle|[Aa]venida|Av\.|Rua|Via|[Pp]laza|[Pp]iazza) .*\d"
)
#: Letters of scripts in which names are told by more than their capitals.
_FOREIGN = r"[\x{0370}-\x{1cff}\x{1f00}-\x{1fff}\x{3040}-\x{9fff}\x{ac00}-\x{d7af}]"
#: A capital word that begins a sentence.
_BEGINNING = r"(^|[.!?:]|\n)([\s\"“”‘’'(«]*)\p{Lu}\p{L}*"
_CAPITAL = r"(?:^|[^\p{L}])(\p{Lu}\p{L}+)"


#: Texts with JSON escapes, in which a line end is two characters and an accented letter six, are also read without
#: them. A capital word may be a name within a sentence, or where no list has it.
_SEARCH = rf"""
WITH said AS (
    SELECT place, text, contains(text, '\u') OR regexp_matches(text, $patterns) AS found FROM texts
    UNION ALL
    SELECT place, plain, regexp_matches(plain, $patterns) FROM (
        SELECT place, regexp_replace(text, '\\+[a-z"/]', ' ', 'g') AS plain FROM texts WHERE contains(text, '\')
    )
), words AS (
    SELECT place, unnest(regexp_extract_all(text, '{_CAPITAL}', 1)) AS word FROM said WHERE NOT found
), words_within AS (
    SELECT place, unnest(regexp_extract_all(regexp_replace(text, $beginning, '\1\2', 'g'), '{_CAPITAL}', 1)) AS word
    FROM said WHERE NOT found
)
SELECT place FROM said WHERE found
UNION SELECT place FROM words WHERE lower(word) NOT IN (SELECT word FROM beginnings)
UNION SELECT place FROM words_within WHERE lower(word) NOT IN (SELECT word FROM harmless)
ORDER BY place
"""  # noqa: S608 - our own words


def rows_to_search(texts: Any) -> list[int]:
    """The places, from 0, of the texts in which `find_personal` may find something; in the others it finds nothing."""
    column = make_array(texts, "VARCHAR") if isinstance(texts, list) else ChunkedArray.from_arrow(texts)
    table = set_column(make_table({"place": np.arange(len(column))}), "text", column)
    beginnings, harmless = _harmless_words()
    with engine(texts=table, beginnings=beginnings, harmless=harmless) as con:
        found = con.execute(_SEARCH, {"patterns": f"{_CONTACTS}|{_FOREIGN}", "beginning": _BEGINNING}).fetchall()
    return [place for (place,) in found]


@cache
def _harmless_words() -> tuple[Table, Table]:
    """Words that name nobody where a sentence begins, and anywhere."""
    lists, harmless = name_words(), harmless_words()
    names = set[str]().union(*(lists[kind] for kind in ("given", "also_words", "surnames", "first_surnames")))
    anywhere = harmless - names
    beginnings = (lists["vocabulary"] - names) | anywhere
    return make_table({"word": sorted(beginnings)}), make_table({"word": sorted(anywhere)})

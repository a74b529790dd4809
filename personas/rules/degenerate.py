"""Degenerate text, as weak models write it: loops, lists of nouns, sentences cut off, placeholders.

Each function returns the offending words, or "". Work is linear in the text, of which both ends are read.
"""

import re
from functools import cache

from ...core.text import UNSPACED, word_list
from .languages import known_languages, read_words

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
    known, filler = _placeholders()
    left = known.sub(" ", bare)
    return left == bare or bool(filler.sub(" ", left).strip())


@cache
def _placeholders() -> tuple[re.Pattern[str], re.Pattern[str]]:
    def pattern(*words: str) -> re.Pattern[str]:
        return re.compile(rf"(?<![^\W{UNSPACED}])(?:{'|'.join(words)})(?![^\W{UNSPACED}])")

    lists = read_words("text_faults")
    return pattern(*lists["placeholders"]), pattern(*lists["fillers"], r"\d+")


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

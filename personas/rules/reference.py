"""Descriptions that lean on somebody or something whom only the prompt knew."""

import re

__all__ = ["find_reference"]

#: People by what they are to somebody else; whoever is described by these words alone has another one behind them.
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
#: Whose somebody may well be: a village's doctor stands for themselves.
_BODIES = (
    "village|town|city|country|county|region|district|island|school|college|university|company|firm|hospital|team|"
    "club|ship|boat|family|world|nation|state|community|church|parish|market|army|navy|factory|museum|theatre|"
    "theater|orchestra|choir|court|king|queen|bishop|century|year|season|day|month|week|people|men|women|children"
)
_TEXT = "text|passage|article|excerpt|document|description|story|paragraph|prompt|input|material"
#: Where a text begins, nobody has been named yet.
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
#: Words by which prompts speak of whom, and of what, they are about.
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
#: One of these is in whatever `_ANYWHERE` finds.
_HINTS = (
    "above", "aforementioned", "persona", "individual", "character", "protagonist", "narrator", "person", "subject",
    "text", "passage", "article", "excerpt", "document", "description", "story", "paragraph", "prompt", "input",
    "material",
)  # fmt: skip


def find_reference(text: str) -> str | None:
    """The words in which a text refers to somebody, or to a text, that it does not name; None where it does not."""
    match = _AT_FIRST.match(text)
    if match is None:
        lowered = text.lower()
        match = _ANYWHERE.search(text) if any(hint in lowered for hint in _HINTS) else None
    return match[0].strip() if match else None

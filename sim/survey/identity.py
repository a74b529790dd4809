"""The fixed questionnaire by which it is measured how far agents are who they are said to be.

Its items are named as the attributes of profiles, and ask for these in the terms of profiles: age by decade, the major
group of ISCO-08, the level of ISCED 2011, the household, the value of Schwartz's ten that matters most, and the Big
Five by one statement each. `populace.analysis.surveys.drift` compares the answers with the profiles.
"""

from typing import Any, get_args

from ...personas.profiles.profile import AgeBand, BasicValue, Household
from .declared import Survey
from .items import Choice, Item, Likert

#: The name of the survey, by which its answers are found.
IDENTITY = "identity"

_WORK = (
    "0: armed forces",
    "1: manager",
    "2: professional",
    "3: technician or associate professional",
    "4: clerical support",
    "5: service or sales",
    "6: farming, forestry or fishery",
    "7: craft or trade",
    "8: plant or machine operator, assembler",
    "9: elementary occupation",
)
_EDUCATION = (
    "0: none, or early childhood",
    "1: primary",
    "2: lower secondary",
    "3: upper secondary",
    "4: post-secondary, not tertiary",
    "5: short tertiary",
    "6: bachelor's or equivalent",
    "7: master's or equivalent",
    "8: doctoral or equivalent",
)
_AGES, _HOUSEHOLDS, _VALUES = (get_args(known.__value__) for known in (AgeBand, Household, BasicValue))
_LIKE_ME = ("not at all like me", "very much like me")
_TRAITS = {
    "openness": "I am curious, and I like ideas and things that I do not know yet.",
    "conscientiousness": "I am orderly, and I finish what I begin.",
    "extraversion": "I seek company, and I talk easily with people I do not know.",
    "agreeableness": "I trust people, and I would rather give way than quarrel.",
    "neuroticism": "I worry a lot, and small things upset me.",
}


def identity_survey(**options: Any) -> Survey:
    """Build the questionnaire with options of `Survey`, such as `at=(0, 8)`.

    Facts may be answered with "don't know".
    """
    facts: list[Item] = [
        Choice("How old are you?", _AGES, shuffle=False, dont_know=True, name="age_band"),
        Choice("What kind of work do you do, or did you do last?", _WORK, dont_know=True, name="occupation_group"),
        Choice("What is your highest education?", _EDUCATION, shuffle=False, dont_know=True, name="education"),
        Choice("How do you live?", _HOUSEHOLDS, dont_know=True, name="household"),
        Choice("Which of these matters most to you in life?", _VALUES, name="values"),
    ]
    traits: list[Item] = [Likert(text, 5, _LIKE_ME, name=name) for name, text in _TRAITS.items()]
    told = {"intro": "These questions are about yourself.", **options}
    return Survey(IDENTITY, [*facts, *traits], **told)

"""Synthetic people: descriptions of about 20 words from recombined clauses, and near-duplicates planted among them.

The same number and seed give the same people. There are some 10 ** 13 of them, in few words: who is compared with
whom is a harder question here than among people who were written by a language model.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from populace.core.text import words

_TRAITS = (
    "patient|retired|stubborn|soft-spoken|ambitious|newly-hired|widowed|left-handed|sleepless|devout|"
    "thrifty|restless|colour-blind|bilingual|self-taught|forgetful|cheerful|overworked|cautious|nearsighted|"
    "curious|grieving|generous|impatient|homesick|punctual|shy|outspoken|tired|hopeful|disabled|"
    "ginger-haired|once-famous|meticulous|clumsy|superstitious|frugal|quarrelsome|gentle|tone-deaf|bookish|"
    "sunburnt|apprentice|part-time|itinerant|second-generation|recently-divorced|teetotal|fearless|seasick|"
    "methodical|talkative|proud|sceptical|lonely|broad-shouldered"
)
_ROLES = (
    "baker|midwife|crane operator|violin maker|customs officer|beekeeper|night porter|bus driver|"
    "court interpreter|oyster farmer|locksmith|school cook|tax clerk|glass blower|goat herder|"
    "paediatric nurse|ferry captain|bookbinder|undertaker|chess coach|tram mechanic|lighthouse painter|"
    "pastry chef|land surveyor|sign-language teacher|tailor|radio host|orchard keeper|piano tuner|"
    "prison librarian|roofer|seismologist|street sweeper|puppeteer|notary|dairy inspector|hydrologist|"
    "shoe repairer|film projectionist|tea taster|dental hygienist|train dispatcher|stonemason|marine welder|"
    "cartographer|childminder|vineyard foreman|speech therapist|watch repairer|mushroom picker|hotel cleaner|"
    "wind-turbine technician|fishmonger|choir conductor|optician|insurance adjuster|potter|farrier|"
    "museum guard|software tester|swimming instructor|pharmacist|archivist|butcher|bridge inspector|florist|"
    "debt counsellor|mountain guide|translator of poems|weaver|bicycle courier|ballet pianist|soil chemist|"
    "barber"
)
_PLACES = (
    "in a harbour town|near the northern border|on a river island|above a laundry|in the old quarter|"
    "behind the station|on the edge of a desert|in a valley without roads|beside a closed mine|in a tower block|"
    "at the foot of a volcano|on a rented farm|in a caravan park|by the fish market|near a salt lake|"
    "in a mountain village|across from the court|in a flooded district|under a motorway bridge|"
    "on the windward coast|in a garrison town|at the end of the tram line|in a converted chapel|"
    "next to the cement works|in a fishing hamlet|on the campus hill|in a suburb of the capital|"
    "above the tree line|beside the canal locks|in a pilgrim town|between two airports|on the ferry route|"
    "in a new city|near the potato fields|in a street of tanners|behind the opera|on a tea estate|"
    "in a town of students|by the dam"
)
_HABITS = (
    "keeps notes on|argues about|secretly collects|writes letters about|teaches neighbours|repairs|dreams of|"
    "photographs|paints|saves every month for|has a lifelong fear of|reads everything on|"
    "organises evenings around|invents songs about|gives free advice on|cannot stop talking about|"
    "spends each winter on|once won a prize for|has lost money on|trains a younger sister in|"
    "runs a small club for|writes a weekly column about|is suing a cousin over|studies|wakes early for|"
    "is slowly giving up|raises funds for|translates old books on|keeps a blog about|lectures on"
)
_THINGS = (
    "migrating storks|broken clocks|regional cheeses|railway timetables|wild orchids|second-hand violins|"
    "tidal power|village football|antique maps|sourdough cultures|rare beetles|medieval recipes|"
    "river pollution|model aeroplanes|folk dances|accordion waltzes|stray dogs|public benches|old radios|"
    "crossword puzzles|desert plants|boxing matches|family recipes|carrier pigeons|solar cookers|ghost stories|"
    "wooden boats|abandoned factories|school meals|lace patterns|steam engines|mountain rescue|local elections|"
    "silent films|deep-sea fish|letterpress printing|night skies|herbal teas|pension law|drought-proof seeds|"
    "street names|wedding customs|chess endings|amateur theatre|earthquake drills|hand puppets|"
    "fermented vegetables|cave paintings|road safety|women's cycling|goat breeds|stained glass|"
    "cold-water swimming|tax loopholes|children's choirs|sign painting|dialect words|paper kites|urban gardens|"
    "lost languages|blood donors"
)
_TIMES = (
    "before sunrise|after the late shift|on Sundays|every other evening|during harvest|in the school holidays|"
    "at lunch|when the rent is paid|between two trains|all through Lent|on market days|when nobody is watching|"
    "since the strike|in the rainy season|whenever it snows|after evening prayers|on the first of the month|"
    "while the children sleep"
)
_AIMS = (
    "and hopes to open a shop|and worries about rising rents|and supports two nephews abroad|"
    "and distrusts every doctor|and wants to learn to swim|and owes the bank a fortune|and misses the sea|"
    "and is writing a will|and never travels|and votes for whoever fixes the roads|"
    "and plans to emigrate next spring|and hides a heart condition|and lives alone|and cares for a blind father|"
    "and is about to become a parent|and has buried three husbands|and sleeps four hours|"
    "and refuses to own a phone|and shares a flat with strangers|and is learning Portuguese|and sings in a choir|"
    "and wishes to be left in peace|and has just quit smoking|and counts every coin|and gives half of it away|"
    "and limps"
)
#: Villages are named by three of these: what makes a corpus of many words.
_SYLLABLES = "ka|vel|mor|tin|sa|ro|bel|ug|dra|lis|pon|he|zu|ark|min|ost|fe|ya|gol|ner|cha|bi|wex|tul"
_CLAUSES = tuple(tuple(clauses.split("|")) for clauses in (_TRAITS, _ROLES, _PLACES, _HABITS, _THINGS, _TIMES, _AIMS))
_NEW_WORDS = ("quietly", "elsewhere", "nowadays", "reluctantly", "perhaps", "openly", "seldom", "almost", "still")
#: Originals that copies are made of: the latest of them.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Planted:
    """A description, and if it was made of an earlier one: of which, and how alike their sets of words are."""

    text: str
    of: int | None = None
    #: Words in both, and words in either.
    shared: int = 0
    union: int = 1


def people(n: int, seed: int) -> Iterator[str]:
    """`n` descriptions of people, of about 20 words."""
    rng = random.Random(seed)
    for _ in range(n):
        yield _person(rng)


def planted(n: int, seed: int, *, share: float = 0.1) -> Iterator[Planted]:
    """`n` descriptions of which a `share` are altered copies of earlier ones, from equal to about 0.75 alike."""
    rng = random.Random(seed)
    latest: list[tuple[int, str]] = []
    for place in range(n):
        if not latest or rng.random() >= share:
            person = Planted(_person(rng))
            latest[place % _REMEMBERED : place % _REMEMBERED + 1] = [(place, person.text)]
            yield person
        else:
            yield _copy(rng, *rng.choice(latest))


def _person(rng: random.Random) -> str:
    trait, role, place, habit, thing, when, aim = (clauses[int(rng.random() * len(clauses))] for clauses in _CLAUSES)
    if rng.random() < 0.5:
        when = f"near {''.join(rng.choices(_SYLLABLES.split('|'), k=3)).title()}"
    article = "An" if trait[0] in "aeiou" else "A"
    return f"{article} {trait} {role} {place} who {habit} {thing} {when} {aim}."


def _copy(rng: random.Random, of: int, text: str) -> Planted:
    said = text.split()
    kind = rng.randrange(6)
    if kind == 0:
        altered = text.upper() if rng.random() < 0.5 else " ,".join(said)
    elif kind == 1:
        rng.shuffle(said)
        altered = " ".join(said)
    else:
        for _ in range(kind - 1):
            at = rng.randrange(len(said))
            said[at : at + rng.randrange(2)] = [rng.choice(_NEW_WORDS)] * rng.randrange(2)
        altered = " ".join(said)
    one, other = words(text), words(altered)
    return Planted(altered, of, len(one & other), len(one | other))

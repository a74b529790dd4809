from populace.personas.growth import Population, absorb
from populace.personas.judging import Ruling, judged
from populace.personas.persona import Persona, Relation, RelationKind
from populace.personas.persona_to_persona import Relative

BAKER = Persona("A baker.")


def no_bakers(text: str) -> Ruling | None:
    return Ruling("bakers", "There are enough bakers.") if "baker" in text else None


def no_shouting(text: str) -> Ruling | None:
    return Ruling("shouting", "Nobody shouts.", is_kept=True, text=text.capitalize()) if text.isupper() else None


def test_each_judge_sees_what_the_one_before_has_left() -> None:
    persona, rulings = judged(Persona("A BAKER."), [no_shouting, no_bakers])
    assert persona is None
    assert [ruling.rule for ruling in rulings] == ["shouting", "bakers"]


def test_whoever_is_not_let_in_leaves_a_ruling_and_no_relation() -> None:
    population = Population([Persona("A miller.")])
    (miller,) = population.personas
    found = Relative(Relation(miller.id, BAKER.id, RelationKind.TRADE, "customer"), BAKER)
    result = absorb(population, [[found]], judges=[no_bakers])
    assert (result.personas, result.relations, result.dropped) == ((), (), 1)
    assert result.rulings[0][0] == BAKER.id
    assert len(population) == 1


def test_a_relation_leads_to_the_description_as_it_was_rewritten() -> None:
    population = Population([BAKER])
    loud = Persona("A MILLER.")
    found = Relative(Relation(BAKER.id, loud.id, RelationKind.TRADE, "supplier"), loud)
    result = absorb(population, [[found]], judges=[no_shouting])
    assert [p.text for p in result.personas] == ["A miller."]
    assert result.relations[0].target == result.personas[0].id
    assert result.dropped == 0


def test_people_who_are_there_already_are_not_judged_again() -> None:
    population = Population([BAKER])
    result = absorb(population, [[BAKER]], judges=[no_bakers])
    assert (result.rulings, result.repeats, result.newcomers) == ((), 1, (False,))

from populace.personas.growth import HopResult, absorb_answers
from populace.personas.judgement import RuleResult, judge_persona
from populace.personas.persona import Persona, Relation, RelationKind
from populace.personas.population import Population
from populace.personas.text_to_persona import Relative

BAKER, MILLER = Persona("A baker."), Persona("A miller.")


def no_bakers(text: str) -> RuleResult | None:
    return RuleResult("bakers", "There are enough bakers.") if "baker" in text else None


def no_shouting(text: str) -> RuleResult | None:
    return RuleResult("shouting", "Nobody shouts.", is_kept=True, text=text.capitalize()) if text.isupper() else None


def no_names(text: str) -> RuleResult | None:
    text = text.replace("Ada", "Eve")
    return RuleResult("names", "It was replaced.", is_kept=True, text=text) if "Eve" in text else None


def nothing_of_names(text: str) -> RuleResult | None:
    return RuleResult("names", "It was rejected.", is_erased=True) if "Ada" in text else None


def met(persona: Persona) -> Relative:
    return Relative(Relation(MILLER.id, persona.id, RelationKind.TRADE, "customer"), persona)


def absorbed(population: Population, *newcomers: Persona, **options: object) -> HopResult:
    return absorb_answers(population, [[met(persona) for persona in newcomers]], **options)  # type: ignore[arg-type]


def test_each_judge_sees_what_the_one_before_has_left() -> None:
    judgement = judge_persona(Persona("A BAKER."), [no_shouting, no_bakers])
    assert not judgement.is_let_in
    assert [result.rule for _, result in judgement.rule_results] == ["shouting", "bakers"]


def test_whoever_is_not_let_in_is_a_row_with_a_rule_result_and_a_relation_and_is_not_alive() -> None:
    population = Population([MILLER])
    result = absorbed(population, BAKER, judges=[no_bakers])
    assert (result.personas, result.rejected, result.dropped, result.born) == ((BAKER,), (BAKER.id,), 1, 0)
    assert [(who, result.rule) for who, result in result.rule_results] == [(BAKER.id, "bakers")]
    assert [relation.target for relation in result.relations] == [BAKER.id]
    assert population.alive == (MILLER,)
    assert population.graph().personas == (MILLER,)
    assert population.graph().neighbours(MILLER.id) == ()


def test_whoever_is_rejected_counts_as_not_new_and_twice_as_a_repeat() -> None:
    result = absorbed(Population([MILLER]), BAKER, BAKER, Persona("A diver."), judges=[no_bakers])
    assert result.newcomers == (False, False, True)
    assert (result.dropped, result.repeats, result.born, len(result.rule_results)) == (1, 1, 1, 1)


def test_a_near_duplicate_of_somebody_rejected_is_somebody_new() -> None:
    text = "A baker of a b c d e f g h i j k l m n o p q r s t"
    population = Population([MILLER])
    absorbed(population, Persona(text), judges=[no_bakers])
    assert absorbed(population, Persona(f"{text} u")).born == 1


def test_of_whom_nothing_may_stay_there_is_a_rule_result_and_no_row() -> None:
    population = Population([MILLER])
    ada = Persona("A baker called Ada.")
    result = absorbed(population, ada, judges=[no_bakers, nothing_of_names])
    assert (result.personas, result.relations, result.dropped, result.repeats) == ((), (), 1, 0)
    assert [(who, result.rule, result.is_erased) for who, result in result.rule_results] == [
        (ada.id, "bakers", True),
        (ada.id, "names", True),
    ]


def test_what_stays_of_somebody_rejected_is_what_the_other_judges_leave() -> None:
    result = absorbed(Population([MILLER]), Persona("A baker called Ada."), judges=[no_bakers, no_names])
    (row,) = result.personas
    assert row.text == "A baker called Eve."
    assert {result.rule: who for who, result in result.rule_results}["bakers"] == row.id


def test_no_rule_result_falls_on_somebody_who_lives() -> None:
    eve = Persona("A baker called Eve.")
    result = absorbed(Population([MILLER, eve]), Persona("A baker called Ada."), judges=[no_bakers, no_names])
    assert (result.rule_results, result.personas, result.dropped) == ((), (), 1)


def test_beyond_the_limit_nobody_is_rejected_as_nobody_is_let_in() -> None:
    result = absorbed(Population([MILLER]), BAKER, judges=[no_bakers], limit=1)
    assert (result.personas, result.rule_results, result.dropped) == ((), (), 0)


def test_who_was_rejected_stays_so_in_a_population_made_anew() -> None:
    anew = Population([MILLER, BAKER], rejected=[BAKER.id])
    assert (anew.alive, anew.arrived, BAKER.id in anew) == ((MILLER,), 2, True)
    assert absorbed(anew, BAKER, judges=[no_bakers]).rule_results == ()


def test_a_relation_leads_to_the_description_as_it_was_rewritten() -> None:
    population = Population([MILLER])
    result = absorbed(population, Persona("A DIVER."), judges=[no_shouting])
    assert [p.text for p in result.personas] == ["A diver."]
    assert result.relations[0].target == result.personas[0].id
    assert result.dropped == 0


def test_people_who_are_there_already_are_not_judged_again() -> None:
    population = Population([BAKER])
    result = absorb_answers(population, [[BAKER]], judges=[no_bakers])
    assert (result.rule_results, result.repeats, result.newcomers) == ((), 1, (False,))

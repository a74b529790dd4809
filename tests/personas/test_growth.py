import random
from collections import Counter

import pytest
from hypothesis import strategies as st
from properties import holds

from populace.core.errors import SetupError
from populace.personas.growth import (
    FrontierChoice,
    absorb_answers,
    check_growth,
    most_per_origin,
    offer_known,
    plan_hop,
)
from populace.personas.persona import Persona, Relation, RelationKind, content_id
from populace.personas.population import Admission, Population
from populace.personas.text_to_persona import Relative

TEN = "a b c d e f g h i j"
BAKER, TWIN, MILLER = Persona(TEN, hop=0), Persona(f"{TEN} k", hop=1), Persona("A miller.", hop=1)
#: What the answers say: of which seed, and about whom; some texts are near each other or the same.
ANSWERS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([TEN, f"{TEN} k", f"{TEN} k l", "m", "n", "o"])),
        max_size=3,
    ),
    max_size=12,
)


def relation(source: Persona, target: Persona, label: str = "supplier") -> Relation:
    return Relation(source.id, target.id, RelationKind.TRADE, label)


def relative(source: Persona, target: Persona) -> Relative:
    return Relative(relation(source, target), target)


def seeds(count: int, *, hop: int = 0) -> list[Persona]:
    return [Persona(f"seed{n} of{n} hop{hop} people{n}", hop=hop) for n in range(count)]


def child(of: Persona, number: int = 0) -> Persona:
    return Persona(f"{of.id} child{number}", hop=of.hop + 1, parent=of.id)


def grown(answers: list[list[tuple[int, str]]], limit: int | None = None) -> Population:
    start = seeds(6)
    population = Population(start)
    absorb_answers(population, [[relative(start[by], Persona(text)) for by, text in found] for found in answers], limit)
    return population


def rows(population: Population) -> tuple[object, ...]:
    return population.personas, population.relations, population.verdicts, population.alive


def test_a_newcomer_is_born_known_or_a_duplicate() -> None:
    population = Population()
    arrivals = [population.admit_persona(p) for p in (BAKER, Persona(f" {TEN} "), TWIN)]
    assert arrivals == [Admission.BORN, Admission.KNOWN, Admission.DUPLICATE]
    assert population.personas == (BAKER, TWIN)
    assert population.alive == (BAKER,)


def test_a_duplicate_is_a_row_with_a_verdict() -> None:
    population = Population([BAKER])
    population.admit_persona(TWIN)
    verdict = population.verdict(TWIN.id)
    assert verdict is not None
    assert (verdict.of, verdict.stage, verdict.similarity) == (BAKER.id, "exact", 10 / 11)
    assert population.verdict(BAKER.id) is None


def test_the_same_relation_counts_once_and_none_leads_to_oneself() -> None:
    population = Population([BAKER, MILLER])
    said = [
        relation(BAKER, MILLER),
        relation(BAKER, MILLER),
        relation(BAKER, MILLER, "cousin"),
        relation(BAKER, BAKER),
    ]
    assert [population.add_relation(r) for r in said] == [True, False, True, False]
    assert len(population.relations) == 2


def test_equal_text_from_two_parents_closes_a_circle() -> None:
    population = Population([BAKER, MILLER])
    result = absorb_answers(
        population, [[relative(BAKER, Persona("A carter."))], [relative(MILLER, Persona("A carter."))]]
    )
    assert (result.born, len(result.relations)) == (1, 2)
    assert len(population.graph().neighbours(result.personas[0].id)) == 2


def test_a_duplicate_gives_its_relations_to_the_original() -> None:
    population = Population([BAKER, MILLER])
    result = absorb_answers(population, [[relative(MILLER, TWIN)]])
    assert (result.born, result.duplicates, result.personas) == (0, 1, (TWIN,))
    assert [n.id for n in population.graph().neighbours(MILLER.id)] == [BAKER.id]


def test_nobody_new_is_admitted_beyond_the_limit_but_relations_still_count() -> None:
    population = Population([BAKER])
    result = absorb_answers(population, [[relative(BAKER, MILLER), relative(BAKER, Persona("A carter."))]], limit=2)
    assert population.alive == (BAKER, MILLER)
    assert len(result.relations) == 1
    assert absorb_answers(population, [[relative(MILLER, BAKER)]], limit=2).relations == (relation(MILLER, BAKER),)


def test_an_answer_of_text_to_persona_is_absorbed_too() -> None:
    result = absorb_answers(Population(), [[BAKER], [MILLER, TWIN]])
    assert (result.born, result.duplicates, result.relations) == (2, 1, ())


@holds(ANSWERS, st.integers(6, 9))
def test_a_population_made_anew_from_its_rows_goes_on_as_if_never_stopped(
    answers: list[list[tuple[int, str]]], limit: int
) -> None:
    whole, first = grown(answers, limit), grown(answers[:5], limit)
    anew = Population(first.personas, first.relations, first.verdicts)
    assert rows(anew) == rows(first)
    start = seeds(6)
    absorb_answers(anew, [[relative(start[by], Persona(text)) for by, text in found] for found in answers[5:]], limit)
    assert rows(anew) == rows(whole)


@holds(ANSWERS)
def test_everybody_is_alive_or_a_duplicate_of_somebody_alive(answers: list[list[tuple[int, str]]]) -> None:
    population = grown(answers)
    alive = {p.id for p in population.alive}
    assert len(population) == len(alive) == len(population.personas) - len(population.verdicts)
    assert all(v.of in alive and v.persona not in alive for v in population.verdicts)
    assert population.graph().personas == population.alive


def test_a_limit_is_met_before_a_deeper_hop() -> None:
    population, rng = Population(seeds(48)), random.Random(3)
    asked = plan_hop(population, hop=1, hops=6, limit=96, fan_out=3, rng=rng)
    absorb_answers(population, [[relative(p, child(p, n)) for n in range(3)] for p in asked], 96)
    assert Counter(p.hop for p in population.alive) == {0: 48, 1: 48}
    assert plan_hop(population, hop=2, hops=6, limit=96, fan_out=3, rng=rng) == ()


def test_relations_that_lead_to_nobody_new_are_made_up_for() -> None:
    start = seeds(20)
    population = Population(start)
    absorb_answers(population, [[relative(p, child(p)), relative(p, start[0])] for p in start[1:]])
    assert len(population) == 39
    assert len(plan_hop(population, hop=2, hops=3, limit=47, fan_out=2, rng=random.Random(1))) == 12


def test_whoever_has_fewest_people_of_the_same_origin_is_asked_about_first() -> None:
    start = seeds(20)
    population = Population(start)
    absorb_answers(population, [[relative(p, child(p))] for p in start[:5]])
    asked = plan_hop(population, hop=2, hops=2, limit=30, fan_out=2, rng=random.Random(1))
    assert asked
    assert set(asked) <= set(start[5:])


@pytest.mark.parametrize(("limit", "asked"), [(40, 20), (30, 10), (20, 0)])
def test_whoever_knows_nobody_is_asked_about_if_each_can_bring_somebody(limit: int, asked: int) -> None:
    assert len(plan_hop(Population(seeds(20)), hop=1, hops=1, limit=limit, fan_out=9, rng=random.Random(1))) == asked


@pytest.mark.parametrize("choice", ["chance", "novelty"])
@pytest.mark.parametrize("fan_out", [1, 3, 20])
def test_no_origin_has_more_than_three_fair_shares(fan_out: int, choice: FrontierChoice) -> None:
    rng, start = random.Random(fan_out), seeds(10)
    population = Population(start)
    most = most_per_origin(population, 60)
    for hop in range(1, 7):
        asked = plan_hop(population, hop=hop, hops=6, limit=60, fan_out=fan_out, rng=rng, choice=choice)
        # Only two of the first people know anybody new.
        fertile = [p for p in asked if hop > 1 or p in start[:2]]
        absorb_answers(
            population, [[relative(p, child(p, n)) for n in range(fan_out)] for p in fertile], 60, most_per_origin=most
        )
    assert most == 18
    assert max(population.origins.values()) <= most
    assert sum(population.origins.values()) == len(population)


def test_a_line_of_descent_is_never_walked_in_a_circle() -> None:
    first, second = (
        Persona("Somebody.", parent=content_id("Another.")),
        Persona("Another.", parent=content_id("Somebody.")),
    )
    population = Population([first, second])
    assert population.origin_of(first) == second.id
    assert population.origins.total() == 2


@pytest.mark.parametrize("hops", [1, 3, 6])
@pytest.mark.parametrize("limit", [12, 60, 240])
def test_a_society_comes_within_two_of_its_limit_where_a_third_of_the_relations_lead_to_the_known(
    limit: int, hops: int
) -> None:
    rng = random.Random(limit + hops)
    population = Population(seeds(limit // 2))
    for hop in range(1, hops + 1):
        asked = plan_hop(population, hop=hop, hops=hops, limit=limit, fan_out=4, rng=rng)
        news = [[(p, Persona(f"{p.id} child{n}", hop=hop)) for n in range(4)] for p in asked]
        met = [[relative(p, new if rng.random() < 2 / 3 else rng.choice(asked)) for p, new in some] for some in news]
        absorb_answers(population, met, limit)
    assert limit - 2 <= len(population) <= limit


def test_without_a_limit_the_whole_frontier_is_asked_about() -> None:
    frontier = seeds(5, hop=1)
    population = Population([*seeds(3), *frontier])
    assert plan_hop(population, hop=2, hops=3, limit=None, fan_out=2, rng=random.Random(1)) == tuple(frontier)


def test_people_are_chosen_by_the_seed_and_asked_about_in_order_of_arrival() -> None:
    population = Population(seeds(50))
    first, again, other = (
        plan_hop(population, hop=1, hops=2, limit=57, fan_out=1, rng=random.Random(seed)) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert 7 <= len(first) < 20
    assert first == tuple(p for p in population.alive if p in first)


def test_who_was_asked_about_already_is_not_asked_about_again() -> None:
    population = Population(seeds(5))
    asked = {p.id for p in population.alive[:3]}
    left = plan_hop(population, hop=1, hops=1, limit=50, fan_out=1, rng=random.Random(1), asked=asked)
    assert left == tuple(population.alive[3:])


def test_an_empty_frontier_falls_back_to_those_before_it() -> None:
    population = Population([*seeds(3), *seeds(2, hop=4)])
    assert plan_hop(population, hop=3, hops=3, limit=None, fan_out=1, rng=random.Random(1)) == tuple(seeds(3))


def test_known_people_are_alive_unrelated_and_somebody_else() -> None:
    crowd = seeds(12)
    population = Population(crowd)
    for other in crowd[1:5]:
        population.add_relation(relation(crowd[0], other))
    offered = offer_known(population, crowd[0], count=4, rng=random.Random(1))
    assert len(offered) == 4
    assert not {p.id for p in offered} & {p.id for p in crowd[:5]}
    assert offered == tuple(p for p in crowd if p in offered)


def test_a_small_society_offers_whom_it_has() -> None:
    assert offer_known(Population([BAKER]), BAKER, count=3, rng=random.Random(1)) == ()
    assert offer_known(Population([BAKER, MILLER]), BAKER, count=3, rng=random.Random(1)) == (MILLER,)


@pytest.mark.parametrize(
    ("hops", "fan_out", "limit", "sentence"),
    [
        (7, 2, None, r"Hops must be 0 to 6 \(the paper grows six\), but 7 was given."),
        (-1, 2, None, "but -1 was given"),
        (3, 0, None, "Fan-out .* must be 1 or more, but 0 was given"),
        (3, 2, 0, "number of people must be 1 or more, but 0 was given"),
    ],
)
def test_growth_that_cannot_be_is_refused(hops: int, fan_out: int, limit: int | None, sentence: str) -> None:
    with pytest.raises(SetupError, match=sentence):
        check_growth(hops=hops, fan_out=fan_out, limit=limit)


@pytest.mark.parametrize("hop", [0, 4])
def test_a_hop_outside_the_growth_is_refused(hop: int) -> None:
    with pytest.raises(SetupError, match=f"Hop {hop} is not one of the hops 1 to 3"):
        plan_hop(Population(), hop=hop, hops=3, limit=None, fan_out=1, rng=random.Random(1))


@pytest.mark.parametrize("limit", [None, 60])
def test_the_most_novel_are_asked_about_first_and_equals_in_order_of_arrival(limit: int | None) -> None:
    people = [Persona(f"A baker of bread number{n}", hop=0) for n in range(20)]
    diver = Persona("Somebody who mends harpoons under polar ice", hop=0)
    population = Population([*people, diver])
    asked = plan_hop(population, hop=1, hops=1, limit=limit, fan_out=1, rng=random.Random(1), choice="novelty")
    assert asked == (diver, *people)


def test_a_hop_that_was_asked_already_does_not_fall_back_to_those_before_it() -> None:
    population = Population([*seeds(3), *seeds(2, hop=1)])
    asked = {p.id for p in population.alive if p.hop == 1}
    assert plan_hop(population, hop=2, hops=3, limit=None, fan_out=1, rng=random.Random(1), asked=asked) == ()


def test_nobody_who_was_rejected_is_asked_about_or_offered() -> None:
    away = Persona("A ghost.", hop=0)
    population = Population([BAKER, away, MILLER], rejected=[away.id])
    asked = plan_hop(population, hop=1, hops=1, limit=None, fan_out=1, rng=random.Random(1), choice="novelty")
    assert asked == (BAKER,)
    assert offer_known(population, BAKER, count=3, rng=random.Random(1)) == (MILLER,)


def test_a_relation_of_a_kind_that_is_not_wanted_is_counted_and_brings_nobody() -> None:
    population = Population([BAKER])
    unwanted = Relative(relation(BAKER, MILLER), MILLER, is_wanted=False)
    result = absorb_answers(population, [[unwanted, relative(BAKER, Persona("A carter."))]])
    assert (result.unwanted, result.born, len(result.relations)) == (1, 1, 1)


def test_an_offered_acquaintance_is_no_newcomer() -> None:
    population = Population([BAKER, MILLER])
    known = Relative(relation(BAKER, MILLER), MILLER, is_offered=True)
    result = absorb_answers(population, [[known, relative(MILLER, BAKER)]])
    assert result.newcomers == (False,)
    assert len(result.relations) == 2

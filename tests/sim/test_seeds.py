import random

from populace.sim.seeds import derive_seed, draw_sample, rng_for


def test_seeds_depend_on_run_and_purpose_and_on_nothing_else() -> None:
    assert derive_seed(7, "step", 3, "a") == derive_seed(7, "step", 3, "a")
    assert rng_for(7, "offer", 1).random() == rng_for(7, "offer", 1).random()


def test_every_part_of_a_purpose_counts() -> None:
    seeds = {derive_seed(s, p, n, a) for s in (1, 2) for p in ("step", "visit") for n in (1, 11) for a in ("1", "a")}
    assert len(seeds) == 16
    assert derive_seed(1, "a", "b") != derive_seed(1, "ab")


def test_sampled_draws_what_the_generator_s_own_sample_does() -> None:
    for size in (*range(1, 24), 90):
        things, counts = [str(n) for n in range(size)], {0, 1, size // 2, size}
        for count in counts:
            ours, own = random.Random(size), random.Random(size)
            assert draw_sample(ours, things, count) == own.sample(things, count)
            assert ours.random() == own.random()

from populace.sim.seeds import derive_seed, rng_for


def test_seeds_depend_on_run_and_purpose_and_on_nothing_else() -> None:
    assert derive_seed(7, "step", 3, "a") == derive_seed(7, "step", 3, "a")
    assert rng_for(7, "offer", 1).random() == rng_for(7, "offer", 1).random()


def test_every_part_of_a_purpose_counts() -> None:
    seeds = {derive_seed(s, p, n, a) for s in (1, 2) for p in ("step", "visit") for n in (1, 11) for a in ("1", "a")}
    assert len(seeds) == 16
    assert derive_seed(1, "a", "b") != derive_seed(1, "ab")

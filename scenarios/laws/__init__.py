"""Models with known results, lived by rule agents: what `populace validate` compares the engine with."""

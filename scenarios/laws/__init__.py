"""Models with known results, lived by rule agents: what `populace check engine` compares the engine with."""

"""How well a model writes: `populace check model`."""

"""Characters of a game's world, projected from real people."""

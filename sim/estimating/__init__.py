"""What `sim.estimate` stands on: the stand-in as a ruler, small lives, samples, and ranges of numbers."""

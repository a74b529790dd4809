"""Experiments: arms times replicates over the same people, in one folder with a merged file."""

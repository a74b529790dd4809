"""Experiments: arms times replicates, in one folder with a merged file."""

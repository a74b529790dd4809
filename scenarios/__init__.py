"""Scenarios and tasks, written against the public API as a user would."""

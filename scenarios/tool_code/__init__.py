"""Implementations of tools, with an example and tests that are run in a sandbox."""

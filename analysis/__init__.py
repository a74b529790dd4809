"""Analysis of runs: summaries, statistics, reports, and exports."""

import lazy_loader

# What __init__.pyi promises is imported when it is first used: asking a run file should not wait for langgraph.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

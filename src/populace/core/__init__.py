"""What all of Populace stands on: errors, prompts, the protocol of models, tables, SQL, files and texts."""

import lazy_loader

# What __init__.pyi promises is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

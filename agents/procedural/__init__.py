"""`procedural`: the stand-in that needs no weights and is no language model."""

import lazy_loader

# The model loads langchain, for which the packages of word lists should not wait.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

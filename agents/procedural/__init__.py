"""`procedural`: the stand-in that needs no weights and is no language model."""

import lazy_loader

# The notice is shown by commands that have no use for the model, and should not wait for langchain.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""The relationship graph of a hub: its figures beside those of random graphs, and the part of it that is drawn."""

import lazy_loader

# The names in __init__.pyi are imported on first use: reading ties needs no scipy.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""The relationship graph of a hub: its figures beside those of random graphs, and the people around one person."""

import lazy_loader

# What __init__.pyi promises is imported when it is first used: who is around one person needs no scipy.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Hubs: files in which personas are kept, by the thousand or by the million.

`populace.personas.selection` chooses people from them, and `populace.personas.network` measures their relations.
"""

import lazy_loader

# What __init__.pyi promises is imported when it is first used: opening a hub should not wait for numpy.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

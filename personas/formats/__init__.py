"""Files that people are imported from into a hub, and that they are exported to."""

import lazy_loader

# The names in __init__.pyi are imported on first use: an export should not wait for what an import needs.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

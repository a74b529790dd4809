"""Hubs: files in which personas are kept, by the thousand or by the million."""

from .file import HubFile, create_hub, open_hub
from .read import Hub, read_hub

__all__ = ["Hub", "HubFile", "create_hub", "open_hub", "read_hub"]

"""What is known of a person beyond the description: profiles, biographies, and raising somebody to the very best."""

from .attributes import ATTRIBUTES, Evidence
from .biography import Biography, Tied, write_biography
from .elite import Change, Elite, Tier, raise_persona
from .infer import infer_profile
from .profile import Attribute, Profile, parse_profile

__all__ = [
    "ATTRIBUTES",
    "Attribute",
    "Biography",
    "Change",
    "Elite",
    "Evidence",
    "Profile",
    "Tied",
    "Tier",
    "infer_profile",
    "parse_profile",
    "raise_persona",
    "write_biography",
]

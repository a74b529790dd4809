"""What is known of a person beyond the description: profiles and biographies; and personas raised to the elite."""

from .biography import Biography, Change, Elite, Tier, raise_persona, write_biography
from .profile import ATTRIBUTES, AttributeValue, Evidence, Profile, Tied, infer_profile, parse_profile

__all__ = [
    "ATTRIBUTES",
    "AttributeValue",
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

"""What is known of a person beyond the description: profiles and biographies; and personas raised to the elite."""

from .biography import Biography, write_biography
from .elite import Change, Elite, Tier, raise_persona
from .profile import ATTRIBUTES, AttributeValue, Evidence, Profile, infer_profile, parse_profile
from .relatives import Tied

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

"""The scenario of growing people and doing nothing else: what `populace grow` runs."""

from typing import TYPE_CHECKING

from ..scenario import Scenario

if TYPE_CHECKING:
    from ..resident import SocietyView

__all__ = ["Growing"]


class Growing(Scenario):
    """People are grown, and nobody lives a step."""

    name = "growth"
    lives = False

    def ended(self, society: "SocietyView") -> bool:
        """At once: there is no step to take."""
        return True

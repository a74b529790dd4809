"""Answers to the profile prompt, made by hand."""

from typing import Any

from populace.personas.profiles import ATTRIBUTES

__all__ = ["answered", "known"]


def known(value: Any, evidence: str = "assumed", words: str = "") -> dict[str, Any]:
    """One attribute of an answer."""
    return {"words": words, "evidence": evidence, "value": value}


def answered(**attributes: dict[str, Any]) -> dict[str, Any]:
    """A whole answer in which all other attributes are unknown."""
    return {name: known(None, "unknown") for name in ATTRIBUTES} | attributes

"""Answers to the prompts for profiles and biographies, made by hand."""

from typing import Any

from populace.personas.profiles import ATTRIBUTES


def known(value: Any, evidence: str = "assumed", words: str = "") -> dict[str, Any]:
    """One attribute of an answer."""
    return {"words": words, "evidence": evidence, "value": value}


def answered(**attributes: dict[str, Any]) -> dict[str, Any]:
    """A whole answer in which all other attributes are unknown."""
    return {name: known(None, "unknown") for name in ATTRIBUTES} | attributes


def life(**stated: Any) -> dict[str, Any]:
    """A biography that states nothing but what is given."""
    text = "\n\n".join(["She was born by the sea and stayed there, as everybody did. " * 6] * 4)
    nothing = {"age": None, "region": None, "occupation": None, "household": None, "children": None}
    return {"text": text, "mentions": [], **nothing, "languages": [], "others": []} | stated

"""Templates of pages that open offline, load nothing, and run no script but their own."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from math import isfinite
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ...core.text import make_legible
from ..page import clip_text, short_label
from ..picture import page_style
from ..plot import COLOURS, PATTERNS, format_number

_TEMPLATES = files(__package__).joinpath("templates")
_DASH = "\u2013"


def render(template: str, *, more_script: str = "", **context: object) -> str:
    """The page of a template that extends `base.html.j2`. Texts are escaped, and shown where markup forbids them."""
    code = _read_template("report.js") + (_read_template(more_script) if more_script else "")
    script = Markup(code)  # noqa: S704 - our own files, no text of the run
    style = Markup(_read_template("style.css") + page_style())  # noqa: S704 - likewise
    own = {"style": style, "patterns": PATTERNS, "surface": COLOURS["surface"]}
    return (
        _make_environment()
        .get_template(template)
        .render(script=script, script_hash=_csp_hash(script), **own, **context)
    )


@cache
def _make_environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_read_template),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_show_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        clip=clip_text,
        count=_format_count,
        number=format_number,
        probability=probability,
        share=_format_share,
        short=short_label,
    )
    return environment


def probability(p: float) -> str:
    """A p value, or a dash."""
    return _DASH if not isfinite(p) else "< .001" if p < 0.001 else f"{p:.3f}"


def _show_value(value: Any) -> Any:
    """The text of a value in the page: no text of the run brings a character that HTML forbids."""
    if isinstance(value, Markup):
        return value
    return make_legible(value) if isinstance(value, str) else make_legible(str(value))


def _read_template(name: str) -> str:
    return _TEMPLATES.joinpath(name).read_text(encoding="utf-8")


def _csp_hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _format_count(amount: object) -> str:
    return _DASH if amount is None else f"{amount:,}"


def _format_share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else _DASH

"""Licences of rows that were made from several sources: which of them is the strictest."""

import re
from collections.abc import Iterable

#: The value where no licence is stated. It counts as stricter than any licence.
UNKNOWN_LICENCE = "unknown"

#: What licences ask for, from the freest to the strictest, by their SPDX identifiers; the first pattern counts.
_RESTRICTIONS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("public domain", r"CC0-.*|PDDL-.*|Unlicense|0BSD|MIT-0|public[- ]domain"),
        ("non-commercial, no derivatives", r"CC-BY-NC-ND-.*"),
        ("non-commercial, share alike", r"CC-BY-NC-SA-.*"),
        ("non-commercial", r"CC-BY-NC-.*"),
        ("no derivatives", r"CC-BY-ND-.*"),
        ("share alike", r"CC-BY-SA-.*|ODbL-.*|GFDL-.*|[AL]?GPL-.*|MPL-.*|EUPL-.*|CDLA-Sharing-.*"),
        ("attribution", r"CC-BY-[0-9].*|ODC-By-.*|MIT|Apache-2\.0|BSD-.*|ISC|OGL-.*|etalab-.*|DL-DE-BY-.*|CDLA-Perm.*"),
    )
)
_ORDER = (
    *("public domain", "attribution", "share alike", "no derivatives", "non-commercial"),
    *("non-commercial, share alike", "non-commercial, no derivatives", "other", "unknown"),
)
#: Names that dataset cards on the Hugging Face hub know beside those of Creative Commons.
_CARD_NAMES = frozenset(
    {
        *("mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "odc-by", "odbl", "pddl", "gfdl"),
        *("gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "unknown"),
    }
)
_CREATIVE_COMMONS = re.compile(r"cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-[234]\.[05]")


def restriction(licence: str | None) -> str:
    """What a licence asks for, in a few words; `other` for one that is not known here, `unknown` for none.

    >>> restriction("CC-BY-NC-SA-4.0"), restriction("Our own terms"), restriction(None)
    ('non-commercial, share alike', 'other', 'unknown')
    """
    if licence is None or licence == UNKNOWN_LICENCE:
        return "unknown"
    return next((name for name, pattern in _RESTRICTIONS if pattern.fullmatch(licence)), "other")


def strictest(licences: Iterable[str | None]) -> str:
    """The licence that binds most; None is an unknown one, and no licences at all are unknown.

    Different licences that bind alike are joined, for all of them hold.

    >>> strictest(["CC0-1.0", "CC-BY-SA-4.0"]), strictest(["CC0-1.0", None]), strictest(["MIT", "CC-BY-4.0", "CC0-1.0"])
    ('CC-BY-SA-4.0', 'unknown', 'CC-BY-4.0 AND MIT')
    """
    by_rank: dict[int, set[str]] = {}
    for licence in licences:
        by_rank.setdefault(_ORDER.index(restriction(licence)), set()).add(licence or UNKNOWN_LICENCE)
    return " AND ".join(sorted(by_rank[max(by_rank)])) if by_rank else UNKNOWN_LICENCE


def card_licence(licence: str) -> str:
    """The name under which a dataset card states a licence; `other` for one that cards have no name for.

    >>> card_licence("CC-BY-NC-SA-4.0"), card_licence("Our own terms")
    ('cc-by-nc-sa-4.0', 'other')
    """
    name = re.sub(r"-(only|or-later)$", "", licence.lower())
    name = {"odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl"}.get(name, name)
    return name if name in _CARD_NAMES or _CREATIVE_COMMONS.fullmatch(name) else "other"

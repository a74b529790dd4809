"""What a run file may make this machine do: only what its user named here when the run was made or resumed.

A run file names the script that is its scenario, the address that questions and the key go to, and files that are read
or written. In a file from somebody else those names are not the user's choice. So what a run was made with is noted
outside the file, as hashes, in the user's own folder for state; what is not noted there has to be named again.
"""

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from shlex import join
from typing import Any, Literal

import orjson

from ..core.errors import SetupError
from ..personas.network.spec import GROWN, parse_network
from .config import ROLES
from .growth import Growth
from .runfile.job_rows import JobRow
from .runfile.reader import RunReader, run_of
from .scenario import FILE_SETTINGS, GrowthOnly

#: What a run file can name.
type TrustedKind = Literal[
    "script", "address", "embeddings", "cache", "model", "source", "file", "code", "solver", "grader"
]

#: What is known to be named here once a run is resumed.
RESUMED: tuple[TrustedKind, ...] = ("address", "embeddings", "cache", "model", "solver", "grader")
#: What is named when growth is extended.
SOURCES: tuple[TrustedKind, ...] = ("source",)

_OPTIONS: dict[TrustedKind, str] = {
    "address": "--base-url",
    "embeddings": "--embeddings-url",
    "cache": "--cache",
    "model": "--model",
    "source": "",
}

#: The parameters that name them, where they are called otherwise.
_PARAMETERS: dict[TrustedKind, str] = {"address": "base_url", "embeddings": "embeddings_url", "source": "sources_named"}

_LAST_HOP = "SELECT max(hop) FROM growth"
_HAS_NETWORK = "SELECT count(*) FROM markers WHERE job = 1 AND phase = 'network'"


@dataclass(frozen=True, slots=True)
class _Claim:
    kind: TrustedKind
    #: As stored in the file, and as compared: of a file, its path.
    name: str
    value: str

    def fingerprint(self, run: str) -> str:
        said = orjson.dumps([run, self.kind, self.value])
        return blake2b(said, digest_size=20).hexdigest()


def remember_trust(run: JobRow, kinds: Collection[TrustedKind] | None = None) -> None:
    """Record that this machine's user made or named what a run uses, or only what is of these kinds.

    If nothing can be recorded, it must be named again.
    """
    _add_fingerprints(
        [claim.fingerprint(run.id) for claim in _list_claims(run) if kinds is None or claim.kind in kinds]
    )


def remember_script(run: str, script: Path) -> None:
    """Record that the user has named this script as that of a run."""
    _add_fingerprints([_file_claim("script", str(script)).fingerprint(run)])


def note_trust(run: JobRow, *, repeats: JobRow | None, is_resumed: bool) -> None:
    """Record which addresses and files the user has named.

    For a resumed run these are all but its script, and for a replay they are those known for the original run.
    """
    if repeats is not None:
        inherit_trust(repeats, run, ())
    else:
        remember_trust(run, kinds=RESUMED if is_resumed else None)


def inherit_trust(parent: JobRow, run: JobRow, named: Collection[TrustedKind]) -> None:
    """Record for a run made from `parent` what is known of that one, and what was named for this one."""
    known = _read_fingerprints()
    claims = _list_claims(run)
    _add_fingerprints([c.fingerprint(run.id) for c in claims if c.kind in named or c.fingerprint(parent.id) in known])


def check_script(path: Path, run: str, script: Path, *, command: str) -> None:
    """Raise `SetupError` if a run names a script that this machine's user has not named for it.

    `command` is the command that would run it, such as `resume`.
    """
    if _file_claim("script", str(script)).fingerprint(run) not in _read_fingerprints():
        again = join(["populace", *command.split(), str(path), "--script", str(script)])
        raise SetupError(
            f"{str(path)!r} was not made here by you, and would run the script {str(script)!r}; if you have read that "
            f"and trust it, say so: `{again}`."
        )


def find_named(given: Mapping[str, Any]) -> set[TrustedKind]:
    """Return the kinds of addresses and files that options name. A model of the caller's own comes with its address."""
    kinds: tuple[TrustedKind, ...] = (*RESUMED, *SOURCES)
    named = {kind for kind in kinds if given.get(_PARAMETERS.get(kind, kind)) not in (None, (), "")}
    own = ((given.get("model"), "address"), (given.get("embeddings"), "embeddings"))
    return named | {kind for model, kind in own if model is not None and not isinstance(model, str)}  # type: ignore[misc]


def check_resumed(run: RunReader, given: Mapping[str, Any]) -> None:
    """Raise what `check_trusted` raises for a run that is to continue with the options in `given`."""
    named = find_named(given)
    row = run_of(run)
    spec = row.run_spec
    ((hop,),) = run.query(_LAST_HOP).rows
    hops = Growth.model_validate(spec.growth).hops
    ((drawn,),) = run.query(_HAS_NETWORK).rows
    is_read = bool(drawn) or parse_network(spec.network).file is None
    check_trusted(run.path, row, named, is_grown=is_read and hop is not None and hop >= hops)


def check_trusted(
    path: Path, run: JobRow, named: Collection[TrustedKind], *, command: str = "resume", is_grown: bool = True
) -> None:
    """Raise `SetupError` if a run uses an address or a file that was not named here, now (`named`) or before.

    A run that `is_grown`, with its network drawn, does not read its sources again.
    """
    known, given = _read_fingerprints(), {"script", *named, *(("source",) if is_grown else ())}
    claims = [c for c in _list_claims(run) if c.kind not in given and c.fingerprint(run.id) not in known]
    if not claims:
        return
    what = " and ".join(f"{_VERBS[claim.kind]} {claim.name!r}" for claim in claims)
    raise SetupError(
        f"{str(path)!r} was not made here by you, and would {what}; {_describe_way(path, run, claims, command)}."
    )


def is_named(run: JobRow, kinds: Collection[TrustedKind]) -> bool:
    """Return whether this machine's user has named all that a run uses of these kinds."""
    known = _read_fingerprints()
    return all(claim.fingerprint(run.id) in known for claim in _list_claims(run) if claim.kind in kinds)


def check_code(path: Path, run: JobRow) -> None:
    """Raise `SetupError` if a run would run code and was not made here."""
    check_trusted(path, run, {claim.kind for claim in _list_claims(run) if claim.kind != "code"}, command="replay")


_VERBS: dict[TrustedKind, str] = {
    "address": "send its questions, with your key, to",
    "embeddings": "send its texts, with your key, to",
    "cache": "take answers from and write them to",
    "model": "load the model",
    "source": "read",
    "file": "read",
    "code": "run",
    "solver": "ask as solver, with your key,",
    "grader": "ask as grader, with your key,",
}


def _describe_way(path: Path, run: JobRow, claims: list[_Claim], command: str) -> str:
    words, spec = ["populace", *command.split(), str(path)], orjson.loads(run.spec)
    if any(claim.kind == "code" for claim in claims):
        return "have such code written in a run of your own"
    if any(claim.kind == "file" for claim in claims):
        return "give what it is to read to a run of your own"
    sources = [claim.name for claim in claims if claim.kind == "source"]
    if sources:
        if spec["scenario"] != GrowthOnly.name:
            return "give what it is to grow from to a run of your own"
        words = ["populace", "grow", *sources, "--hub", str(path)]
    roles = spec.get("roles") or {}
    for claim in claims:
        if option := _OPTIONS.get(claim.kind):
            words += [option, claim.name]
        elif claim.kind in ROLES:
            one = next(one for one in roles.values() if claim.name in (" ".join(one["base_url"]), one["model"]))
            words += [f"--{claim.kind}", one["model"]]
            words += [word for url in one["base_url"] for word in (f"--{claim.kind}-url", url)]
    return f"if that is what you want, say so: `{join(words)}`"


def _kind_of(role: str) -> TrustedKind:
    """Return the kind under which a role's model is named. The second solver, `solver-2`, is a solver."""
    return "grader" if role.startswith("grader") else "solver"


def _list_claims(run: JobRow) -> list[_Claim]:
    spec = orjson.loads(run.spec)
    claims = [_Claim("address", url, url) for url in (run.base_url or "").split()]
    if run.embedding_url:
        claims.append(_Claim("embeddings", run.embedding_url, run.embedding_url))
    for role, one in (spec.get("roles") or {}).items():
        kind = _kind_of(role)
        if one["base_url"]:
            claims.append(_Claim(kind, " ".join(one["base_url"]), " ".join(one["base_url"])))
        elif one["model"].startswith("gguf:"):
            claims.append(_file_claim(kind, one["model"]))
    claims += [
        _file_claim("model", model) for model in (run.model, run.embedding_model or "") if model.startswith("gguf:")
    ]
    if run.cache:
        claims.append(_file_claim("cache", run.cache))
    if script := spec.get("scenario_file"):
        claims.append(_file_claim("script", script))
    with suppress(ValueError, SetupError):  # what cannot be read leads to nothing that is read
        growth = Growth.model_validate(spec.get("growth") or {})
        files = [growth.seeds, growth.hub]
        claims += [_file_claim("source", name) for name in (*growth.sources, *(str(f) for f in files if f is not None))]
    with suppress(SetupError):
        network = parse_network(spec.get("network", GROWN)).file
        claims += [] if network is None else [_file_claim("source", str(network))]
    settings = spec.get("settings") or {}
    if settings.get("execute"):
        claims.append(_Claim("code", "the code in its answers", "execute"))
    for given in (settings.get(name) for name in FILE_SETTINGS):
        claims += [_file_claim("file", name) for name in (given if isinstance(given, list) else [given]) if name]
    return claims


def _file_claim(kind: TrustedKind, name: str) -> _Claim:
    prefix = "gguf:" if name.startswith("gguf:") and kind in ("model", "solver", "grader") else ""
    return _Claim(kind, name, prefix + os.path.realpath(Path(name.removeprefix(prefix)).expanduser()))


def _fingerprint_file() -> Path | None:
    """Return the file of fingerprints, or None if the user has no home folder."""
    try:
        folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return Path(folder) / "populace" / "made-here"


def _read_fingerprints() -> frozenset[str]:
    place = _fingerprint_file()
    try:
        return frozenset(place.read_text(encoding="ascii", errors="replace").split()) if place else frozenset()
    except OSError:
        return frozenset()


def _add_fingerprints(fingerprints: list[str]) -> None:
    place = _fingerprint_file()
    fresh = set(fingerprints) - _read_fingerprints()
    if place is None or not fresh:
        return
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # One write that begins a line of its own: others may write at the same time, or have been cut off.
            os.write(file, "".join(f"\n{one}" for one in sorted(fresh)).encode() + b"\n")
        finally:
            os.close(file)

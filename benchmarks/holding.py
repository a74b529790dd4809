"""A hub whose people are held, and texts that come to it one at a time, in a process that may be killed on the way.

Prints what it took, as JSON.
"""

import argparse
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from populace.personas.dedup import Match, NearDuplicates
from populace.personas.hub import HubFile, create_hub, open_hub
from populace.personas.hub.dedup import dedup_hub
from populace.personas.hub.queries import RETAINED
from populace.personas.persona import content_id

type Result = dict[str, Any]
type Judged = tuple[int, str, str, Match[str] | None]

NEAR = 0.9
#: Texts that are committed together, and people that are written at once when the hub is made.
_EACH, _GROUP = 100, 100_000

_PEOPLE = """
INSERT INTO personas (id, ordinal, text, origin, hop, language) SELECT id, ordinal, text, 'import', 0, 'en' FROM lent
"""
_VERDICTS = """
INSERT INTO duplicates (kind, persona, "of", stage, similarity, undone)
SELECT 'persona', persona, "of", stage, similarity, false FROM lent
"""


def make(given: argparse.Namespace) -> Result:
    """The hub of the first `held` texts, each text once, the near-duplicates among them marked."""
    seen: set[str] = set()
    texts = itertools.islice(_texts(given.corpus), given.held)
    with create_hub(given.hub) as hub:
        while some := list(itertools.islice(texts, _GROUP)):
            new = {content_id(text): text for text in some}
            kept = [(key, text) for key, text in new.items() if key not in seen]
            with hub.writing():
                _write(hub, _PEOPLE, id=[k for k, _ in kept], text=[t for _, t in kept], ordinal=_places(seen, kept))
            seen.update(new)
        marked = dedup_hub(hub, threshold=NEAR).marked
    return {"people": len(seen), "marked": marked}


def _originals(hub: HubFile) -> NearDuplicates[str]:
    found = hub.con.sql(f"SELECT id, text FROM personas WHERE {RETAINED} ORDER BY ordinal").to_arrow_table()
    index = NearDuplicates[str](NEAR)
    index.keep_all(found["id"].to_pylist(), found["text"].to_pylist())
    return index


def add(given: argparse.Namespace) -> Result:
    """Take the hub up, and add the texts behind `held` that it has not yet; -9 to itself in the midst of `killed`."""
    wall, cpu = time.perf_counter(), time.process_time()
    with open_hub(given.hub, write=True) as hub:
        index = _originals(hub)
        restart = {"restart": time.perf_counter() - wall, "restart_cpu": time.process_time() - cpu}
        ((there,),) = hub.con.execute("SELECT max(ordinal) FROM personas").fetchall()
        waiting = _waiting(hub, given.corpus, given.held)
        took: list[float] = []
        for some in itertools.batched(waiting, _EACH):
            judged = [_judged(index, there + place, text, took) for place, text in enumerate(some, start=1)]
            there += len(some)
            with hub.writing():
                _keep(hub, judged)
                if given.killed and len(took) >= given.killed:
                    os.kill(os.getpid(), signal.SIGKILL)
    took.sort()
    times = {"median_us": took[len(took) // 2], "p99_us": took[len(took) * 99 // 100]} if took else {}
    return {**restart, **times, "held": len(index), "added": len(took)}


def _texts(corpus: Path) -> Iterator[str]:
    with corpus.open(encoding="utf-8") as lines:
        for line in lines:
            yield line.rstrip("\n")


def _places(seen: set[str], kept: Sequence[tuple[str, str]]) -> pa.Array:
    return pa.array(range(len(seen) + 1, len(seen) + len(kept) + 1), pa.int32())


def _waiting(hub: HubFile, corpus: Path, held: int) -> Iterator[str]:
    """Texts behind those held whose persona is not there; whatever a killed process did not commit is among them."""
    behind = {content_id(text): text for text in itertools.islice(_texts(corpus), held, None)}
    hub.con.register("lent", pa.table({"id": list(behind)}))
    found = {key for (key,) in hub.con.execute("SELECT id FROM personas SEMI JOIN lent USING (id)").fetchall()}
    hub.con.unregister("lent")
    return (text for key, text in behind.items() if key not in found)


def _judged(index: NearDuplicates[str], ordinal: int, text: str, took: list[float]) -> Judged:
    key = content_id(text)
    began = time.perf_counter()
    match = index.add(key, text)
    took.append(1e6 * (time.perf_counter() - began))
    return ordinal, key, text, match


def _keep(hub: HubFile, judged: Sequence[Judged]) -> None:
    ordinals, ids, texts, _ = zip(*judged, strict=True)
    _write(hub, _PEOPLE, id=ids, text=texts, ordinal=pa.array(ordinals, pa.int32()))
    found = [(key, match) for _, key, _, match in judged if match is not None]
    if found:
        columns = {name: [getattr(match, name) for _, match in found] for name in ("stage", "similarity")}
        _write(hub, _VERDICTS, persona=[key for key, _ in found], of=[match.key for _, match in found], **columns)


def _write(hub: HubFile, statement: str, **columns: Any) -> None:
    hub.con.register("lent", pa.table(columns))
    hub.con.execute(statement)
    hub.con.unregister("lent")


WAYS: dict[str, Callable[[argparse.Namespace], Result]] = {"make": make, "add": add}


def main() -> None:
    """Do one of them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("way", choices=sorted(WAYS))
    options.add_argument("hub", type=Path)
    options.add_argument("corpus", type=Path)
    options.add_argument("--held", type=int, required=True, help="texts that are there before others come")
    options.add_argument("--killed", type=int, default=0, help="end with -9 at this text")
    given = options.parse_args()
    json.dump(WAYS[given.way](given), sys.stdout)


if __name__ == "__main__":
    main()

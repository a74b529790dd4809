"""The tests' own server as a process of its own, so that its CPU is not the client's.

Prints its base URL, answers until its input is closed, and then writes the requests it was sent, one turn a
line, to the file that `--keep` names: what the references are given to send.
"""

import argparse
import sys
from pathlib import Path

import orjson
from openai_server import OpenAIServer


def write_turns(server: OpenAIServer, path: Path) -> None:
    """Write the bodies that came, those of one turn (a draft and its revision) on one line.

    They no longer ask for a stream: a reference reads its answers in one piece.
    """
    turns: dict[int, list[object]] = {}
    for body in server.bodies:
        asked = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
        turns.setdefault(body["seed"], []).append(asked)
    with path.open("wb") as file:
        file.writelines(orjson.dumps(turn) + b"\n" for turn in turns.values())


def main() -> None:
    """Serve until the input ends."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--filler", action="store_true", help="filler text, not the procedural model's")
    options.add_argument("--keep", type=Path, help="where to write the requests that came")
    options.add_argument("--latency", type=float, default=0.0, help="seconds until an answer")
    given = options.parse_args()
    with OpenAIServer(procedural=not given.filler, keep_bodies=given.keep is not None, latency=given.latency) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()
    if given.keep is not None:
        write_turns(server, given.keep)


if __name__ == "__main__":
    main()

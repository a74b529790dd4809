"""llama.cpp's server as a process: `python -m populace.agents.endpoint.llama_process MODEL.gguf SLOTS CONTEXT`.

It says where it listens in one line, and ends when its standard input does: however its parent ends, even
killed, the pipe between them is closed.
"""

import argparse
import os
import signal
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xllamacpp

#: What the line that says the address begins with.
LISTENING = "populace listens: "

#: Connections served at once. Each one kept open holds a thread, and a request that finds none free waits for seconds.
_CONNECTIONS = 128

#: Seconds between two looks at whether the parent is still there.
_LOOK = 1.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a model until the parent is gone. Does not return, but raises if the model cannot be served."""
    parser = argparse.ArgumentParser(prog="populace.agents.endpoint.llama_process")
    parser.add_argument("path")
    parser.add_argument("slots", type=int)
    parser.add_argument("context", type=int, help="tokens of each slot")
    parser.add_argument("--embeddings", action="store_true")
    parser.add_argument("--mean", action="store_true", help="embeddings are the mean over a text's tokens")
    given = parser.parse_args(arguments)
    parent = os.getppid()
    _end_with_input()
    server = _serve_model(given)
    # In one piece and with a line break before it: the server's own lines come from other threads.
    os.write(1, f"\n{LISTENING}{server.listening_address}\n".encode())
    _wait_for_the_end_of(parent)
    # Threads of the server are still at work, and nothing is left to be saved.
    os._exit(0)


def _serve_model(given: argparse.Namespace) -> "xllamacpp.Server":
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = given.path
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = given.slots
    params.n_ctx = given.slots * given.context
    # Threads that wait for each other spin: with one for every core, the client would have to wait for a core.
    params.cpuparams.n_threads = max(1, _count_cores() // 2)
    params.n_threads_http = _CONNECTIONS
    # Errors and warnings alone: what is said of each request would be gigabytes over a long run.
    params.verbosity = 2
    params.offline = True
    # Off: what a page in a browser could reach, and copies of old prompts.
    params.ui = params.endpoint_slots = False
    params.cors_origins = ""
    params.cache_ram_mib = 0
    if given.embeddings:
        params.embedding = True
        params.n_batch = params.n_ubatch = given.context
    if given.mean:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return xllamacpp.Server(params)


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_with_input() -> None:
    """Make the system end this process when standard input ends. While a model loads, Python runs no thread."""
    try:
        import fcntl
    except ImportError:  # Windows: it is noticed when the model is loaded
        return
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def _wait_for_the_end_of(parent: int) -> None:
    ended = threading.Event()

    def read() -> None:
        os.read(0, 1)
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    # A process that our parent forked may hold the pipe open for longer than the parent lives.
    while os.getppid() == parent and not ended.wait(_LOOK):
        pass


if __name__ == "__main__":
    main()

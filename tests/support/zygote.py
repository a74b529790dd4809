"""Does jobs in processes that can be killed, without paying for the imports each time.

Reads one JSON job a line, forks a child that does it, and says the child's id and then how it ended.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import sys
import threading
import traceback
import warnings
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

# Imported before the fork, for the children: also what runs import when they first need it.
import populace.agents.doctor
import populace.agents.endpoint.chat_openai
import populace.analysis.hub_summary
import populace.analysis.report
import populace.analysis.summary
import populace.cli.app
import populace.cli.panel
import populace.personas.hub
import populace.personas.network.figures
import populace.sim.embedding
import populace.sim.enrichment
import populace.sim.estimate
import populace.sim.fork
import populace.sim.replay  # noqa: F401
from populace.agents.batch.client import PollInterval
from populace.agents.batch.queue import open_batch_queue
from populace.agents.endpoint.models import open_model
from populace.agents.gateway.client import Gateway  # noqa: F401
from populace.agents.gateway.limits import Limits
from populace.cli import main as populace_command
from populace.personas.hub import create_hub
from populace.sim import engine
from populace.sim.growth import Growth
from populace.sim.runfile.database import make_run_file
from populace.sim.scenario import GrowthOnly
from populace.sim.society import Society


def live(job: dict[str, Any]) -> None:
    """Run or resume a village, or another scenario (`module:Class`), and leave its hash beside it."""
    out = Path(job["out"])
    module, _, name = job.get("scenario", "populace.scenarios.village:Village").partition(":")
    scenario = getattr(import_module(module), name)
    # Only where requests go by batch does it matter how often a server is looked at.
    engine.open_batch_queue = partial(open_batch_queue, quiet=0.05, interval=PollInterval(0.01, 0.02))  # type: ignore[attr-defined]
    grows = "growth" in job
    if job["resume"]:
        society = Society.resume(out, GrowthOnly if grows else scenario)
    else:
        society = Society(
            GrowthOnly() if grows else scenario(job.get("settings")),
            growth=Growth(**job["growth"]) if grows else Growth(agents=job["agents"], hops=2),
            model=job["model"],
            base_url=job.get("base_url"),
            limits=Limits(max_in_flight=job["max_in_flight"]),
            mind=job.get("mind"),
            batch=job.get("batch", False),
            out=out,
            steps=job.get("steps", 8),
        )
    out.with_suffix(".hash").write_text(society.run().event_hash)


def command(job: dict[str, Any]) -> None:
    """Do what a command line says: `populace ...`, `python -c CODE ...` or `python SCRIPT`."""
    os.chdir(job["cwd"])
    os.environ.update(job["env"])
    for stream, path in ((1, job["out"]), (2, job["err"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    first, *rest = job["command"]
    sys.argv = [first, *rest]
    if first == "populace":
        populace_command(rest)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_path(first, run_name="__main__")


_NEEDED = (
    "anyio._backends._asyncio",
    "httpcore2",
    "langgraph.graph",
    "openai.resources.chat",
    "pandas",
    "populace.analysis.export.export",
    "populace.scenarios.catalog",
    "populace.sim.tasks.solving",
    "rich._emoji_codes",
    "rich.live",
    "scipy.optimize",
)


def main() -> None:
    """Do jobs until there are no more."""
    for model in ("procedural", "openai:m"):
        open_model(model, base_url=None if model == "procedural" else "http://127.0.0.1:1/v1")
    # What others import when it is first needed.
    for name in _NEEDED:
        import_module(name)
    # The first files of a process take the longest: their tables are made, and then copied.
    with TemporaryDirectory() as folder, create_hub(Path(folder) / "hub.duckdb"):
        make_run_file(Path(folder) / "run.duckdb")
    # However the tests were begun: Ctrl-C reaches the children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The one thread beside ours is an allocator's, which knows of forks.
    warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _end(_done(json.loads(line)))
        print(child, flush=True)  # noqa: T201
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201
    _end(0)


def _done(job: dict[str, Any]) -> int:
    """Do a job; gives the exit code."""
    try:
        command(job) if "command" in job else live(job)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - the parent must hear of whatever it was
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End as Python does, but for taking apart what was imported, which takes longer than most jobs."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()

"""Runs villages in processes that can be killed, without paying for the imports each time.

Reads one JSON job a line, forks a child that does it, and says the child's id and then how it ended.
"""

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from populace.agents.endpoint.models import open_model
from populace.agents.gateway.batch import Interval, open_desk
from populace.agents.gateway.gateway import Gateway  # noqa: F401 - imported before the fork, for the children
from populace.agents.gateway.limits import Limits
from populace.scenarios.village import Village
from populace.sim import engine
from populace.sim.growing.scenario import Growing
from populace.sim.growth import Growth
from populace.sim.society import Society


def live(job: dict[str, Any]) -> None:
    """Run or resume a village, and leave its hash beside it."""
    out = Path(job["out"])
    # Only where requests go by batch does it matter how often a server is looked at.
    engine.open_desk = partial(open_desk, quiet=0.05, interval=Interval(0.01, 0.02))  # type: ignore[attr-defined]
    grows = "growth" in job
    if job["resume"]:
        society = Society.resume(out, Growing if grows else Village)
    else:
        society = Society(
            Growing() if grows else Village(),
            growth=Growth(**job["growth"]) if grows else Growth(agents=job["agents"], hops=2),
            model=job["model"],
            base_url=job.get("base_url"),
            limits=Limits(max_in_flight=job["max_in_flight"]),
            batch=job.get("batch", False),
            out=out,
            steps=job.get("steps", 8),
        )
    out.with_suffix(".hash").write_text(society.run().event_hash)


def main() -> None:
    """Do jobs until there are no more."""
    open_model("procedural")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                live(json.loads(line))
            except BaseException as error:  # noqa: BLE001 - the parent must hear of whatever it was
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
                os._exit(1)
            os._exit(0)
        print(child, flush=True)  # noqa: T201
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

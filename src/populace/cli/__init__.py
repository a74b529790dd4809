"""The command line, without logic of its own."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from populace.sim.scenario import Scenario

__all__ = ["main", "run_script"]


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line on these arguments, or the process's own, and exit."""
    try:
        from .app import main as run_command
    except KeyboardInterrupt:  # while the commands load
        sys.stderr.write("populace: Stopped.\n")
        sys.exit(130)
    run_command(argv)


def run_script(scenario: "type[Scenario]", script: str) -> None:
    """Run a scenario's own file as a command: what its `if __name__ == "__main__"` calls."""
    from .make import run_script as run_it

    run_it(scenario, script)

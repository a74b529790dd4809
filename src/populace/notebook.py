"""What shows the progress of a run that Python code begins: lines in a notebook, a panel in a terminal, or nothing."""

import sys

from .sim.engine import Progress, SilentProgress


def default_progress(wanted: Progress | bool | None) -> Progress:
    """Return what shows progress: what is given; without it lines in a notebook, and nothing elsewhere.

    True shows it everywhere, False nowhere.
    """
    if not isinstance(wanted, bool) and wanted is not None:
        return wanted
    if wanted or (wanted is None and _is_in_notebook()):
        from .cli.panel import ProgressPanel

        return ProgressPanel()
    return SilentProgress()


def _is_in_notebook() -> bool:
    """Return whether a Jupyter kernel runs this process; IPython in a terminal is none."""
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None

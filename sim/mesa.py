"""What a society takes from Mesa, imported without pandas and SciPy: Mesa needs them for what a society does not use.

They are more than half of the time that `import mesa` takes.
"""

from ..personas.imports import deferred

with deferred(("pandas", "scipy", "scipy.spatial", "scipy.spatial.distance")):
    from mesa import DataCollector, Model
    from mesa.discrete_space import FixedAgent, Network

__all__ = ["DataCollector", "FixedAgent", "Model", "Network"]

"""What a society takes from Mesa, imported without pandas and SciPy: Mesa needs them for what a society does not use.

They are more than half of the time that `import mesa` takes.
"""

from ..core.imports import defer_imports

with defer_imports(("pandas", "scipy", "scipy.spatial", "scipy.spatial.distance")):
    from mesa import Agent as Agent
    from mesa import DataCollector as DataCollector
    from mesa import Model as Model
    from mesa.time import Event as Event
    from mesa.time import EventList as EventList

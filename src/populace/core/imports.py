"""Libraries that are imported only when they are used, although what we import would import them at once.

Where other threads run, which could import the same libraries meanwhile, everything is imported as usual.
"""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


class _Callable:
    """A function or class whose module is imported when it is called."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(self._module), self._name)(*args, **kwargs)


class _Stub(ModuleType):
    """Stands in for a module while another one is imported; what is read of it later comes from the module itself."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            return _Callable(self.__name__, name)
        return getattr(import_module(self.__name__), name)


@contextmanager
def defer_imports(modules: Sequence[str]) -> Iterator[None]:
    """What is imported in this context does not import these modules, but only calls what is in them later.

    A package stands before its modules. Those that are imported already stay as they are.
    """
    is_alone = threading.active_count() == 1
    stubs = {name: _Stub(name) for name in modules if is_alone and name.partition(".")[0] not in sys.modules}
    sys.modules.update(stubs)
    try:
        yield
    finally:
        for name in stubs:
            del sys.modules[name]

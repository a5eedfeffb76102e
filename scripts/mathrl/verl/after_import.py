"""Do something right after a module was imported, and nothing where it never is.

verl imports our modules in each of its dozen processes (VERL_USE_EXTERNAL_MODULES). What they change lies in modules that are slow to
import, and most processes need none of it: a process must not import verl's trainers only to change them.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing itself; wraps what the other finders return for one module."""

    def __init__(self, name: str, action: Callable[[ModuleType], None]) -> None:
        self.name, self.action = name, action

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self.action(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this loader alone, which is this module's
        return spec


def after_import(name: str, action: Callable[[ModuleType], None]) -> None:
    """Call `action` with module `name` once it is imported; at once if it is already."""
    if name in sys.modules:
        action(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Finder(name, action))
